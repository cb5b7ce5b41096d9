"""Whether what is said to the runner can become a lesson, and in which words it is told."""

from __future__ import annotations

from laimark_sidecar.config.schema import Config
from laimark_sidecar.paths import Home

ONLY_SERVE = "lessons come from `laimark-sidecar serve` (the embedded runner) only, until the recording gateway is there"


def why_not_recorded(config: Config) -> str:
    """Return why no conversation is recorded; empty where they are."""
    if config.runner.kind != "embedded":
        return f"nothing is recorded through {config.runner.kind} yet: {ONLY_SERVE}"
    return "" if config.journal.record else "journal.record is false"


def told(home: Home, config: Config) -> str:
    """Return where conversations are recorded, or that and why they are not."""
    why = why_not_recorded(config)
    return f"not recorded ({why})" if why else f"recorded in {home.journal}"
