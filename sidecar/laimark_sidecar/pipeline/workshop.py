"""Everything a use case needs, opened once from home and configuration. The one place where parts meet."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from laimark_sidecar.clock import Clock
from laimark_sidecar.config.load import load
from laimark_sidecar.config.schema import Config
from laimark_sidecar.errors import StateError
from laimark_sidecar.files import write_atomic
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.base import ServedBase, identify, resolve
from laimark_sidecar.registry.registry import Registry
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.runners.embedded.client import EmbeddedRunner
from laimark_sidecar.runners.llama_server.client import LlamaServerRunner
from laimark_sidecar.runners.llama_server.settings import RouterSettings
from laimark_sidecar.runners.runner import Runner

Report = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done, 0 to 1."""
ShouldStop = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Home, configuration, registry, base. Not shared between threads: each opens its own store."""

    home: Home
    config: Config
    clock: Clock
    registry: Registry
    base: ServedBase

    def store(self) -> ReplayStore:
        """Open a connection of one's own to the replay buffer; the caller closes it."""
        replay = self.config.replay
        return ReplayStore.open(
            self.home.replay, clock=self.clock, capacity=replay.capacity, max_copies=replay.near_duplicates
        )

    def runner(self, *, timeout_s: float = 30.0) -> Runner:
        """Return the configured runner, patient for `timeout_s` in each call; nothing is contacted yet."""
        match self.config.runner.kind:
            case "embedded":
                return EmbeddedRunner(runner_url(self.config), token(self.home), timeout_s=timeout_s)
            case "llama-server":
                return LlamaServerRunner(
                    self.router_settings(),
                    identify=lambda gguf: identify(self.home, gguf, name=self.config.base.name),
                    clock=self.clock,
                    timeout_s=timeout_s,
                )
            case other:
                assert_never(other)

    def router_settings(self) -> RouterSettings:
        """Return what the llama-server of this home is started with, and where it keeps its files."""
        runner = self.config.runner
        return RouterSettings(
            folder=self.home.root / "llama-server",
            base_path=self.base.gguf,
            base_name=self.config.base.name,
            host=runner.host,
            port=runner.port,
            binary=runner.binary,
            context=runner.context,
            threads=runner.threads,
            preloaded=runner.processes,
        )

    def ref(self, name: str) -> str:
        """Return the name under which a ref is served: `latest` → `me:latest`."""
        return f"{self.config.promotion.name}:{name}"


def open_workshop(home: Home, *, clock: Clock) -> Workshop:
    """Open an initialised home.

    Raises:
        StateError: `init` has not been run here.
        ConfigError: the configuration cannot be used.
    """
    require_initialised(home)
    config = load(home.config)
    return Workshop(
        home=home,
        config=config,
        clock=clock,
        registry=Registry.open(home.registry, clock=clock),
        base=resolve(home, config),
    )


def require_initialised(home: Home) -> None:
    """Raise StateError unless `init` was run in `home`."""
    if not home.config.is_file():
        raise StateError(f"{home.root} is not set up", hint="run: laimark-sidecar init")


def runner_url(config: Config) -> str:
    """Return the address of the runner, whichever it is."""
    host = config.runner.host
    return f"http://[{host}]:{config.runner.port}" if ":" in host else f"http://{host}:{config.runner.port}"


def token(home: Home) -> str:
    """Return the secret of the runner's administrative calls, making it (owner-only) on first use.

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
