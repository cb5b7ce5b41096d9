"""`laimark-sidecar promote`: the user's yes to a candidate that passed the gate."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop


@click.command()
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """Serve the version NAME under the stable name; without NAME, the newest accepted one."""
    from laimark_sidecar.errors import StateError
    from laimark_sidecar.pipeline.following import servable
    from laimark_sidecar.pipeline.promote import promote

    opened = workshop()
    candidates = servable(opened)
    if name is None and not candidates:
        raise StateError("no version has passed the gate yet", hint="see: laimark-sidecar status")
    version = opened.registry.resolve(name) if name else candidates[0]
    promote(opened, version)
    click.echo(f"{opened.ref('latest')} -> {version.name}")
