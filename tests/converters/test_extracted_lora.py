from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.converters import oracle, other_adapters, tiny_models
from tests.converters.conftest import Family
from tests.converters.llama_cpp_logits import mean_kl, served_logits

from laimark_converters.adapter_reader import read_adapter_gguf
from laimark_converters.errors import ConversionError
from laimark_converters.extracted_lora import extract_lora
from laimark_converters.merged_gguf import merge

pytestmark = pytest.mark.timeout(180)

IDS = [5, 77, 1000, 4000, 300, 12, 9, 2048, 77, 78, 1, 2, 600, 601]
WHOLE_RANK = 96
"""The longer side of every matrix of the tiny models: nothing is left out."""


@pytest.fixture(scope="module")
def dora(unconverted: dict[str, Family], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return other_adapters.build_dora(unconverted["llama"].hf, tmp_path_factory.mktemp("dora") / "adapter")


def test_whole_rank_answers_as_peft_does(unconverted: dict[str, Family], dora: Path, tmp_path: Path) -> None:
    files = unconverted["llama"]
    done = extract_lora(dora, files.gguf, tmp_path / "lora.gguf", rank=WHOLE_RANK)
    assert done.residual < 1e-6
    assert done.rank == 64, "the shorter side"
    assert (done.tensors, done.bytes) == (28, (tmp_path / "lora.gguf").stat().st_size)
    expected = tiny_models.torch_logits(files.hf, IDS, dora)
    assert mean_kl(expected, served_logits(files.gguf, IDS, tmp_path / "lora.gguf")) < 1e-6
    assert mean_kl(expected, served_logits(files.gguf, IDS)) > 1e-1, "the adapter must matter"


@pytest.mark.parametrize("rank", [4, 24])
def test_residual_is_the_distance_from_what_a_merge_writes(
    unconverted: dict[str, Family], dora: Path, rank: int, tmp_path: Path
) -> None:
    files = unconverted["llama"]
    done = extract_lora(dora, files.gguf, tmp_path / "lora.gguf", rank=rank, most_residual=1.0)
    merge(files.gguf, dora, tmp_path / "merged.gguf", touched="f32")
    base, merged = oracle.tensors(files.gguf), oracle.tensors(tmp_path / "merged.gguf")
    lora = read_adapter_gguf(tmp_path / "lora.gguf")
    errors, norms = [], []
    for name, residual in done.residuals.items():
        exact = merged[name][1].astype(np.float64) - base[name][1]
        errors.append(float(np.linalg.norm(exact - lora.update(name))))
        norms.append(float(np.linalg.norm(exact)))
        assert residual == pytest.approx(errors[-1] / norms[-1], rel=1e-3)
    assert done.residual == pytest.approx(np.linalg.norm(errors) / np.linalg.norm(norms), rel=1e-3)
    assert set(done.residuals) == set(lora.pairs)


def test_higher_rank_leaves_out_less_and_answers_closer(
    unconverted: dict[str, Family], dora: Path, tmp_path: Path
) -> None:
    files = unconverted["llama"]
    expected = tiny_models.torch_logits(files.hf, IDS, dora)
    residuals, nats = [], []
    for rank in (2, 8, 32):
        out = tmp_path / f"{rank}.gguf"
        residuals.append(extract_lora(dora, files.gguf, out, rank=rank, most_residual=1.0).residual)
        nats.append(mean_kl(expected, served_logits(files.gguf, IDS, out)))
    assert residuals == sorted(residuals, reverse=True)
    assert nats == sorted(nats, reverse=True)


def test_too_much_left_out_is_refused_unless_it_is_asked_for(
    unconverted: dict[str, Family], dora: Path, tmp_path: Path
) -> None:
    base, out = unconverted["llama"].gguf, tmp_path / "lora.gguf"
    out.write_bytes(b"served today")
    with pytest.raises(ConversionError, match=r"rank 2 leaves out \d\d% of .* at most 10% may be") as caught:
        extract_lora(dora, base, out, rank=2)
    assert "merge it into the base" in caught.value.hint
    assert out.read_bytes() == b"served today"
    assert extract_lora(dora, base, out, rank=2, most_residual=1.0).residual > 0.1


def test_scaled_biases_are_refused(unconverted: dict[str, Family], tmp_path: Path) -> None:
    files = unconverted["qwen2"]
    adapter = other_adapters.build_ia3(files.hf, tmp_path / "adapter")
    with pytest.raises(ConversionError, match=r"scales blk\.0\.attn_k\.bias"):
        extract_lora(adapter, files.gguf, tmp_path / "x", rank=WHOLE_RANK)


def test_equal_input_gives_equal_bytes(unconverted: dict[str, Family], dora: Path, tmp_path: Path) -> None:
    for name in ("1", "2"):
        extract_lora(dora, unconverted["llama"].gguf, tmp_path / name, rank=24, most_residual=1.0)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.parametrize(("rank", "scale"), [(0, 1.0), (4, float("nan")), (4, 0.0)])
def test_impossible_settings_are_refused(
    unconverted: dict[str, Family], dora: Path, rank: int, scale: float, tmp_path: Path
) -> None:
    with pytest.raises(ConversionError, match="must be at least 1, and finite"):
        extract_lora(dora, unconverted["llama"].gguf, tmp_path / "x", rank=rank, scale=scale)
