"""How llama-server is started: which binary, which arguments."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.paths import expanded
from laimark_sidecar.runners.llama_server.settings import RouterSettings
from laimark_sidecar.runners.llama_server.single_command import help_of

Mode = Literal["router", "single"]

VARIABLE = "LAIMARK_LLAMA_SERVER"
NAME = "llama-server"
_TELLING: tuple[tuple[Mode, str], ...] = (("router", "--models-preset"), ("single", "--lora-scaled"))
_CORS = "LLAMA_ARG_CORS_ORIGINS"
_MISLEADING = frozenset(
    {
        "LLAMA_ARG_MODEL",  # with a model of its own it is no router
        "LLAMA_ARG_MODEL_URL",
        "LLAMA_ARG_HF_REPO",
        "LLAMA_ARG_DOCKER_REPO",
        "LLAMA_ARG_API_PREFIX",  # nobody would find it
        "LLAMA_ARG_SSL_KEY_FILE",
        "LLAMA_ARG_SSL_CERT_FILE",
        "LLAMA_API_KEY",  # the sidecar knows no key
        "LLAMA_ARG_API_KEY_FILE",
    }
)


def find_binary(configured: str, environment: Mapping[str, str]) -> Path:
    """Return the llama-server to run: the configured one, else the environment's, else the one on the PATH.

    Raises:
        ConfigError: there is none, or the one that was named is not there.
    """
    for source, named in (("runner.binary", configured), (VARIABLE, environment.get(VARIABLE, ""))):
        if not named:
            continue
        found = shutil.which(expanded(named, named_by=source), path=environment.get("PATH"))
        if found is None:
            raise ConfigError(
                f"{source}: {named} is not a program that can be run", hint=f"name the file {NAME}"
            )
        return Path(found).absolute()
    found = shutil.which(NAME, path=environment.get("PATH"))
    if found is None:
        raise ConfigError(
            f"{NAME} is not on the PATH",
            hint=f"install llama.cpp, or name the file: runner.binary in config.toml, or {VARIABLE}; "
            'or set runner.kind to "embedded"',
        )
    return Path(found).absolute()


def modes(binary: Path, environment: Mapping[str, str]) -> tuple[Mode, ...]:
    """Return the modes that a program can be started in, one at least, by what its own help says. Runs it once.

    Raises:
        ConfigError: it is no llama-server, or one that does not run here.
    """
    hint = f"name the file {NAME} of llama.cpp: runner.binary in config.toml, or {VARIABLE}"
    try:
        told = help_of(binary, environment_of(environment))
    except RunnerError as error:
        raise ConfigError(str(error), hint=hint) from error
    found = tuple(mode for mode, option in _TELLING if option in told)
    if not found:
        raise ConfigError(f"{binary} is no {NAME}: its --help names no {_TELLING[-1][1]}", hint=hint)
    return found


def arguments(settings: RouterSettings, binary: Path) -> list[str]:
    """Return the command line of the router.

    What is said here overrides every section, the user's own too, so only what concerns the router or all of its
    processes is: the metrics tell whether somebody uses one, and a stream whose client is gone is noticed in 2 s.
    """
    return [
        str(binary),
        "--models-preset",
        str(settings.preset),
        "--models-max",
        str(settings.preloaded),
        "--host",
        settings.host,
        "--port",
        str(settings.port),
        "--metrics",
        "--sse-ping-interval",
        "2",
    ]


def environment_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment to start it in: the user's, less what would make it another server than the one asked for.

    Pages of other sites may not read its answers, unless the user said so. That is said here and not on the command
    line, because a llama-server that is too old for the setting would refuse to start.
    """
    kept = {name: value for name, value in environment.items() if name not in _MISLEADING}
    return {_CORS: "localhost"} | kept
