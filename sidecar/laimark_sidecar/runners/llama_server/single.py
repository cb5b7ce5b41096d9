"""llama-server with one model: its adapters by position, and which of them every client gets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.runners.llama_server.connection import Connection, RefusedError
from laimark_sidecar.runners.llama_server.idle import Load, read_metrics


class Loaded(msgspec.Struct, frozen=True):
    """An adapter as the server lists it."""

    id: int
    """Its position: what requests call it, until the next start."""
    path: str
    scale: float
    """With which it changes the answers of everybody who asks for nothing else."""

    @property
    def sha256(self) -> str:
        """Digest of the file, which is its name where the sidecar started the server."""
        return Path(self.path).stem


class _Generation(msgspec.Struct, frozen=True):
    n_ctx: int = 0


class Props(msgspec.Struct, frozen=True):
    """What the server tells of itself."""

    model_path: str = ""
    role: str = ""
    default_generation_settings: _Generation = _Generation()


class Single(Connection):
    """One llama-server that was started with a model."""

    def props(self) -> Props:
        """Return what the server tells of itself; raises RunnerError where it does not answer."""
        return self.read(self.call("GET", "/props"), Props)

    def adapters(self) -> tuple[Loaded, ...]:
        """Return the adapters in their positions.

        Raises:
            RunnerError: it does not answer, or is in router mode.
        """
        return self.read(self.call("GET", "/lora-adapters"), tuple[Loaded, ...])

    def apply(self, scales: Iterable[tuple[int, float]]) -> None:
        """Set what everybody gets who asks for nothing else, from the next request on; answers in flight keep theirs.

        An adapter that is not named is off, and a position that does not exist is ignored without an error: look again.

        Raises:
            RunnerError: it does not answer.
        """
        self.call("POST", "/lora-adapters", [{"id": position, "scale": scale} for position, scale in scales])

    def load(self) -> Load:
        """Return what it is doing; one that is loading is busy.

        Raises:
            RunnerError: it does not answer.
        """
        try:
            return read_metrics(self.call("GET", "/metrics").decode("utf-8", "replace"))
        except RefusedError as error:
            if error.status < 500:
                raise RunnerError(str(error), hint="was it started by the sidecar?") from error
            return Load(busy=True, decodes=0)
