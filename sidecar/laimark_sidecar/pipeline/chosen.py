"""What `config.toml` must say to learn for the model that somebody chose. Whatever is named is looked at first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from laimark_converters.errors import ConversionError as Refused
from laimark_converters.header import read_header
from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.paths import expanded
from laimark_sidecar.pipeline.discovery import Kind, models_to_learn_for
from laimark_sidecar.pipeline.initialise import Setting
from laimark_sidecar.runners.llama_server.command import VARIABLE, find_binary, modes
from laimark_sidecar.runners.ollama.address import ollama_url
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.ollama.blob import servable_blob
from laimark_sidecar.runners.ollama.connection import Connection
from laimark_sidecar.runners.ollama.marker import canonical


def settings_for(
    kind: Kind,
    environment: Mapping[str, str],
    *,
    model: str = "",
    url: str = "",
    gguf: str = "",
    hf: str = "",
) -> dict[str, dict[str, Setting]]:
    """Return the settings, by section and key. What the environment names is in them: the next terminal may not have it.

    Args:
        kind: of the runner.
        environment: for OLLAMA_HOST, LAIMARK_LLAMA_SERVER and the PATH.
        model: what Ollama calls it.
        url: of Ollama, where it is not the usual one.
        gguf: file that is served; Ollama's own is asked for.
        hf: Hugging Face folder to train, instead of what is made from the GGUF.

    Raises:
        ConfigError: a value is missing, does not belong to this kind of runner, or names nothing that can be used.
        RunnerError: Ollama is not there, has no such model, or its file may not be read or is in a dialect of its own.
    """
    if kind != "ollama" and (model or url):
        raise ConfigError(
            f"--model and --url are Ollama's, the runner is {kind}", hint="name a file: --gguf FILE"
        )
    base: dict[str, Setting] = {}
    if gguf:
        file = model_file(gguf)
        base |= {"gguf": str(file), "name": _named(file.stem)}
    if hf:
        folder = _model_folder(hf)
        base |= {"hf": str(folder), "name": base.get("name") or _named(folder.name)}
    settings: dict[str, dict[str, Setting]] = {"runner": {"kind": kind}}
    if kind == "llama-server":
        settings["runner"] |= _llama_server(environment)
    elif kind == "ollama":
        place = ollama_url(url, environment)
        base["name"] = _model_of_ollama(place, model)
        base["gguf"] = base.get("gguf") or str(servable_blob(place, model))
        settings["ollama"] = {"url": "" if place == ollama_url("", {}) else place}
    return settings | ({"base": base} if base else {})


def model_file(text: str) -> Path:
    """Return the absolute path of a GGUF that a user named, which holds a whole model by its header.

    Raises:
        ConfigError: it is not there, no GGUF, damaged, a part of one, or something else than a model.
    """
    path = expanded(text, named_by="--gguf").absolute()
    try:
        header = read_header(path)
    except Refused as error:
        raise ConfigError(f"--gguf {path}: {error}", hint=error.hint) from error
    kind = header.text("general.type") or "model"
    if kind != "model" or not header.tensors:
        what = f"its general.type is {kind}" if kind != "model" else "it holds no weights"
        raise ConfigError(f"--gguf {path} is no model: {what}", hint="name the base model's own GGUF")
    return path


def _model_folder(text: str) -> Path:
    path = expanded(text, named_by="--hf").absolute()
    if not (path / "config.json").is_file():
        raise ConfigError(f"--hf: {path} holds no config.json", hint="name a Hugging Face model folder")
    return path


def _named(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:64] or "base"


def _llama_server(environment: Mapping[str, str]) -> dict[str, Setting]:
    try:
        binary = find_binary("", environment)
        known = modes(binary, environment)
    except ConfigError as error:
        raise ConfigError(
            str(error),
            hint=f"install llama.cpp, or name its program: {VARIABLE}=FILE laimark-sidecar init ...; "
            "or let laimark-sidecar serve itself: --runner embedded",
        ) from error
    found: dict[str, Setting] = {"binary": str(binary)} if environment.get(VARIABLE) else {}
    return found if "router" in known else found | {"mode": "single"}


def _model_of_ollama(url: str, model: str) -> str:
    has = models_to_learn_for(OllamaApi(Connection(url)))
    listed = f"it has {', '.join(has)}" if has else "it has none: ollama pull NAME"
    if not model:
        raise ConfigError(f"which of the models of Ollama at {url}?", hint=f"--model NAME; {listed}")
    if canonical(model) not in map(canonical, has):
        raise RunnerError(f'Ollama at {url} has no model "{model}" to learn for', hint=listed)
    return model
