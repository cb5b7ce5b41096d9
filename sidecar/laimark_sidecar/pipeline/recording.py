"""Whether what is said to the runner can become a lesson, and in which words it is told."""

from __future__ import annotations

from collections.abc import Callable

from laimark_sidecar.config.schema import Config
from laimark_sidecar.errors import StateError
from laimark_sidecar.journal.consent import read_consent
from laimark_sidecar.journal.exchange import Exchange, Feedback
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.connect import gateway_url
from laimark_sidecar.pipeline.workshop import Workshop

START_GATEWAY = "laimark-sidecar gateway"
_REASONS = {"off": "it was switched off: laimark-sidecar logs on", "pause": "paused: laimark-sidecar resume"}


def why_not_recorded(home: Home, config: Config, *, gateway_runs: bool) -> str:
    """Return why no conversation is recorded now; empty where they are.

    Args:
        home: whose.
        config: says which runner answers; the embedded one records by itself, the others through the gateway.
        gateway_runs: whether it does.
    """
    if not config.journal.record:
        return "journal.record is false"
    try:
        reasons = read_consent(home.recording).reasons()
    except StateError as error:
        return str(error)
    if reasons:
        return "; ".join(_REASONS.get(reason, reason) for reason in reasons)
    if config.runner.kind != "embedded" and not gateway_runs:
        return f"the gateway does not run: {START_GATEWAY}"
    return ""


def told(home: Home, config: Config) -> str:
    """Return where conversations are recorded, and what it takes; or that they are not."""
    if not config.journal.record:
        return "not recorded (journal.record is false)"
    if config.runner.kind == "embedded":
        return f"recorded in {home.journal}"
    return f"recorded in {home.journal}, of what passes the gateway ({gateway_url(config)}): {START_GATEWAY}"


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
        return consent.covers_client(record.client) and consent.said_of(record.model) is not False

    return says
