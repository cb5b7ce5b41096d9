"""The buffer's read queries; the caller holds a read transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from laimark_sidecar.errors import DataError
from laimark_sidecar.replay import opening
from laimark_sidecar.replay.answered import Answered
from laimark_sidecar.replay.body import decode_body
from laimark_sidecar.replay.item import Item, Signal, Split
from laimark_sidecar.replay.reviewing import READY, Review

Keep = Callable[[Item, bool], bool]
"""Says whether a held-out item is wanted, given it and whether it arrived after the opening (see `opening`)."""
_MATCHES = """(:split IS NULL OR split = :split) AND (:signal IS NULL OR signal = :signal)
    AND (:trained IS NULL OR (cycle IS NOT NULL) = :trained)"""
_IDS_A_QUESTION = 500
_ANSWER = "SELECT prefix, exchange_id, answer, version, time_s, source, pair, withheld FROM answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Consecutive items, and the row to go on behind."""

    items: tuple[Item, ...]
    last_seq: int


def known_exchanges(connection: sqlite3.Connection, ids: Sequence[str]) -> frozenset[str]:
    """Return those of `ids` whose answers are remembered, or that were forgotten: neither is to be taken in again."""
    found: set[str] = set()
    for start in range(0, len(ids), _IDS_A_QUESTION):
        asked = ids[start : start + _IDS_A_QUESTION]
        marks = ", ".join("?" * len(asked))
        rows = connection.execute(
            f"""SELECT exchange_id FROM answered WHERE exchange_id IN ({marks})
            UNION ALL SELECT id FROM tombstones WHERE id IN ({marks})""",  # noqa: S608 - question marks
            (*asked, *asked),
        )
        found.update(row[0] for row in rows)
    return frozenset(found)


def answers(connection: sqlite3.Connection, prefix: str) -> tuple[Answered, ...]:
    """Return the answers to one prompt, oldest first."""
    rows = connection.execute(f"{_ANSWER} WHERE prefix = ? ORDER BY time_s, rowid", (prefix,))
    return tuple(_answered(row) for row in rows)


def answered(connection: sqlite3.Connection, exchange_ids: Collection[str]) -> tuple[Answered, ...]:
    """Return the answers of these exchanges."""
    rows = connection.execute(
        f"{_ANSWER} WHERE exchange_id IN (SELECT value FROM json_each(?)) ORDER BY exchange_id",  # noqa: S608 - a constant
        (json.dumps(list(exchange_ids)),),
    )
    return tuple(_answered(row) for row in rows)


def twins(
    connection: sqlite3.Connection, pairs: Sequence[str], *, since_s: float, until_s: float
) -> tuple[Answered, ...]:
    """Return the answers with one of these pairs between two times, both included, oldest first."""
    rows = connection.execute(
        f"""{_ANSWER} WHERE pair IN (SELECT value FROM json_each(?)) AND time_s BETWEEN ? AND ?
        ORDER BY time_s, rowid""",  # noqa: S608 - a constant
        (json.dumps(pairs), since_s, until_s),
    )
    return tuple(_answered(row) for row in rows)


def made_by(connection: sqlite3.Connection, exchange_id: str) -> tuple[tuple[int, Item], ...]:
    """Return the items, with their rows, that reading this exchange brought and that no cycle has used."""
    rows = connection.execute(
        """SELECT seq, body FROM origins JOIN items ON items.id = item_id JOIN contents USING (seq)
        WHERE exchange_id = ? AND cycle IS NULL ORDER BY seq""",
        (exchange_id,),
    )
    decoded = ((seq, decode_body(body)) for seq, body in rows)
    return tuple((seq, held) for seq, held in decoded if held.exchange_ids[0] == exchange_id)


def item(connection: sqlite3.Connection, item_id: str) -> Item | None:
    """Return one item by its id."""
    row = connection.execute(
        "SELECT body FROM contents JOIN items USING (seq) WHERE id = ?", (item_id,)
    ).fetchone()
    return None if row is None else decode_body(row[0])


def position(connection: sqlite3.Connection, after: str | None) -> int:
    """Return the row number of an item to go on behind; 0 for the start.

    Raises:
        DataError: the item is not held.
    """
    if after is None:
        return 0
    row = connection.execute("SELECT seq FROM items WHERE id = ?", (after,)).fetchone()
    if row is None:
        raise DataError(f"item {after!r} is not in the replay buffer", hint="start again without `after`")
    return int(row[0])


