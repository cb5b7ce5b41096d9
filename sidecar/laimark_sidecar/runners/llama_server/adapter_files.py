"""Copies of the adapters that a server may be started with again long after a version was registered, by sha256."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from laimark_sidecar.errors import DataError, RunnerError
from laimark_sidecar.files import copy_atomic, sha256_file


class AdapterFiles:
    """The folder of kept adapters. A file's name is new whenever its content is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Return where the adapter of this digest is kept."""
        return self._folder / f"{sha256}.gguf"

    def keep(self, adapter: Path, sha256: str) -> Path:
        """Copy an adapter to where it is kept, durably; nothing happens where it is there already.

        Raises:
            RunnerError: it cannot be read, is not the one of this digest, or there is no room for it.
        """
        kept = self.path(sha256)
        try:
            if not kept.is_file():
                copy_atomic(adapter, kept, sha256=sha256)
        except (OSError, DataError) as error:
            raise RunnerError(f"adapter {adapter} cannot be kept: {error}") from error
        return kept

    def keep_only(self, digests: Collection[str]) -> None:
        """Delete all files but the adapters of these digests; among them what a killed process left of a copy.

        A folder is nothing that we made, and stays.
        """
        wanted = {self.path(digest) for digest in digests}
        for file in self._folder.glob("*"):
            if file not in wanted and not file.is_dir():
                file.unlink(missing_ok=True)


def digest_of(adapter: Path) -> str:
    """Return the sha256 of an adapter file.

    Raises:
        RunnerError: it is no regular file, or cannot be read.
    """
    if adapter.exists() and not adapter.is_file():
        raise RunnerError(f"adapter {adapter} is not a regular file")
    try:
        return sha256_file(adapter)
    except OSError as error:
        raise RunnerError(f"adapter {adapter} cannot be read: {error.strerror}") from error
