"""The blobs and manifests of the Ollama stand-in, laid out as Ollama's: names point at layers, layers are blobs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODEL, ADAPTER, LICENSE = "model", "adapter", "license"


@dataclass
class Manifest:
    """One name: layers of (kind, digest), and its settings."""

    layers: list[tuple[str, str]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    def digests(self, kind: str) -> list[str]:
        return [digest for found, digest in self.layers if found == kind]

    def encoded(self) -> bytes:
        return json.dumps([self.layers, self.settings], sort_keys=True).encode()


class Store:
    """Everything on disk below `root`; opening the folder again finds it as it was."""

    def __init__(self, root: Path) -> None:
        self._blobs, self._manifests = root / "blobs", root / "manifests"
        self._blobs.mkdir(parents=True, exist_ok=True)
        self._manifests.mkdir(exist_ok=True)

    def blob(self, digest: str) -> Path:
        return self._blobs / digest.replace(":", "-")

    def put(self, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blob(digest).write_bytes(content)
        return digest

    def names(self) -> dict[str, Manifest]:
        return {file.name.replace("+", "/"): self._read(file) for file in sorted(self._manifests.iterdir())}

    def get(self, name: str) -> Manifest | None:
        file = self._file(name)
        return self._read(file) if file.is_file() else None

    def digest(self, manifest: Manifest) -> str:
        return hashlib.sha256(manifest.encoded()).hexdigest()

    def write(self, name: str, manifest: Manifest) -> None:
        """Truncate and write, then drop blobs that nothing points at any more: as Ollama does."""
        replaced = self.get(name)
        self._file(name).write_bytes(manifest.encoded())
        if replaced is not None:
            self._drop(replaced)

    def delete(self, name: str) -> bool:
        manifest = self.get(name)
        if manifest is None:
            return False
        self._file(name).unlink()
        self._drop(manifest)
        return True

    def _drop(self, manifest: Manifest) -> None:
        used = {digest for other in self.names().values() for _, digest in other.layers}
        for _, digest in manifest.layers:
            if digest not in used:
                self.blob(digest).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        name = name.lower()
        name = name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
        return self._manifests / name.replace("/", "+")

    def _read(self, file: Path) -> Manifest:
        layers, settings = json.loads(file.read_bytes())
        return Manifest(layers=[(kind, digest) for kind, digest in layers], settings=settings)
