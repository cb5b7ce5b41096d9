from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tests.converters import oracle, other_adapters, tiny_models
from tests.converters.conftest import Family
from tests.converters.llama_cpp_logits import mean_kl, served_logits

from laimark_converters.base_gguf import write_base_gguf
from laimark_converters.errors import ConversionError
from laimark_converters.header import read_header
from laimark_converters.merged_gguf import merge
from laimark_converters.weight_changes import read_changes

pytestmark = pytest.mark.timeout(180)

IDS = [5, 77, 1000, 4000, 300, 12, 9, 2048, 77, 78, 1, 2, 600, 601]
BUILDERS: dict[str, Callable[[Path, Path], Path]] = {
    "dora": other_adapters.build_dora,
    "dora, rank-stabilised and patterned": lambda base, folder: other_adapters.build_dora(
        base, folder, use_rslora=True, rank_pattern={"v_proj": 2}, alpha_pattern={"q_proj": 3}
    ),
    "ia3": other_adapters.build_ia3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """One adapter, merged by us and by peft; both are f32 GGUFs."""

    adapter: Path
    ours: Path
    peft: Path


@pytest.fixture(scope="module")
def merged(
    unconverted: dict[str, Family], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Both]:
    made = {}
    for family, files in unconverted.items():
        for kind, build in BUILDERS.items():
            folder = tmp_path_factory.mktemp("other")
            adapter = build(files.hf, folder / "adapter")
            merge(files.gguf, adapter, folder / "ours.gguf", touched="f32")
            peft = other_adapters.merged_by_peft(files.hf, adapter, folder / "peft")
            write_base_gguf(peft, folder / "peft.gguf", dtype="f32")
            made[family, kind] = Both(
                adapter=adapter, ours=folder / "ours.gguf", peft=folder / "peft.gguf"
            )  # fmt: skip
    return made


@pytest.mark.filterwarnings("ignore:Rank-Stabilized LoRA")
@pytest.mark.parametrize("kind", BUILDERS)
@pytest.mark.parametrize("family", tuple(tiny_models.CONFIGS))
def test_every_tensor_is_the_one_that_peft_merges(
    merged: dict[tuple[str, str], Both], unconverted: dict[str, Family], family: str, kind: str
) -> None:
    both = merged[family, kind]
    ours, peft = oracle.tensors(both.ours), oracle.tensors(both.peft)
    base = oracle.tensors(unconverted[family].gguf)
    assert set(ours) == set(peft)
    changed = 0
    for name, (_, values) in peft.items():
        np.testing.assert_allclose(ours[name][1], values, rtol=2e-5, atol=2e-6, err_msg=name)
        changed += not np.array_equal(base[name][1], values)
    per_layer = 7 if "dora" in kind else 5 if family == "qwen2" else 3
    assert changed == 2 * per_layer, "qwen2's k and v have biases, which IA3 scales too"


@pytest.mark.parametrize("kind", BUILDERS)
@pytest.mark.parametrize("family", tuple(tiny_models.CONFIGS))
def test_merged_file_answers_as_peft_does(
    merged: dict[tuple[str, str], Both], unconverted: dict[str, Family], family: str, kind: str
) -> None:
    both, files = merged[family, kind], unconverted[family]
    expected = tiny_models.torch_logits(files.hf, IDS, both.adapter)
    assert mean_kl(expected, served_logits(both.ours, IDS)) < 1e-6
    assert mean_kl(expected, served_logits(files.gguf, IDS)) > 1e-3, "the adapter must matter"


@pytest.mark.parametrize("kind", BUILDERS)
@pytest.mark.parametrize("scale", [0.0, 0.25])
def test_scale_goes_from_the_base_to_the_merged_weights(
    merged: dict[tuple[str, str], Both],
    unconverted: dict[str, Family],
    kind: str,
    scale: float,
    tmp_path: Path,
) -> None:
    both, base = merged["llama", kind], oracle.tensors(unconverted["llama"].gguf)
    merge(unconverted["llama"].gguf, both.adapter, tmp_path / "out.gguf", touched="f32", scale=scale)
    full = oracle.tensors(both.ours)
    for name, (_, values) in oracle.tensors(tmp_path / "out.gguf").items():
        expected = base[name][1] + scale * (full[name][1] - base[name][1])
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("kind", BUILDERS)
def test_equal_input_gives_equal_bytes_that_name_their_adapter(
    merged: dict[tuple[str, str], Both], unconverted: dict[str, Family], kind: str, tmp_path: Path
) -> None:
    both, base = merged["llama", kind], unconverted["llama"].gguf
    one = merge(base, both.adapter, tmp_path / "1")
    assert one == merge(base, both.adapter, tmp_path / "2")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    other = merged["llama", "ia3" if "dora" in kind else "dora"].adapter
    assert merge(base, other, tmp_path / "3").adapter_sha256 != one.adapter_sha256


def test_quantised_base_is_changed_from_the_values_that_are_served(
    merged: dict[tuple[str, str], Both], unconverted: dict[str, Family], tmp_path: Path
) -> None:
    """A magnitude fixes the length of a row, so it is that of the served row, not of the one it was trained on."""
    base = tmp_path / "q8_0.gguf"
    write_base_gguf(unconverted["llama"].hf, base, dtype="q8_0")
    name, adapter = "blk.0.ffn_up.weight", merged["llama", "dora"].adapter
    merge(base, adapter, tmp_path / "out.gguf", touched="f32")
    found = oracle.tensors(tmp_path / "out.gguf")[name][1]
    lengths = np.linalg.norm(found, axis=1)
    expected = np.linalg.norm(oracle.tensors(merged["llama", "dora"].peft)[name][1], axis=1)
    np.testing.assert_allclose(lengths, expected, rtol=1e-5)
    tensor = next(t for t in gguf.GGUFReader(base).tensors if t.name == name)
    assert tensor.tensor_type == gguf.GGMLQuantizationType.Q8_0


def test_lora_is_left_to_the_adapters_own_format(unconverted: dict[str, Family]) -> None:
    files = unconverted["llama"]
    with pytest.raises(ConversionError, match="neither a DoRA nor an IA3"):
        read_changes(files.adapter, read_header(files.gguf))


@pytest.mark.parametrize("kind", ["dora", "ia3"])
def test_adapter_of_another_base_is_refused_and_leaves_the_old_file(
    merged: dict[tuple[str, str], Both], demo_gguf: Path, kind: str, tmp_path: Path
) -> None:
    out: Any = tmp_path / "out.gguf"
    out.write_bytes(b"served today")
    with pytest.raises(ConversionError) as caught:
        merge(demo_gguf, merged["llama", kind].adapter, out)
    assert "another base" in caught.value.hint
    assert out.read_bytes() == b"served today"
