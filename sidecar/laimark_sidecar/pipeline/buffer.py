"""Looking up buffer items as people name them, and which versions were made from them."""

from __future__ import annotations

from laimark_sidecar.errors import DataError
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore

SHORTEST_PREFIX = 6


def find(store: ReplayStore, item_id: str) -> Item:
    """Return the item with this id, or with the only id that begins so.

    Raises:
        DataError: none or several; says how many.
    """
    item = store.get(item_id)
    if item:
        return item
    matches = (
        [item for item in store.items() if item.id.startswith(item_id)]
        if len(item_id) >= SHORTEST_PREFIX
        else []
    )
    if len(matches) != 1:
        raise DataError(
            f"{item_id!r} names {len(matches) or 'no'} items",
            hint="see ids with: laimark-sidecar buffer list --json",
        )
    return matches[0]


def versions_that_saw(workshop: Workshop, ids: set[str]) -> tuple[str, ...]:
    """Return the versions that were trained on any of these, or go back to one that was, newest first.

    Args:
        workshop: whose registry is read.
        ids: of items; of exchanges, where questions of the core set are meant too.
    """
    tainted: set[str] = set()
    for version in reversed(workshop.registry.versions()):
        if ids & {*version.sample_ids, *version.core_records} or version.parent in tainted:
            tainted.add(version.name)
    return tuple(version.name for version in workshop.registry.versions() if version.name in tainted)
