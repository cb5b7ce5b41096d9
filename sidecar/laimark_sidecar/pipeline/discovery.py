"""Which runners and models are on this machine already: looked for on loopback and on the PATH, nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from laimark_sidecar.errors import ConfigError, LaimarkError
from laimark_sidecar.runners.llama_server.command import find_binary
from laimark_sidecar.runners.llama_server.connection import Connection as LlamaServer
from laimark_sidecar.runners.ollama.address import ollama_url
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.ollama.connection import Connection as Ollama
from laimark_sidecar.runners.ollama.marker import parse

Kind = Literal["embedded", "llama-server", "ollama"]
LLAMA_SERVER_URL = "http://127.0.0.1:8080"
_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A runner that is here."""

    kind: Kind
    what: str
    """For people: name, version, place."""
    models: tuple[str, ...] = ()
    """Names (Ollama) or files (llama-server) of models that it has; those that the sidecar made are left out."""


def discover(environment: Mapping[str, str]) -> tuple[Found, ...]:
    """Return the runners of this machine, the likeliest first; the embedded one, which is always there, is left out.

    Waits at most two seconds for each; what does not answer is not there.
    """
    looked = (_ollama(environment), _llama_server(environment))
    return tuple(found for found in looked if found is not None)


def models_to_learn_for(api: OllamaApi) -> tuple[str, ...]:
    """Return the local names of an Ollama that the sidecar did not make.

    Raises:
        RunnerError: it is not there.
    """
    return tuple(tag.name for tag in api.tags() if parse(api.show(tag.name).license) is None)


def _ollama(environment: Mapping[str, str]) -> Found | None:
    try:
        url = ollama_url("", environment)
        api = OllamaApi(Ollama(url, timeout_s=_PATIENCE_S))
        version = api.version()
        names = models_to_learn_for(api)
    except LaimarkError:
        return None
    return Found(kind="ollama", what=f"Ollama {version} at {url}", models=names)


class _Props(msgspec.Struct):
    model_path: str = ""


def _llama_server(environment: Mapping[str, str]) -> Found | None:
    served: tuple[str, ...] = ()
    try:
        connection = LlamaServer(LLAMA_SERVER_URL, timeout_s=_PATIENCE_S)
        path = connection.read(connection.call("GET", "/props"), _Props).model_path
        served = (path,) if path and Path(path).is_file() else ()
    except (LaimarkError, OSError):  # the latter for a path that is longer than any
        pass
    try:
        binary = find_binary("", environment)
    except ConfigError:
        return None
    running = f", one runs at {LLAMA_SERVER_URL}" if served else ""
    return Found(kind="llama-server", what=f"llama-server ({binary}{running})", models=served)
