from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.runners.llama_server.adapter_files import AdapterFiles, digest_of


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    path = tmp_path / "adapter.gguf"
    path.write_bytes(b"an adapter")
    return path


def test_a_kept_adapter_outlives_its_original_until_nobody_wants_it(adapter: Path, tmp_path: Path) -> None:
    files = AdapterFiles(tmp_path / "kept")
    sha256 = sha256_file(adapter)
    kept = files.keep(adapter, sha256)
    adapter.unlink()
    assert files.keep(adapter, sha256) == kept == files.path(sha256)
    (kept.parent / f".{sha256}.gguf.x1y2.tmp").write_bytes(b"half a copy")
    files.keep_only({sha256})
    assert list(kept.parent.iterdir()) == [kept]
    assert kept.read_bytes() == b"an adapter"
    files.keep_only(())
    assert not kept.exists()


def test_a_folder_beside_the_kept_adapters_is_left_alone(adapter: Path, tmp_path: Path) -> None:
    files = AdapterFiles(tmp_path / "kept")
    kept = files.keep(adapter, sha256_file(adapter))
    (kept.parent / "mine").mkdir()
    files.keep_only(())
    assert [one.name for one in kept.parent.iterdir()] == ["mine"]


def test_an_adapter_that_is_not_what_it_should_be_is_not_kept(adapter: Path, tmp_path: Path) -> None:
    files = AdapterFiles(tmp_path / "kept")
    with pytest.raises(RunnerError, match="expected 00"):
        files.keep(adapter, "00")
    assert list((tmp_path / "kept").iterdir()) == []


def test_what_is_no_readable_file_has_no_digest(adapter: Path) -> None:
    assert digest_of(adapter) == sha256_file(adapter)
    with pytest.raises(RunnerError, match="cannot be read"):
        digest_of(adapter.with_name("none"))
    with pytest.raises(RunnerError, match="not a regular file"):
        digest_of(adapter.parent)
