"""Which runners and models are on this machine already: looked for on loopback and on the PATH, nothing is changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from laimark_sidecar.errors import ConfigError, LaimarkError
from laimark_sidecar.pipeline.initialise import Setting
from laimark_sidecar.runners.llama_server.command import find_binary
from laimark_sidecar.runners.llama_server.connection import Connection as LlamaServer
from laimark_sidecar.runners.ollama.address import ollama_url
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.ollama.blob import servable_blob
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


def settings_for(
    kind: Kind,
    environment: Mapping[str, str],
    *,
    model: str = "",
    url: str = "",
    gguf: str = "",
    hf: str = "",
) -> dict[str, dict[str, Setting]]:
    """Return what `config.toml` must say to learn for a model of a runner.

    Args:
        kind: of the runner.
        environment: for OLLAMA_HOST.
        model: what Ollama calls it.
        url: of Ollama, where it is not the usual one.
        gguf: file that is served; Ollama's own is asked for.
        hf: Hugging Face folder to train, instead of what is made from the GGUF.

    Raises:
        ConfigError: a value is missing, does not belong to this kind of runner, or names nothing.
        RunnerError: Ollama is not there, has no such model, or its file may not be read or is in a dialect of its own.
    """
    if kind != "ollama" and (model or url):
        raise ConfigError(
            f"--model and --url are Ollama's, the runner is {kind}", hint="name a file: --gguf FILE"
        )
    settings: dict[str, dict[str, Setting]] = {"runner": {"kind": kind}}
    base = {key: str(Path(path).absolute()) for key, path in (("gguf", gguf), ("hf", hf)) if path}
    for path in base.values():
        if not Path(path).exists():
            raise ConfigError(f"{path} is not there")
    if kind == "ollama":
        if not model:
            raise ConfigError("which of Ollama's models?", hint="--model NAME, as `ollama list` shows it")
        place = ollama_url(url, environment)
        base |= {"name": model, "gguf": base.get("gguf") or str(servable_blob(place, model))}
        settings["ollama"] = {"url": url}
    elif gguf:
        base["name"] = _named(Path(gguf).stem)
    elif hf:
        base["name"] = _named(Path(hf).name)
    return settings | ({"base": dict(base)} if base else {})


def _named(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:64] or "base"


def _ollama(environment: Mapping[str, str]) -> Found | None:
    try:
        url = ollama_url("", environment)
        api = OllamaApi(Ollama(url, timeout_s=_PATIENCE_S))
        version = api.version()
        names = [tag.name for tag in api.tags() if parse(api.show(tag.name).license) is None]
    except LaimarkError:
        return None
    return Found(kind="ollama", what=f"Ollama {version} at {url}", models=tuple(names))


class _Props(msgspec.Struct):
    model_path: str = ""


def _llama_server(environment: Mapping[str, str]) -> Found | None:
    served: tuple[str, ...] = ()
    try:
        connection = LlamaServer(LLAMA_SERVER_URL, timeout_s=_PATIENCE_S)
        path = connection.read(connection.call("GET", "/props"), _Props).model_path
        served = (path,) if path and Path(path).is_file() else ()
    except LaimarkError:
        pass
    try:
        binary = find_binary("", environment)
    except ConfigError:
        return None
    running = f", one runs at {LLAMA_SERVER_URL}" if served else ""
    return Found(kind="llama-server", what=f"llama-server ({binary}{running})", models=served)
