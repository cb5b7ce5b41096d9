from __future__ import annotations

import typing
from pathlib import Path

import pytest
import torch
from tests.converters.llama_cpp_logits import mean_kl, served_logits
from tests.training.worker.conftest import moved_of_kind

from laimark_sidecar.errors import ConversionError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.convert import (
    convert,
    convert_base,
    dora_at,
    make_training_base,
    require_trainable,
    require_whole,
    servable_bytes,
    serve,
)
from laimark_sidecar.pipeline.folder import cycles
from laimark_sidecar.training.adapter_kind import AdapterKind


def test_equal_input_gives_equal_bytes_and_another_scale_others(trained_home: Home, demo_gguf: Path) -> None:
    (cycle,) = cycles(trained_home.cycles)
    outs = [trained_home.root / f"{name}.gguf" for name in ("one", "two", "half")]
    for out, scale in zip(outs, (1.0, 1.0, 0.5), strict=True):
        convert(cycle.result / "adapter", demo_gguf, out, scale=scale)
    one, two, half = map(sha256_file, outs)
    assert one == two != half


IDS = [5, 9, 30, 77, 120, 8, 4, 99, 12, 6]


@pytest.mark.parametrize("kind", typing.get_args(AdapterKind))
def test_what_is_served_of_every_kind_answers_as_what_was_trained(
    kind: AdapterKind, demo_base_dir: Path, demo_gguf: Path, tmp_path: Path
) -> None:
    """Oracle: the training worker's own forward pass (PEFT); llama.cpp serves."""
    trained = moved_of_kind(demo_base_dir, kind)
    (tmp_path / "adapter").mkdir()
    trained.save_adapter(tmp_path / "adapter")
    left_out = serve(tmp_path / "adapter", demo_gguf, tmp_path / "adapter.gguf")
    ids = torch.tensor([IDS])
    with torch.no_grad():
        expected = trained.logits(ids, torch.ones_like(ids), torch.arange(len(IDS)))[0]
        with trained.base_only():
            base = trained.logits(ids, torch.ones_like(ids), torch.arange(len(IDS)))[0]
    served = served_logits(demo_gguf, IDS, tmp_path / "adapter.gguf")
    assert mean_kl(expected, served) < 2e-5
    assert mean_kl(base, served) > 1e-2, "the adapter must matter"
    assert (left_out > 0.0) == (kind in ("dora", "ia3"))
    assert left_out < 5e-4


def test_size_of_a_version_is_told_or_why_there_is_none(tmp_path: Path, demo_gguf: Path) -> None:
    assert 0 < servable_bytes(demo_gguf, "ia3") < servable_bytes(demo_gguf, "dora")
    odd = tmp_path / "odd.gguf"
    odd.write_bytes(demo_gguf.read_bytes().replace(b"llama", b"lamas"))
    with pytest.raises(ConversionError, match=rf"^{odd}: .*'lamas'"):
        servable_bytes(odd, "ia3")


def test_a_dora_at_half_its_effect_is_worked_out_from_the_served_weights(
    demo_base_dir: Path, demo_gguf: Path, tmp_path: Path
) -> None:
    (tmp_path / "adapter").mkdir()
    moved_of_kind(demo_base_dir, "dora").save_adapter(tmp_path / "adapter")
    changed = dora_at(tmp_path / "adapter", demo_gguf, 0.5)
    assert {name.rpartition(".lora_")[2] for name in changed} == {"B.weight", "magnitude_vector"}
    with pytest.raises(ConversionError, match=str(tmp_path)):
        dora_at(tmp_path, demo_gguf, 0.5)


def test_refusals_are_the_sidecars_own_errors_and_leave_the_target(tmp_path: Path, demo_gguf: Path) -> None:
    out = tmp_path / "out.gguf"
    out.write_bytes(b"old")
    with pytest.raises(ConversionError, match=str(tmp_path)):
        convert(tmp_path, demo_gguf, out)
    with pytest.raises(ConversionError, match=str(tmp_path)):
        convert_base(tmp_path, out)
    assert out.read_bytes() == b"old"


def test_a_gguf_that_ends_too_early_is_not_whole(tmp_path: Path, demo_gguf: Path) -> None:
    require_whole(demo_gguf)
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(demo_gguf.read_bytes()[:-1])
    with pytest.raises(ConversionError, match=f"^{cut}: cut.gguf is damaged or truncated") as caught:
        require_whole(cut)
    assert caught.value.hint


def test_a_training_base_is_made_and_its_size_is_known_before(tmp_path: Path, demo_gguf: Path) -> None:
    shares: list[float] = []
    make_training_base(demo_gguf, tmp_path / "base", window=512, progress=shares.append)
    size = sum(file.stat().st_size for file in (tmp_path / "base").iterdir())
    assert size == pytest.approx(require_trainable(demo_gguf), rel=1e-3)
    assert shares[-1] == 1.0


def test_a_training_base_that_cannot_be_made_says_which_file_and_why(tmp_path: Path, demo_gguf: Path) -> None:
    odd = tmp_path / "odd.gguf"
    odd.write_bytes(demo_gguf.read_bytes().replace(b"llama", b"lamas"))
    with pytest.raises(ConversionError, match=rf"^{odd}: .*'lamas'") as caught:
        require_trainable(odd)
    assert "base.hf" in caught.value.hint
    with pytest.raises(ConversionError, match="cannot be written"):
        make_training_base(
            demo_gguf, tmp_path / "no such folder" / "base", window=512, progress=lambda _share: None
        )
