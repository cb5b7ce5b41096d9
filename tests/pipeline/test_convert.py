from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.errors import ConversionError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.convert import (
    convert,
    convert_base,
    make_training_base,
    require_trainable,
    require_whole,
)
from laimark_sidecar.pipeline.folder import cycles


def test_equal_input_gives_equal_bytes_and_another_scale_others(trained_home: Home, demo_gguf: Path) -> None:
    (cycle,) = cycles(trained_home.cycles)
    outs = [trained_home.root / f"{name}.gguf" for name in ("one", "two", "half")]
    for out, scale in zip(outs, (1.0, 1.0, 0.5), strict=True):
        convert(cycle.result / "adapter", demo_gguf, out, scale=scale)
    one, two, half = map(sha256_file, outs)
    assert one == two != half


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
