"""At most three near-equal copies of a lesson: a repeated request must not crowd out everything else.

A stronger signal takes the place of the weakest copy: the user's small edit of a long answer is nearly equal to
that answer, and must not be turned away because the answer was accepted three times before.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from laimark_sidecar.replay.item import Item, Split
from laimark_sidecar.replay.minhash import Signature, signature, similarity

THRESHOLD = 0.8
MAX_COPIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A held item that is nearly equal to a new one."""

    seq: int
    weight: float


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


def copies(connection: sqlite3.Connection, wanted: Signature, split: Split) -> list[Copy]:
    """Return the held items of `split` with a similarity of .8 or more to `wanted`, the weakest signal first."""
    keys = wanted.band_keys()
    marks = ",".join("?" * len(keys))
    rows = connection.execute(
        f"""SELECT seq, weight, fingerprint FROM contents JOIN items USING (seq)
        WHERE seq IN (SELECT seq FROM bands WHERE band IN ({marks})) AND split = ?
        ORDER BY weight, seq""",  # noqa: S608 - only question marks
        (*keys, split),
    )
    return [
        Copy(seq=seq, weight=weight)
        for seq, weight, fingerprint in rows
        if similarity(wanted.fingerprint, fingerprint) >= THRESHOLD
    ]
