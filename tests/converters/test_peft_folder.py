from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.converters import oracle, synthetic, tiny_models
from tests.converters.conftest import Family
from tests.converters.synthetic import LLAMA, Stub
from tests.support.lora import write_lora

from laimark_converters.adapter_gguf import convert_adapter
from laimark_converters.architectures import ARCHITECTURES
from laimark_converters.errors import ConversionError
from laimark_converters.peft_config import read_lora_config
from laimark_converters.peft_folder import PeftFolder, write_peft_folder
from laimark_converters.safetensors_index import read_index

pytestmark = pytest.mark.timeout(180)

IDS = [5, 77, 1000, 4000, 300, 12, 9, 2048, 77, 78, 1, 2, 600, 601]
ALPHAS = st.one_of(st.integers(1, 64), st.floats(2**-6, 200.0, width=32))
PATTERNS = st.sampled_from(["proj", "self_attn.*", r".*\.1\.mlp.*", "down_proj", "no_such_module"])


def stub_of(name: str) -> Stub:
    """Every projection of an architecture in the sizes of the synthetic base."""
    architecture = ARCHITECTURES[name]
    shapes = synthetic.FUSED.shapes if name == "phi3" else synthetic.SHAPES
    kv_heads = synthetic.HEADS if architecture.multi_head_only else synthetic.KV_HEADS
    return Stub(
        gguf=name,
        hf_class="",
        model_type="",
        layers=architecture.layers,
        names=dict(architecture.projections),
        shapes=shapes,
        kv_heads=kv_heads,
    )


def products(folder: Path) -> dict[str, NDArray[np.float64]]:
    """Return what peft adds to each module: s*B@A."""
    config = read_lora_config(folder / "adapter_config.json")
    stored = read_index(folder / "adapter_model.safetensors")
    found = {}
    for key in stored:
        if ".lora_A." in key:
            path = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            a, b = (stored[f"base_model.model.{path}.lora_{half}.weight"].load() for half in "AB")
            found[path] = config.scale_of(path) * (b.astype(np.float64) @ a.astype(np.float64))
    return found


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(ARCHITECTURES)),
    rank=st.integers(1, 9),
    alpha=ALPHAS,
    rank_stabilised=st.booleans(),
    ranks=st.dictionaries(PATTERNS, st.integers(1, 9), max_size=2),
    alphas=st.dictionaries(PATTERNS, ALPHAS, max_size=2),
)
def test_round_trip_keeps_what_is_added_to_every_module(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    rank: int,
    alpha: float,
    rank_stabilised: bool,
    ranks: dict[str, int],
    alphas: dict[str, float],
) -> None:
    folder, stub = tmp_path_factory.mktemp("trip"), stub_of(name)
    base = synthetic.write_header_only(stub, folder / "base.gguf")
    settings_: dict[str, Any] = {
        "r": rank,
        "lora_alpha": alpha,
        "use_rslora": rank_stabilised,
        "rank_pattern": ranks,
        "alpha_pattern": alphas,
    }
    config = read_lora_config(
        synthetic.write_adapter(folder / "settings", {}, **settings_) / "adapter_config.json"
    )
    paths = [f"{stub.layers}.{n}.{module}" for n in range(synthetic.LAYERS) for module in stub.names]
    tensors = synthetic.stub_tensors(stub, {path: config.rank_of(path) for path in paths})
    there = synthetic.write_adapter(folder / "there", tensors, **settings_)
    convert_adapter(there, base, folder / "adapter.gguf")
    write_peft_folder(folder / "adapter.gguf", base, folder / "back")
    expected, found = products(there), products(folder / "back")
    assert set(found) == set(expected) == set(paths)
    for path, product in expected.items():
        np.testing.assert_allclose(
            found[path], product, rtol=1e-6, atol=1e-6 * np.abs(product).max(), err_msg=path
        )
    if not rank_stabilised and not alphas:
        before, after = (
            {key: tensor.load() for key, tensor in read_index(f / "adapter_model.safetensors").items()}
            for f in (there, folder / "back")
        )
        for key, values in before.items():
            np.testing.assert_array_equal(after[key], values, err_msg=f"{key}: nothing was folded")
    convert_adapter(folder / "back", base, folder / "again.gguf")
    oracle.assert_same_tensors(folder / "again.gguf", folder / "adapter.gguf")


