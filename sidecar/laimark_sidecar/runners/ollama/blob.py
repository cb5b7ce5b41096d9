"""The base's GGUF in Ollama's own store: readable for us, or a clear word on why it is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.llamacpp.crash import child_environment, explain
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.ollama.connection import Connection
from laimark_sidecar.runners.ollama.shown import layers

_LOAD_TIMEOUT_S = 300.0
_GROUP_HINT = (
    "join the group that may read Ollama's models: sudo usermod -aG ollama $USER, then log in again; "
    "or name a copy of the GGUF in the configuration"
)


def base_blob(modelfile: str) -> Path:
    """Return the path of the model file that a shown Modelfile names, which can be read.

    Ask again for every use: an upgrade or a pull may put another file under the same name.

    Raises:
        RunnerError: it names none, it is on another machine, or reading it is not allowed; the hint says what to do.
    """
    files = layers(modelfile).models
    path = Path(files[0] if files else "")
    if not path.is_absolute():
        raise RunnerError("Ollama names no file behind the base: is it a cloud model?")
    try:
        with path.open("rb") as handle:
            handle.read(1)
    except PermissionError as error:
        raise RunnerError(f"the base's file {path} may not be read", hint=_GROUP_HINT) from error
    except (OSError, ValueError) as error:  # the latter where it holds a NUL
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunnerError(
            f"the base's file {path} cannot be read: {reason}",
            hint="Ollama in a container or on another machine has its files there: name a copy of the GGUF",
        ) from error
    return path


def servable_blob(url: str, base: str, *, timeout_s: float = 30) -> Path:
    """Return the file behind a base in Ollama, which our own llama.cpp loads: adapters can be served on it beside Ollama.

    Nothing is copied. Whether both read text alike is for a comparison of their renderings to say, not for this. Blocks
    for about as long as loading the model once takes: it is tried in a child process.

    Args:
        url: of Ollama.
        base: a local name.
        timeout_s: longest silence of Ollama.

    Raises:
        ConfigError: the URL is not an http one.
        RunnerError: Ollama is not there or has no such name, the file may not be read, or it is in the dialect that
            only Ollama's llama.cpp reads (Ollama's `llama/compat/README.md`); the hint says what to do.
    """
    path = base_blob(OllamaApi(Connection(url, timeout_s=timeout_s)).show(base).modelfile)
    # A process of its own, because llama.cpp aborts on some files instead of refusing them.
    command = [sys.executable, "-P", "-m", "laimark_sidecar.runners.embedded.probe", str(path)]
    try:
        child = subprocess.run(
            command, capture_output=True, timeout=_LOAD_TIMEOUT_S, check=False, env=child_environment()
        )
    except subprocess.TimeoutExpired as error:
        raise RunnerError(f"llama.cpp does not load {base} within {_LOAD_TIMEOUT_S:g} s ({path})") from error
    if child.returncode != 0:
        raise RunnerError(
            f"llama.cpp itself does not load {base} of Ollama: {explain(child.returncode, child.stderr)}",
            hint="Ollama has some models in a dialect of its own: name a Hugging Face folder of the model as base.hf",
        )
    return path
