"""At most three near-equal copies of a lesson: a repeated request must not crowd out everything else."""

from __future__ import annotations

import sqlite3

from laimark_sidecar.replay.item import Item, Split
from laimark_sidecar.replay.minhash import Signature, signature, similarity

THRESHOLD = 0.8
MAX_COPIES = 3


def lesson_text(item: Item) -> str:
    """Return what two copies of a lesson share: the request at hand and the target.

    The history before the last message is left out on purpose: consecutive turns of one long conversation share
    most of it, and are different lessons.
    """
    request = item.messages[-1].content if item.messages else ""
    return f"{request}\n\n{item.target}"


def lesson_signature(item: Item) -> Signature:
    """Return the MinHash signature of the item's lesson."""
    return signature(lesson_text(item))


def copies(connection: sqlite3.Connection, wanted: Signature, split: Split) -> int:
    """Return how many held items of `split` have a similarity of .8 or more to `wanted`, counting up to three."""
    keys = wanted.band_keys()
    marks = ",".join("?" * len(keys))
    rows = connection.execute(
        f"""SELECT fingerprint FROM contents JOIN items USING (seq)
        WHERE seq IN (SELECT seq FROM bands WHERE band IN ({marks})) AND split = ?""",  # noqa: S608 - only question marks
        (*keys, split),
    )
    found = 0
    for (fingerprint,) in rows:
        found += similarity(wanted.fingerprint, fingerprint) >= THRESHOLD
        if found == MAX_COPIES:
            break
    return found