@pytest.mark.filterwarnings("ignore:Rank-Stabilized LoRA")
@pytest.mark.parametrize("family", tuple(tiny_models.CONFIGS))
@pytest.mark.parametrize(
    "changes", [{}, {"use_rslora": True, "rank_pattern": {"v_proj": 2}, "alpha_pattern": {"layers.1.*": 5}}]
)
def test_peft_loads_the_folder_and_computes_the_same(
    unconverted: dict[str, Family], family: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    files = unconverted[family]
    adapter = tiny_models.build_adapter(files.hf, tmp_path / "adapter", **changes)
    convert_adapter(adapter, files.gguf, tmp_path / "adapter.gguf")
    done = write_peft_folder(tmp_path / "adapter.gguf", files.gguf, tmp_path / "back", base_model="tiny")
    assert done == PeftFolder(modules=14, rank=4)
    expected = tiny_models.torch_logits(files.hf, IDS, adapter)
    found = tiny_models.torch_logits(files.hf, IDS, tmp_path / "back")
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-4)


def test_file_of_llama_cpps_own_script_gives_back_the_very_tensors(
    families: dict[str, Family], tmp_path: Path
) -> None:
    files = families["llama"]
    write_peft_folder(files.oracle, files.gguf, tmp_path / "back")
    expected, found = (
        {key: tensor.load() for key, tensor in read_index(f / "adapter_model.safetensors").items()}
        for f in (files.adapter, tmp_path / "back")
    )
    assert set(found) == set(expected)
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key], values, err_msg=key)


def test_equal_input_gives_equal_bytes(unconverted: dict[str, Family], tmp_path: Path) -> None:
    files = unconverted["llama"]
    for name in ("1", "2"):
        write_peft_folder(files.adapter_gguf, files.gguf, tmp_path / name)
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()


def test_folder_that_exists_is_left_alone(unconverted: dict[str, Family], tmp_path: Path) -> None:
    files = unconverted["llama"]
    with pytest.raises(ConversionError, match="exists already"):
        write_peft_folder(files.adapter_gguf, files.gguf, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_values_that_are_not_finite_leave_nothing(demo_gguf: Path, tmp_path: Path) -> None:
    bad = write_lora(demo_gguf, tmp_path / "bad.gguf", value=float("nan"))
    with pytest.raises(ConversionError, match="holds NaN or infinity"):
        write_peft_folder(bad, demo_gguf, tmp_path / "back")
    assert list(tmp_path.iterdir()) == [bad]


def test_alpha_of_zero_is_full_strength_as_llama_cpp_has_it(tmp_path: Path) -> None:
    base = synthetic.write_header_only(LLAMA, tmp_path / "base.gguf")
    adapter = synthetic.write_stub_adapter(LLAMA, tmp_path / "adapter", lora_alpha=synthetic.RANK)
    convert_adapter(adapter, base, tmp_path / "adapter.gguf")
    content = (tmp_path / "adapter.gguf").read_bytes()
    key = b"adapter.lora.alpha\x06\x00\x00\x00"
    assert content.count(key + np.float32(synthetic.RANK).tobytes()) == 1
    zero = content.replace(key + np.float32(synthetic.RANK).tobytes(), key + bytes(4))
    (tmp_path / "zero.gguf").write_bytes(zero)
    write_peft_folder(tmp_path / "zero.gguf", base, tmp_path / "back")
    expected = products(adapter)
    for path, product in products(tmp_path / "back").items():
        np.testing.assert_allclose(product, expected[path], rtol=1e-12)
