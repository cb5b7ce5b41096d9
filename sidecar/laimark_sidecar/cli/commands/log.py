"""`laimark-sidecar log`: what was served when, and why it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option, table

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.workshop import Workshop


@click.command()
@click.option("--cycles", "of_cycles", is_flag=True, help="Show how every cycle ended, and why, instead.")
@json_option
def command(of_cycles: bool, as_json: bool) -> None:
    """Show every move of the names, every look into the vault and every deep check, newest first; with --cycles every decision about a candidate, refused ones too."""
    from laimark_sidecar.clock import iso
    from laimark_sidecar.pipeline.following import LATEST, PREV

    opened = workshop()
    if of_cycles:
        _cycles(opened, as_json=as_json)
        return
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
        ] or [(iso(entry.time_s), "-", "", "", entry.reason, entry.who)]
        there |= {move.ref for move in entry.moves}
        there -= {move.ref for move in entry.moves if move.after is None}
    columns = ("time", "name", "from", "to", "why", "who")
    emit(
        entries[::-1],
        lambda: table(columns, rows) if rows else "nothing has been promoted yet",
        as_json=as_json,
    )


def _cycles(opened: Workshop, *, as_json: bool) -> None:
    from laimark_sidecar.clock import iso
    from laimark_sidecar.pipeline.folder import cycles

    ended = [(cycle, closed) for cycle in cycles(opened.home.cycles) if (closed := cycle.closed())]
    begun = {cycle.id: plan.consolidation for cycle, _ in ended if (plan := cycle.plan())}
    rows = [
        (
            iso(closed.closed_s),
            cycle.id,
            closed.ending,
            closed.version,
            closed.reason,
            begun.get(cycle.id, ""),
        )
        for cycle, closed in reversed(ended)
    ]
    payload = [
        {"cycle": cycle.id, "closed": closed, "consolidation": begun.get(cycle.id, "")}
        for cycle, closed in reversed(ended)
    ]
    emit(
        payload,
        lambda: (
            table(("time", "cycle", "ended", "version", "why", "begun at the base because"), rows)
            if rows
            else "no cycle has ended yet"
        ),
        as_json=as_json,
    )
