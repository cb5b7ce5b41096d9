"""llama-server in router mode: what it lists, and how its processes are asked."""

from __future__ import annotations

import itertools
from pathlib import Path
from urllib.parse import quote

import msgspec

from laimark_sidecar.runners.llama_server.connection import Connection


class Status(msgspec.Struct, frozen=True):
    """How the process of a name is doing."""

    value: str
    """`unloaded`, `loading`, `loaded` or `sleeping`."""
    args: tuple[str, ...] = ()
    """What its process is started with."""
    failed: bool = False


class Model(msgspec.Struct, frozen=True):
    """A section as the router lists it."""

    id: str
    status: Status
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        """Whether it has a process, be it one that is still loading."""
        return self.status.value != "unloaded"

    @property
    def model(self) -> Path | None:
        """GGUF of the base that it is started with."""
        path = self._value("--model")
        return Path(path) if path else None

    @property
    def context(self) -> int:
        """Most tokens of prompt and answer together; 0 where it is not told."""
        tokens = self._value("--ctx-size")
        return int(tokens) if tokens.isdecimal() else 0

    def _value(self, flag: str) -> str:
        pairs = itertools.pairwise(self.status.args)
        return next((value for name, value in pairs if name == flag), "")


class _Models(msgspec.Struct):
    data: tuple[Model, ...]


class Router(Connection):
    """One llama-server in router mode."""

    def models(self, *, reload: bool = False) -> tuple[Model, ...]:
        """Return every section; with `reload` the preset file is read again first.

        Reading it again blocks while processes end whose sections were changed or removed.

        Raises:
            RunnerError: no router answers, or the preset file is malformed.
        """
        content = self.call("GET", "/models?reload=1" if reload else "/models")
        return self.read(content, _Models).data

    def get(self, path: str, model: str) -> bytes:
        """Ask the process of a name that has one; never starts one.

        Raises:
            RefusedError: it has none.
            RunnerError: no router answers.
        """
        return self.call("GET", f"{path}?model={quote(model, safe='')}&autoload=false")


def listed(models: tuple[Model, ...], name: str) -> Model | None:
    """Return the section that answers to `name`, by its own name or an alias."""
    return next((model for model in models if name == model.id or name in model.aliases), None)
