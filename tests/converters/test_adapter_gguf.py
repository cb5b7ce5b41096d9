from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tests.converters import oracle, synthetic, tiny_models
from tests.converters.conftest import Family
from tests.converters.llama_cpp_logits import largest_difference, mean_kl, served_logits

from laimark_converters import architectures
from laimark_converters.adapter_gguf import Converted, convert_adapter
from laimark_converters.adapter_reader import read_adapter_gguf
from laimark_converters.errors import ConversionError
from laimark_converters.gguf_output import Dtype
from laimark_converters.peft_config import LoraConfig
from laimark_converters.rotary import permute_rows

# llama.cpp's script imports torch and transformers in a child process before it does anything.
pytestmark = pytest.mark.timeout(180)

IDS = [5, 77, 1000, 4000, 300, 12, 9, 2048, 77, 78, 1, 2, 600, 601]
FAMILIES = tuple(tiny_models.CONFIGS)


@pytest.mark.parametrize("family", FAMILIES)
def test_tensors_are_those_of_llama_cpps_own_script(families: dict[str, Family], family: str) -> None:
    oracle.assert_same_tensors(families[family].adapter_gguf, families[family].oracle)


@pytest.mark.parametrize("dtype", ["f16", "bf16", "q8_0"])
def test_smaller_types_are_bit_for_bit_those_of_llama_cpps_own_script(
    families: dict[str, Family], oracle_dtypes: dict[str, Path], dtype: Any, tmp_path: Path
) -> None:
    llama = families["llama"]
    convert_adapter(llama.adapter, llama.gguf, tmp_path / "ours.gguf", dtype=dtype)
    oracle.assert_same_tensors(tmp_path / "ours.gguf", oracle_dtypes[dtype])


@pytest.mark.parametrize("family", FAMILIES)
def test_keys_are_those_of_llama_cpps_own_script_without_paths_of_this_machine(
    families: dict[str, Family], family: str
) -> None:
    ours, theirs = oracle.keys(families[family].adapter_gguf), oracle.keys(families[family].oracle)
    described = ("general.name", "general.base_model.", "general.tags")
    assert ours == {key: value for key, value in theirs.items() if not key.startswith(described)}


@pytest.mark.parametrize("family", FAMILIES)
def test_served_adapter_computes_what_peft_computes(unconverted: dict[str, Family], family: str) -> None:
    files = unconverted[family]
    expected = tiny_models.torch_logits(files.hf, IDS, files.adapter)
    served = served_logits(files.gguf, IDS, files.adapter_gguf)
    assert mean_kl(expected, served) < 1e-3
    assert largest_difference(expected, served) < 0.5
    without = served_logits(files.gguf, IDS)
    assert mean_kl(expected, without) > 1e-1, "the adapter must matter for this to mean anything"


def test_leaving_out_the_permutation_is_caught_by_the_logits(
    unconverted: dict[str, Family], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = unconverted["llama"]
    wrong = replace(architectures.ARCHITECTURES["llama"], permuted=False)
    monkeypatch.setattr(architectures, "ARCHITECTURES", {"llama": wrong})
    convert_adapter(files.adapter, files.gguf, tmp_path / "wrong.gguf")
    expected = tiny_models.torch_logits(files.hf, IDS, files.adapter)
    served = served_logits(files.gguf, IDS, tmp_path / "wrong.gguf")
    assert mean_kl(expected, served) > 1e-3
    assert largest_difference(expected, served) > 0.5


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"use_rslora": True}, id="rank-stabilised"),
        pytest.param({"alpha_pattern": {"q_proj": 32, "layers.1.mlp.down_proj": 1}}, id="alpha pattern"),
        pytest.param({"rank_pattern": {"v_proj": 2, "layers.0.self_attn.k_proj": 6}}, id="rank pattern"),
        pytest.param(
            {"use_rslora": True, "rank_pattern": {"v_proj": 2}, "alpha_pattern": {".*_proj": 5}},
            id="all together",
            marks=pytest.mark.filterwarnings("ignore:Rank-Stabilized LoRA"),
        ),
    ],
)
def test_what_llama_cpps_script_converts_silently_wrong_is_served_as_peft_computes_it(
    unconverted: dict[str, Family], changes: dict[str, Any], tmp_path: Path
) -> None:
    files = unconverted["llama"]
    adapter = tiny_models.build_adapter(files.hf, tmp_path / "adapter", **changes)
    convert_adapter(adapter, files.gguf, tmp_path / "adapter.gguf")
    expected = tiny_models.torch_logits(files.hf, IDS, adapter)
    served = served_logits(files.gguf, IDS, tmp_path / "adapter.gguf")
    assert mean_kl(expected, served) < 1e-6
    assert largest_difference(expected, served) < 1e-2


