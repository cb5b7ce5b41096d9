from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.converters import oracle, other_adapters, tiny_models
from tests.converters.conftest import Family
from tests.converters.llama_cpp_logits import mean_kl, served_logits

from laimark_converters.adapter_reader import read_adapter_gguf
from laimark_converters.errors import ConversionError
from laimark_converters.full_rank import full_rank_bytes, write_full_rank
from laimark_converters.header import read_header
from laimark_converters.merged_gguf import merge

pytestmark = pytest.mark.timeout(180)

IDS = [5, 77, 1000, 4000, 300, 12, 9, 2048, 77, 78, 1, 2, 600, 601]
BUILD: dict[str, Callable[[Path, Path], Path]] = {
    "dora": other_adapters.build_dora,
    "ia3": other_adapters.build_ia3,
}


@pytest.fixture(scope="module", params=list(BUILD))
def adapter(
    request: pytest.FixtureRequest, unconverted: dict[str, Family], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder: Path = tmp_path_factory.mktemp(request.param) / "adapter"
    return BUILD[request.param](unconverted["llama"].hf, folder)


def test_answers_are_those_of_peft(unconverted: dict[str, Family], adapter: Path, tmp_path: Path) -> None:
    files = unconverted["llama"]
    expected = tiny_models.torch_logits(files.hf, IDS, adapter)
    out = tmp_path / "whole.gguf"
    exact = write_full_rank(adapter, files.gguf, out, dtype="f32")
    assert exact.residual < 1e-7
    assert exact.bytes == out.stat().st_size
    assert mean_kl(expected, served_logits(files.gguf, IDS, out)) < 1e-6
    halved = write_full_rank(adapter, files.gguf, out)
    assert 0 < halved.residual < 5e-4
    assert mean_kl(expected, served_logits(files.gguf, IDS, out)) < 1e-5
    assert mean_kl(expected, served_logits(files.gguf, IDS)) > 1e-2, "the adapter must matter"


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_update_is_what_a_merge_adds(
    unconverted: dict[str, Family], adapter: Path, scale: float, tmp_path: Path
) -> None:
    files = unconverted["llama"]
    write_full_rank(adapter, files.gguf, tmp_path / "whole.gguf", scale=scale, dtype="f32")
    merge(files.gguf, adapter, tmp_path / "merged.gguf", touched="f32", scale=scale)
    base, merged = oracle.tensors(files.gguf), oracle.tensors(tmp_path / "merged.gguf")
    whole = read_adapter_gguf(tmp_path / "whole.gguf")
    changed = [name for name in base if not np.array_equal(base[name][1], merged[name][1])]
    assert sorted(changed) == sorted(whole.pairs)
    for name in changed:
        added = merged[name][1].astype(np.float64) - base[name][1]
        np.testing.assert_allclose(whole.update(name), added, atol=1e-6)


def test_it_can_be_merged_where_a_runner_takes_no_adapters(
    unconverted: dict[str, Family], adapter: Path, tmp_path: Path
) -> None:
    files = unconverted["llama"]
    write_full_rank(adapter, files.gguf, tmp_path / "whole.gguf")
    merge(files.gguf, tmp_path / "whole.gguf", tmp_path / "merged.gguf", touched="f32")
    expected = tiny_models.torch_logits(files.hf, IDS, adapter)
    assert mean_kl(expected, served_logits(tmp_path / "merged.gguf", IDS)) < 1e-5


def test_size_is_known_before_anything_is_trained(
    unconverted: dict[str, Family], adapter: Path, tmp_path: Path
) -> None:
    files = unconverted["llama"]
    kind = "ia3" if "ia3" in str(adapter) else "dora"
    done = write_full_rank(adapter, files.gguf, tmp_path / "whole.gguf")
    told = full_rank_bytes(read_header(files.gguf), kind)  # type: ignore[arg-type] # one of the two
    assert told <= done.bytes <= told + 64 * 1024


def test_what_no_lora_can_do_is_refused_before_and_after_training(
    unconverted: dict[str, Family], tmp_path: Path
) -> None:
    files = unconverted["qwen2"]
    with pytest.raises(ConversionError, match=r"scales blk\.0\.attn_k\.bias"):
        full_rank_bytes(read_header(files.gguf), "ia3")
    assert full_rank_bytes(read_header(files.gguf), "dora") > 0
    adapter = other_adapters.build_ia3(files.hf, tmp_path / "adapter")
    out = tmp_path / "whole.gguf"
    out.write_bytes(b"served today")
    with pytest.raises(ConversionError, match=r"scales blk\.0\.attn_k\.bias"):
        write_full_rank(adapter, files.gguf, out)
    assert out.read_bytes() == b"served today"


def test_equal_input_gives_equal_bytes(unconverted: dict[str, Family], adapter: Path, tmp_path: Path) -> None:
    for name in ("1", "2"):
        write_full_rank(adapter, unconverted["llama"].gguf, tmp_path / name, metadata={"parent": "me:x"})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.parametrize("scale", [0.0, float("nan")])
def test_impossible_scales_are_refused(
    unconverted: dict[str, Family], adapter: Path, scale: float, tmp_path: Path
) -> None:
    with pytest.raises(ConversionError, match="must be finite, and 0"):
        write_full_rank(adapter, unconverted["llama"].gguf, tmp_path / "x", scale=scale)


def test_a_lora_is_refused(unconverted: dict[str, Family], tmp_path: Path) -> None:
    files = unconverted["llama"]
    with pytest.raises(ConversionError, match="neither a DoRA nor an IA3"):
        write_full_rank(files.adapter, files.gguf, tmp_path / "x")
