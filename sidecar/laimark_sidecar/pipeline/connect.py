"""From the configuration to the runner that answers. Nothing is contacted or started here."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Collection
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Literal, assert_never

from laimark_sidecar.clock import Clock
from laimark_sidecar.config.schema import Config
from laimark_sidecar.errors import StateError
from laimark_sidecar.files import write_atomic
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.base import identify
from laimark_sidecar.pipeline.merging import MergedModel, merged
from laimark_sidecar.pipeline.rendered import write_rendered
from laimark_sidecar.registry.version import BaseIdentity
from laimark_sidecar.runners.embedded.client import EmbeddedRunner
from laimark_sidecar.runners.llama_server.client import LlamaServerRunner
from laimark_sidecar.runners.llama_server.managed import router_server, single_server
from laimark_sidecar.runners.llama_server.process import ManagedServer
from laimark_sidecar.runners.llama_server.settings import RouterSettings, SingleSettings
from laimark_sidecar.runners.llama_server.single_client import SingleRunner
from laimark_sidecar.runners.ollama.address import ollama_url
from laimark_sidecar.runners.ollama.runner import OllamaRunner
from laimark_sidecar.runners.runner import Runner

_ADAPTERS = {"auto": None, "adapter": True, "merged": False}


def connect(
    home: Home,
    config: Config,
    gguf: Path,
    *,
    moving: Collection[str],
    versions: Collection[str] = (),
    clock: Clock,
    timeout_s: float,
) -> Runner:
    """Return the configured runner, patient for `timeout_s` in each call.

    Args:
        home: of the sidecar.
        config: says which runner.
        gguf: file of the base, which a llama-server of our own is started with.
        moving: the served names that only we point, such as `me:latest`.
        versions: the names of all versions.
        clock: for idle times.
        timeout_s: longest silence in one call.

    Raises:
        ConfigError: its address is no address.
    """

    def identity(path: Path) -> BaseIdentity:
        return identify(home, path, name=config.base.name)

    match driver(config):
        case "embedded":
            return EmbeddedRunner(runner_url(config), token(home), timeout_s=timeout_s)
        case "llama-server":
            settings = server_settings(home, config, gguf)
            if isinstance(settings, RouterSettings):
                return LlamaServerRunner(settings, identify=identity, clock=clock, timeout_s=timeout_s)
            server = managed(settings)
            return SingleRunner(settings, server=server, identify=identity, clock=clock, timeout_s=timeout_s)
        case "ollama":

            def lend(base: Path, adapter: Path) -> AbstractContextManager[MergedModel]:
                prompts = write_rendered(runner, base, home.merged / "prompts.json", ())
                touched, threads = config.ollama.merged_type, config.training.threads
                return merged(home.merged, base, adapter, touched=touched, prompts=prompts, threads=threads)

            runner = OllamaRunner(
                runner_url(config),
                config.base.name,
                moving=moving,
                versions=versions,
                identify=identity,
                merge=lend,
                clock=clock,
                observed=home.root / "ollama-observed.json",
                adapters=_ADAPTERS[config.ollama.route],
                timeout_s=timeout_s,
            )
            return runner
        case other:
            assert_never(other)


def driver(config: Config) -> Literal["embedded", "llama-server", "ollama"]:
    """Return which kind of process answers the tuned names: for Ollama's users it may be a llama-server of our own."""
    own_server = config.runner.kind == "ollama" and config.ollama.route == "own-server"
    return "llama-server" if own_server else config.runner.kind


def runner_url(config: Config) -> str:
    """Return the address of the runner, whichever it is.

    Raises:
        ConfigError: it is Ollama's, and OLLAMA_HOST has no usable port.
    """
    if driver(config) == "ollama":
        return users_ollama(config)
    return _url(config.runner.host, config.runner.port)


def users_ollama(config: Config) -> str:
    """Return where the user's Ollama itself listens, also where OLLAMA_HOST sends clients to the gateway before it.

    Raises:
        ConfigError: OLLAMA_HOST has no usable port.
    """
    url = ollama_url(config.ollama.url, os.environ)
    through_gateway = not config.ollama.url and url == gateway_url(config)
    return ollama_url("", {}) if through_gateway else url


def gateway_url(config: Config) -> str:
    """Return where clients find the gateway."""
    return _url(config.gateway.host, config.gateway.port)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_settings(home: Home, config: Config, gguf: Path) -> RouterSettings | SingleSettings:
    """Return what the llama-server of a home is started with, and where it keeps its files."""
    runner = config.runner
    single = partial(SingleSettings, answering=f"{config.promotion.name}:latest")
    settings = single if runner.mode == "single" else RouterSettings
    return settings(
        folder=home.root / "llama-server",
        base_path=gguf,
        base_name=config.base.name,
        host=runner.host,
        port=runner.port,
        binary=runner.binary,
        context=runner.context,
        threads=runner.threads,
        preloaded=runner.processes,
    )


def managed(settings: RouterSettings | SingleSettings) -> ManagedServer:
    """Return the llama-server that these settings describe, running or not."""
    if isinstance(settings, RouterSettings):
        return router_server(settings, environment=os.environ)
    return single_server(settings, environment=os.environ)


def token(home: Home) -> str:
    """Return the secret of the embedded runner's administrative calls, making it (owner-only) on first use.

    Raises:
        StateError: the file holds something that no header can carry.
    """
    if not home.runner_token.is_file():
        write_atomic(home.runner_token, secrets.token_urlsafe(32).encode())
    content = home.runner_token.read_bytes().strip()
    if not re.fullmatch(rb"[\w-]+", content):
        raise StateError(
            f"{home.runner_token} is damaged", hint="delete it and restart: laimark-sidecar serve"
        )
    return content.decode("ascii")
