"""The blobs and manifests of the Ollama stand-in, laid out as Ollama's: names point at layers, layers are blobs."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODEL, ADAPTER, LICENSE = "model", "adapter", "license"
_PADDING = b"\0" * 32


@dataclass
class Manifest:
    """One name: layers of (kind, digest), and its settings."""

    layers: list[tuple[str, str]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    def digests(self, kind: str) -> list[str]:
        return [digest for found, digest in self.layers if found == kind]

    def encoded(self) -> bytes:
        return json.dumps([self.layers, self.settings], sort_keys=True).encode()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.encoded()).hexdigest()


class Store:
    """Everything on disk below `root`; opening the folder again finds it as it was.

    Args:
        root: made if it is not there.
        modern: keep manifests as 0.40 does, in a folder of their own; older ones are read, and move when first loaded.
    """

    def __init__(self, root: Path, *, modern: bool) -> None:
        self._blobs, self._legacy = root / "blobs", root / "manifests"
        self._current = root / "manifests-v2" if modern else self._legacy
        for folder in (self._blobs, self._legacy, self._current):
            folder.mkdir(parents=True, exist_ok=True)

    def blob(self, digest: str) -> Path:
        return self._blobs / digest.replace(":", "-")

    def put(self, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blob(digest).write_bytes(content)
        return digest

    def names(self) -> dict[str, Manifest]:
        """Return all names; Ollama leaves out those whose manifest was not written to its end."""
        found = {}
        for folder in {self._legacy, self._current}:
            for file in folder.iterdir():
                with contextlib.suppress(ValueError):
                    found[file.name.replace("+", "/")] = _read(file)
        return dict(sorted(found.items()))

    def get(self, name: str) -> Manifest | None:
        return self.names().get(_full(name))

    def write(self, name: str, manifest: Manifest, *, torn: bool = False) -> None:
        """Truncate and write, then drop blobs that nothing points at any more: as Ollama does.

        Args:
            name: replaced if it is there.
            manifest: what it is made of.
            torn: break off half-way, as a crash does.
        """
        replaced = self.get(name)
        content = manifest.encoded()
        self._file(self._current, name).write_bytes(content[: len(content) // 2] if torn else content)
        if replaced is not None and not torn:
            self._drop(replaced)

    def delete(self, name: str) -> bool:
        manifest = self.get(name)
        if manifest is None:
            return False
        for folder in {self._legacy, self._current}:
            self._file(folder, name).unlink(missing_ok=True)
        self._drop(manifest)
        return True

    def modernised(self, name: str, manifest: Manifest) -> Manifest:
        """Return a name's manifest after 0.40 has rewritten what an older release had stored: other bytes, same model."""
        old = self._file(self._legacy, name)
        if self._legacy == self._current or not old.is_file():
            return manifest
        layers = [
            (kind, self._rewritten(digest) if kind == MODEL else digest) for kind, digest in manifest.layers
        ]
        new = Manifest(layers=layers, settings=manifest.settings)
        self._file(self._current, name).write_bytes(new.encoded())
        old.unlink()
        self._drop(manifest)
        return new

    def _rewritten(self, digest: str) -> str:
        return self.put(self.blob(digest).read_bytes() + _PADDING)

    def _drop(self, manifest: Manifest) -> None:
        used = set(self._used())
        for _, digest in manifest.layers:
            if digest not in used:
                self.blob(digest).unlink(missing_ok=True)

    def _used(self) -> Iterator[str]:
        for other in self.names().values():
            for _, digest in other.layers:
                yield digest

    def _file(self, folder: Path, name: str) -> Path:
        return folder / _full(name).replace("/", "+")


def _full(name: str) -> str:
    name = name.lower()
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def _read(file: Path) -> Manifest:
    layers, settings = json.loads(file.read_bytes())
    return Manifest(layers=[(kind, digest) for kind, digest in layers], settings=settings)
