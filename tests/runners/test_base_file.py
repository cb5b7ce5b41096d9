from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.runners.base_file import readable


def test_a_file_that_can_be_read_is_that_file(tmp_path: Path) -> None:
    base = tmp_path / "base.gguf"
    base.write_bytes(b"GGUF")
    assert readable(base) == base


def test_a_file_that_is_gone_or_is_none_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.gguf", tmp_path, tmp_path / "a\0b", tmp_path / ("a" * 5000)):
        with pytest.raises(RunnerError, match="cannot be read") as caught:
            readable(path)
        assert "restart the runner" in caught.value.hint