def before_newest(
    connection: sqlite3.Connection,
    count: int,
    *,
    split: Split | None,
    signal: Signal | None,
    trained: bool | None,
) -> int:
    """Return the row behind which exactly the newest `count` matching items are; 0 if there are no more than that."""
    row = connection.execute(
        f"SELECT seq FROM items WHERE {_MATCHES} ORDER BY seq DESC LIMIT 1 OFFSET :count",  # noqa: S608 - a constant
        {"split": split, "signal": signal, "trained": trained, "count": count},
    ).fetchone()
    return 0 if row is None else int(row[0])


def page(
    connection: sqlite3.Connection,
    *,
    after_seq: int,
    size: int,
    split: Split | None,
    signal: Signal | None,
    trained: bool | None,
) -> Page:
    """Return the next `size` items behind a row that match every given filter."""
    rows = connection.execute(
        f"""SELECT seq, body FROM items JOIN contents USING (seq)
        WHERE seq > :after AND {_MATCHES} ORDER BY seq LIMIT :size""",  # noqa: S608 - a constant
        {"after": after_seq, "split": split, "signal": signal, "trained": trained, "size": size},
    ).fetchall()
    return Page(
        items=tuple(decode_body(body) for _, body in rows), last_seq=rows[-1][0] if rows else after_seq
    )


def new_items(
    connection: sqlite3.Connection,
    limit: int,
    *,
    newest_s: float,
    per_source: int | None,
    trusted: tuple[str, ...],
    review: Review = "none",
) -> tuple[Item, ...]:
    """Return untrained lessons in order of arrival, by `newest_s`, with at most `per_source` not trusted ones.

    The limit is of all sources together that are not `trusted`: each line of a log names its own source.
    """
    rows = connection.execute(
        f"""WITH sourced AS (
            SELECT seq, source IN (SELECT value FROM json_each(:trusted)) AS own
            FROM items WHERE stage = 0 AND {READY}),
        ranked AS (SELECT seq, own, row_number() OVER (PARTITION BY own ORDER BY seq) AS place FROM sourced)
        SELECT body FROM ranked JOIN contents USING (seq)
        WHERE own OR :per_source IS NULL OR place <= :per_source
        ORDER BY seq LIMIT :limit""",  # noqa: S608 - a constant
        _bounds(newest_s, per_source, trusted, review, limit),
    )
    return tuple(decode_body(body) for (body,) in rows)


def judges(
    connection: sqlite3.Connection,
    limit: int,
    *,
    newest_s: float,
    per_source: int | None,
    trusted: tuple[str, ...],
    review: Review = "none",
    keep: Keep | None = None,
) -> tuple[Item, ...]:
    """Return the newest `limit` held-out items that arrived by `newest_s`, oldest first; limits as in `new_items`.

    Only those that `keep` wants, which count for the limits alone.
    """
    rows = connection.execute(
        f"""SELECT seq, source IN (SELECT value FROM json_each(:trusted)), body FROM items JOIN contents USING (seq)
        WHERE split = 'heldout' AND {READY} ORDER BY seq DESC""",  # noqa: S608 - a constant
        {"newest": newest_s, "trusted": json.dumps(trusted), "review": review},
    )
    after = opening.opened_after(connection)
    found: list[Item] = []
    strangers = 0
    for seq, own, body in rows:
        if len(found) >= limit:
            break
        if not own and per_source is not None and strangers >= per_source:
            continue
        held = decode_body(body)
        if keep is None or keep(held, after is not None and seq > after):
            found.append(held)
            strangers += not own
    return tuple(reversed(found))


def _bounds(
    newest_s: float, per_source: int | None, trusted: tuple[str, ...], review: Review, limit: int
) -> dict[str, object]:
    return {
        "newest": newest_s,
        "per_source": per_source,
        "trusted": json.dumps(trusted),
        "review": review,
        "limit": limit,
    }


def forgotten(connection: sqlite3.Connection, ids: Collection[str]) -> frozenset[str]:
    """Return those of `ids` that have a tombstone."""
    rows = connection.execute(
        "SELECT id FROM tombstones WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
    )
    return frozenset(item_id for (item_id,) in rows)


def _answered(row: tuple[str, str, str, str, float, str, str, int]) -> Answered:
    prefix, exchange_id, answer, version, time_s, source, pair, withheld = row
    return Answered(
        prefix=prefix,
        exchange_id=exchange_id,
        answer=answer,
        version=version,
        time_s=time_s,
        source=source,
        pair=pair,
        withheld=bool(withheld),
    )
