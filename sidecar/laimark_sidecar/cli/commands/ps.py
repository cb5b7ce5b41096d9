"""`laimark-sidecar ps`: what the runner serves at this moment, by its own account."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option, table


@click.command()
@json_option
def command(as_json: bool) -> None:
    """List every name that the runner answers to, with what answers; or the one that every client gets."""
    from laimark_sidecar.pipeline.presence import presence

    found = presence(workshop())
    columns = ("name", "answered by", "base")
    rows = [(name, version or "base", found.base) for name, version in found.names.items()]
    emit(
        found,
        lambda: found.shared or table(columns, rows),
        caption=f"{found.runner}: {found.state}",
        as_json=as_json,
    )