@pytest.fixture(scope="module")
def llama_header(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.write_header_only(synthetic.LLAMA, tmp_path_factory.mktemp("llama") / "base.gguf")


def peft_update(
    tensors: dict[str, NDArray[np.float32]], path: str, config: LoraConfig, scale: float
) -> NDArray[np.float64]:
    a = tensors[f"base_model.model.{path}.lora_A.weight"].astype(np.float64)
    b = tensors[f"base_model.model.{path}.lora_B.weight"].astype(np.float64)
    return scale * config.scale_of(path) * (b @ a)


STRENGTHS = st.one_of(st.just(0.0), st.floats(0.01, 200.0))
SUFFIXES = st.sampled_from(["q_proj", "self_attn.k_proj", r"layers\.1\.mlp.*", "down_proj", "no_such_module"])


@settings(max_examples=25, deadline=None)
@given(
    rank=st.integers(1, 9),
    alpha=STRENGTHS,
    rank_stabilised=st.booleans(),
    ranks=st.dictionaries(SUFFIXES, st.integers(1, 9), max_size=3),
    alphas=st.dictionaries(SUFFIXES, STRENGTHS, max_size=3),
    scale=STRENGTHS.map(lambda v: -v / 50).filter(bool),
)
def test_product_survives_any_rank_alpha_pattern_and_scale(
    llama_header: Path,
    tmp_path_factory: pytest.TempPathFactory,
    rank: int,
    alpha: float,
    rank_stabilised: bool,
    ranks: dict[str, int],
    alphas: dict[str, float],
    scale: float,
) -> None:
    config = LoraConfig(
        rank=rank, alpha=alpha, rank_stabilised=rank_stabilised, rank_pattern=ranks, alpha_pattern=alphas
    )
    stub, folder = synthetic.LLAMA, tmp_path_factory.mktemp("product")
    paths = {f"model.layers.{n}.{m}": f"blk.{n}.{g}.weight" for n in range(2) for m, g in stub.names.items()}
    tensors = synthetic.stub_tensors(stub, {path: config.rank_of(path) for path in paths})
    synthetic.write_adapter(
        folder, tensors, r=rank, lora_alpha=alpha, use_rslora=rank_stabilised, rank_pattern=ranks, alpha_pattern=alphas
    )  # fmt: skip
    convert_adapter(folder, llama_header, folder / "out.gguf", scale=scale)
    read = read_adapter_gguf(folder / "out.gguf")
    assert set(read.pairs) == set(paths.values())
    assert read.alpha != 0, "llama.cpp reads a zero alpha as full strength"
    for path, name in paths.items():
        expected = peft_update(tensors, path, config, scale)
        if "attn_q" in name:
            expected = permute_rows(expected, synthetic.HEADS)
        if "attn_k" in name:
            expected = permute_rows(expected, synthetic.KV_HEADS)
        np.testing.assert_allclose(read.update(name), expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


def test_report_says_what_was_written(llama_header: Path, tmp_path: Path) -> None:
    adapter = synthetic.write_stub_adapter(synthetic.LLAMA, tmp_path / "adapter")
    done = convert_adapter(adapter, llama_header, tmp_path / "out.gguf")
    size = (tmp_path / "out.gguf").stat().st_size
    assert done == Converted(tensors=28, bytes=size, rank=synthetic.RANK, alpha=8.0)


CONVERT = (
    "import sys; from pathlib import Path; from laimark_converters.adapter_gguf import convert_adapter; "
    "convert_adapter(*map(Path, sys.argv[1:4]), dtype=sys.argv[4], scale=0.3, metadata=dict(version='1', base='2'))"
)


@pytest.mark.parametrize("dtype", get_args(Dtype))
def test_equal_input_gives_equal_bytes(llama_header: Path, tmp_path: Path, dtype: Dtype) -> None:
    """Whatever the folder is called, in whatever order its tensors lie, however the interpreter hashes."""
    tensors = synthetic.stub_tensors(synthetic.LLAMA)
    changes = {"use_rslora": True, "alpha_pattern": {"q_proj": 3, "v_proj": 5}, "target_modules": ["a", "b"]}
    adapter = synthetic.write_adapter(tmp_path / "adapter", tensors, **changes)
    metadata = {"version": "1", "base": "2"}
    convert_adapter(adapter, llama_header, tmp_path / "1", dtype=dtype, scale=0.3, metadata=metadata)
    changes["target_modules"] = ["b", "a"]
    other = synthetic.write_adapter(tmp_path / "another name", {}, **changes)
    synthetic.save_in_order(dict(reversed(tensors.items())), other / "adapter_model.safetensors")
    base = Path(shutil.copy(llama_header, tmp_path / "renamed.gguf"))
    reversed_metadata = dict(reversed(metadata.items()))
    convert_adapter(other, base, tmp_path / "2", dtype=dtype, scale=0.3, metadata=reversed_metadata)
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", CONVERT, str(other), str(base), str(tmp_path / f"hash{seed}"), dtype],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
        )
    found = {(tmp_path / name).read_bytes() for name in ("1", "2", "hash1", "hash2")}
    assert len(found) == 1


def test_lineage_is_written_under_its_own_prefix(llama_header: Path, tmp_path: Path) -> None:
    adapter = synthetic.write_stub_adapter(synthetic.LLAMA, tmp_path / "adapter")
    metadata = {"base_sha256": "ab" * 32, "laimark.version": "me:1", "parent": ""}
    convert_adapter(adapter, llama_header, tmp_path / "out.gguf", metadata=metadata)
    assert read_adapter_gguf(tmp_path / "out.gguf").metadata == {"base_sha256": "ab" * 32, "version": "me:1"}


def test_zero_alpha_is_served_as_no_change(llama_header: Path, tmp_path: Path) -> None:
    adapter = synthetic.write_stub_adapter(synthetic.LLAMA, tmp_path / "adapter", lora_alpha=0)
    done = convert_adapter(adapter, llama_header, tmp_path / "out.gguf")
    assert done.alpha == 1.0
    assert not read_adapter_gguf(tmp_path / "out.gguf").update("blk.0.attn_q.weight").any()


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), 0.0])
def test_scale_that_is_not_finite_or_leaves_nothing_is_refused(
    llama_header: Path, tmp_path: Path, scale: float
) -> None:
    adapter = synthetic.write_stub_adapter(synthetic.LLAMA, tmp_path / "adapter")
    with pytest.raises(ConversionError, match="scale is"):
        convert_adapter(adapter, llama_header, tmp_path / "out.gguf", scale=scale)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_and_leave_the_old_file(
    llama_header: Path, tmp_path: Path, value: float
) -> None:
    tensors = synthetic.stub_tensors(synthetic.LLAMA)
    tensors["base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"][3, 1] = value
    adapter = synthetic.write_adapter(tmp_path / "adapter", tensors)
    out = tmp_path / "out.gguf"
    out.write_bytes(b"served today")
    with pytest.raises(ConversionError, match=r"up_proj\.lora_B\.weight holds NaN or infinity"):
        convert_adapter(adapter, llama_header, out)
    assert out.read_bytes() == b"served today"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapter", "out.gguf"]


