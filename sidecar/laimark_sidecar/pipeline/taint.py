"""Which versions have learned from what was forgotten since. Derived, never stored a second time.

The tombstones in the buffer and the sample ids of each version say it between them, so it holds as well for a version that
was still being trained when somebody forgot, and for what `buffer rm` forgets.
"""

from __future__ import annotations

from laimark_sidecar.pipeline.buffer import versions_that_saw
from laimark_sidecar.pipeline.workshop import Workshop


def tainted(workshop: Workshop) -> frozenset[str]:
    """Return the versions that saw something forgotten, or go back to one that did."""
    seen = {
        one
        for version in workshop.registry.versions()
        for one in (*version.sample_ids, *version.core_records)
    }
    with workshop.store() as store:
        return frozenset(versions_that_saw(workshop, set(store.oblivion.forgotten(seen))))


def clean_ancestor(workshop: Workshop, name: str) -> str:
    """Return the nearest version without taint that `name` goes back to, itself included; empty for the base.

    Raises:
        StateError: a version of the lineage is missing.
    """
    dirty = tainted(workshop)
    return next((one.name for one in workshop.registry.lineage(name) if one.name not in dirty), "")


def told(name: str) -> str:
    """Return the sentence that warns of a tainted version."""
    return f"{name} has learned from what was forgotten (laimark-sidecar forget --rebuild)"
