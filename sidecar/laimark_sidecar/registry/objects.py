"""Content-addressed objects: a file is its sha256, written once, read-only, never edited.

Layout as in git: `objects/ab/cdef...`. An interrupted write leaves at most a temporary (dot) file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar import files
from laimark_sidecar.errors import StateError
from laimark_sidecar.registry.names import validate_sha256

READ_ONLY = 0o400


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """The objects under `folder`. Holds no state: any number may look at one folder."""

    folder: Path

    def put_file(self, path: Path) -> str:
        """Store a copy of `path` and return its sha256; durable when it returns.

        An object that is there and whole is not written again; one that is damaged is replaced.

        Raises:
            DataError: the file changed while it was copied.
            OSError: the disk is full or a file is not accessible; nothing was stored.
        """
        sha256 = files.sha256_file(path)
        if not self._keep(sha256):
            files.copy_atomic(path, self._place(sha256), sha256=sha256, mode=READ_ONLY)
            files.fsync_dir(self.folder)
        return sha256

    def put_bytes(self, content: bytes) -> str:
        """Store `content` and return its sha256; durable when it returns.

        Raises:
            OSError: the disk is full or the folder is not writable; nothing was stored.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        if not self._keep(sha256):
            files.write_atomic(self._place(sha256), content, mode=READ_ONLY)
            files.fsync_dir(self.folder)
        return sha256

    def path(self, sha256: str) -> Path:
        """Return where the object is. The content is not checked here: see `verify`.

        Raises:
            StateError: there is no such object.
        """
        place = self._place(sha256)
        if not place.is_file():
            raise StateError(f"object {sha256} is missing from {self.folder}", hint="laimark-sidecar check")
        return place

    def verify(self, sha256: str) -> bool:
        """Tell whether the object's content still has the sha256 that names it.

        Raises:
            StateError: there is no such object.
        """
        return files.sha256_file(self.path(sha256)) == sha256

    def all(self) -> Iterator[tuple[str, Path]]:
        """Yield (sha256, path) of every object, in order; strangers in the folder are passed over."""
        for place in sorted(self.folder.glob("??/*")):
            sha256 = place.parent.name + place.name
            if len(sha256) == 64 and not set(sha256) - set("0123456789abcdef"):
                yield sha256, place

    def _place(self, sha256: str) -> Path:
        validate_sha256(sha256)
        return self.folder / sha256[:2] / sha256[2:]

    def _keep(self, sha256: str) -> bool:
        """Refresh a whole object's age, so that a prune in another process does not take it for garbage."""
        place = self._place(sha256)
        if not place.is_file() or files.sha256_file(place) != sha256:
            return False
        os.utime(place)
        return True
