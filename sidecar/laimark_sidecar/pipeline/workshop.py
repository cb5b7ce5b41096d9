"""Everything a use case needs, opened once from home and configuration. The one place where parts meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from laimark_sidecar.clock import Clock
from laimark_sidecar.config.load import load
from laimark_sidecar.config.schema import Config
from laimark_sidecar.errors import StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.base import ServedBase, resolve
from laimark_sidecar.pipeline.connect import connect
from laimark_sidecar.pipeline.sealing import settle_sealing
from laimark_sidecar.registry.registry import Registry
from laimark_sidecar.replay.store import ReplayStore
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
            self.home.replay,
            clock=self.clock,
            capacity=replay.capacity,
            max_copies=replay.near_duplicates,
            per_source_day=replay.per_source_day,
        )

    def runner(self, *, timeout_s: float = 30.0) -> Runner:
        """Return the configured runner, patient for `timeout_s` in each call; nothing is contacted yet."""
        return connect(
            self.home,
            self.config,
            self.base.gguf,
            moving=[self.ref(ref) for ref in self.registry.refs()],
            versions=self.registry.names(),
            clock=self.clock,
            timeout_s=timeout_s,
        )

    def ref(self, name: str) -> str:
        """Return the name under which a ref is served: `latest` → `me:latest`."""
        return f"{self.config.promotion.name}:{name}"


def open_workshop(home: Home, *, clock: Clock) -> Workshop:
    """Open an initialised home.

    Raises:
        StateError: `init` has not been run here.
        ConfigError: the configuration cannot be used.
        MissingExtraError: it says that the journal is sealed, and the package for that is not installed.
    """
    require_initialised(home)
    config = load(home.config)
    settle_sealing(home, config)
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
