"""Material for registry tests: a clock that is told the time, and versions with real objects behind them."""

from __future__ import annotations

from dataclasses import dataclass

from laimark_sidecar.registry.registry import Registry
from laimark_sidecar.registry.version import BaseIdentity, Version

NOON_S = 1_795_348_800.0
"""2026-11-22T12:00:00Z."""
BASE = BaseIdentity(
    sha256="b" * 64, architecture="llama", template_sha256="c" * 64, tokenizer_sha256="d" * 64
)


@dataclass
class SetClock:
    """A clock that stands still until it is set."""

    time_s: float = NOON_S

    def now_s(self) -> float:
        return self.time_s

    def monotonic_s(self) -> float:
        return self.time_s


def draft(registry: Registry, salt: str, *, parent: str = "", size_bytes: int = 100) -> Version:
    """Return a version that can be added: its objects are stored."""
    weights = (salt.encode() * size_bytes)[:size_bytes]
    return Version(
        name=registry.new_name(salt=salt),
        created_s=registry.clock.now_s(),
        parent=parent,
        base=BASE,
        objects={
            "adapter_config.json": registry.objects.put_bytes(b'{"r": 16}'),
            "adapter_model.safetensors": registry.objects.put_bytes(weights),
        },
        cycle=f"cycle-{salt}",
        metrics={"gain": 0.5},
        verdict="accepted",
    )


def added(registry: Registry, salt: str, *, parent: str = "") -> Version:
    """Return a version that was added."""
    version = draft(registry, salt, parent=parent)
    registry.add(version)
    return version
