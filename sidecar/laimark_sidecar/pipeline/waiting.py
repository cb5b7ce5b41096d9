"""Which version waits for the user's yes: the newest that passed the gate, until it has been served once."""

from __future__ import annotations

from laimark_sidecar.pipeline.following import LATEST, servable
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.version import Version


def was_latest(workshop: Workshop, name: str) -> bool:
    """Return whether a version is, or has been, `latest`: then the user may have stepped back from it, which stands."""
    return any(
        move.ref == LATEST and move.after == name
        for entry in workshop.registry.history()
        for move in entry.moves
    )


def waiting(workshop: Workshop) -> Version | None:
    """Return the newest version for the base of now, unless it was served already; an older one waits no more."""
    newest = next(iter(servable(workshop)), None)
    return None if newest is None or was_latest(workshop, newest.name) else newest
