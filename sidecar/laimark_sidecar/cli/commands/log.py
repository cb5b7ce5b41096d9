"""`laimark-sidecar log`: what was served when, and why it changed."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option, table


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Show every move of the names, newest first."""
    from laimark_sidecar.clock import iso
    from laimark_sidecar.pipeline.following import LATEST, PREV

    opened = workshop()
    entries = opened.registry.history()
    there = {LATEST, PREV}
    rows: list[tuple[str, ...]] = []
    for entry in entries:
        rows[:0] = [
            (
                iso(entry.time_s),
                opened.ref(move.ref),
                move.before or "base" if move.ref in there else "-",
                "removed" if move.after is None else move.after or "base",
                entry.reason,
                entry.who,
            )
            for move in entry.moves
        ]
        there |= {move.ref for move in entry.moves}
        there -= {move.ref for move in entry.moves if move.after is None}
    columns = ("time", "name", "from", "to", "why", "who")
    emit(
        entries[::-1],
        lambda: table(columns, rows) if rows else "nothing has been promoted yet",
        as_json=as_json,
    )
