"""Draws from the database by reading row numbers and priorities; only what was drawn is read whole."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Collection

from laimark_sidecar.replay.body import decode_body
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.sampling import (
    OVERDRAW,
    Drawn,
    choose,
    draw_weights,
    importance_weights,
    most_interfered,
)


def draw(
    connection: sqlite3.Connection, count: int, *, rng: random.Random, exclude: Collection[str]
) -> tuple[Drawn, ...]:
    """Draw up to `count` trained items without replacement; see `sampling` for the rule."""
    import numpy as np

    # Answered by the covering index items_draw alone; NULL priorities become -1, which draw_weights reads as unknown.
    rows = connection.execute(
        """SELECT seq, stratum_id, coalesce(priority, -1.0), weight FROM items
        WHERE stage = 1 ORDER BY stratum_id, priority"""
    )
    table = np.fromiter(rows, dtype=[("seq", "i8"), ("stratum", "i8"), ("priority", "f8"), ("weight", "f8")])
    table = table[~np.isin(table["seq"], _seqs(connection, exclude))]
    if not len(table) or count < 1:
        return ()
    weights = draw_weights(table["priority"], table["weight"], table["stratum"])
    candidates = choose(weights, OVERDRAW * count, rng)
    rises = [_rise(connection, int(table["seq"][index])) for index in candidates]
    kept = [candidates[position] for position in most_interfered(rises, count)]
    total = float(weights.sum())
    probabilities = [float(weights[index]) / total for index in kept]
    return tuple(
        Drawn(
            item=_item(connection, int(table["seq"][index])),
            probability=probability,
            importance_weight=weight,
        )
        for index, probability, weight in zip(
            kept, probabilities, importance_weights(probabilities), strict=True
        )
    )


def _seqs(connection: sqlite3.Connection, ids: Collection[str]) -> list[int]:
    found = (
        connection.execute("SELECT seq FROM items WHERE id = ?", (item_id,)).fetchone() for item_id in ids
    )
    return [row[0] for row in found if row is not None]


def _rise(connection: sqlite3.Connection, seq: int) -> float | None:
    rise: float | None = connection.execute(
        "SELECT loss - loss_accepted FROM items WHERE seq = ?", (seq,)
    ).fetchone()[0]
    return rise


def _item(connection: sqlite3.Connection, seq: int) -> Item:
    body = connection.execute("SELECT body FROM contents WHERE seq = ?", (seq,)).fetchone()[0]
    return decode_body(body)
