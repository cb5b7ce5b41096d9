"""Where the gateway listens and what it stands in front of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """What one gateway process is started with."""

    host: str = "127.0.0.1"
    port: int = 11436
    allowed_hosts: frozenset[str] = frozenset()
    """Host names beside those that are always allowed (see `hosts.py`), in lower case, without a port."""
    starting: str = ""
    """The command that starts the upstream, told where it does not answer; empty where that is the user's own affair."""
