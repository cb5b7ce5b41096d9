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
    from laimark_sidecar.registry import reflog

    opened = workshop()
    entries = list(reversed(reflog.read(opened.registry.reflog_path).entries))
    rows = [
        (
            iso(entry.time_s),
            opened.ref(move.ref),
            move.before or "base",
            "removed" if move.after is None else move.after or "base",
            entry.reason,
            entry.who,
        )
        for entry in entries
        for move in entry.moves
    ]
    columns = ("time", "name", "from", "to", "why", "who")
    emit(entries, lambda: table(columns, rows) if rows else "nothing has been promoted yet", as_json=as_json)