def test_values_too_large_for_f16_are_refused(llama_header: Path, tmp_path: Path) -> None:
    adapter = synthetic.write_stub_adapter(
        synthetic.LLAMA, tmp_path / "adapter", lora_alpha=8e7, use_rslora=True
    )
    convert_adapter(adapter, llama_header, tmp_path / "fits.gguf")
    with pytest.raises(ConversionError, match="too large for f16"):
        convert_adapter(adapter, llama_header, tmp_path / "out.gguf", scale=1e7, dtype="f16")


def test_bfloat16_adapters_are_widened_exactly(llama_header: Path, tmp_path: Path) -> None:
    adapter = synthetic.write_stub_adapter(synthetic.LLAMA, tmp_path / "adapter")
    file = adapter / "adapter_model.safetensors"
    halved = {name: tensor.bfloat16() for name, tensor in load_file(file).items()}
    save_file(halved, file)
    convert_adapter(adapter, llama_header, tmp_path / "out.gguf")
    expected = halved["base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"].float().numpy()
    found = read_adapter_gguf(tmp_path / "out.gguf").pairs["blk.0.ffn_up.weight"].a
    np.testing.assert_array_equal(found, expected)


def test_adapter_named_as_base_is_refused(llama_header: Path, tmp_path: Path) -> None:
    adapter = synthetic.write_stub_adapter(synthetic.LLAMA, tmp_path / "adapter")
    convert_adapter(adapter, llama_header, tmp_path / "adapter.gguf")
    with pytest.raises(ConversionError, match="of the type 'adapter', not a model"):
        convert_adapter(adapter, tmp_path / "adapter.gguf", tmp_path / "out.gguf")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_weights_never_leave_half_an_adapter(
    llama_header: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    adapter = synthetic.write_stub_adapter(synthetic.LLAMA, folder / "adapter")
    file, out = adapter / "adapter_model.safetensors", folder / "out.gguf"
    content = bytearray(file.read_bytes())
    header_end = 8 + int.from_bytes(content[:8], "little")
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, header_end))] = data.draw(st.integers(0, 255))
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    out.write_bytes(b"old")
    try:
        convert_adapter(adapter, llama_header, out)
    except ConversionError:
        assert out.read_bytes() == b"old"
    else:
        assert len(read_adapter_gguf(out).pairs) == 14
