"""Whether what is said to the runner can become a lesson, and in which words it is told."""

from __future__ import annotations

from collections.abc import Callable

from laimark_sidecar.config.schema import Config
from laimark_sidecar.journal.consent import read_consent
from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.workshop import Workshop

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


def wanted(workshop: Workshop) -> Callable[[Exchange | Feedback], bool]:
    """Return what says whether the user wants a record of another program's log kept.

    Raises:
        StateError: what the user wants cannot be read.
    """
    if not workshop.config.journal.record:
        return lambda _: False
    consent = read_consent(workshop.home.recording)

    def says(record: Exchange | Feedback) -> bool:
        if not consent.covers_time(record.time_s):
            return False
        if isinstance(record, Feedback):
            return True
        return consent.covers_client(record.client) and consent.models.get(record.model, True)

    return says
