"""`laimark-sidecar use NAME`: serve exactly this version."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop


@click.command()
@click.argument("name")
def command(name: str) -> None:
    """Serve a version by NAME (`me:2026-11-22-3f9a`, a prefix of it, `prev`, or `base`) under the stable name."""
    from laimark_sidecar.pipeline.promote import use

    opened = workshop()
    answers = use(opened, name)
    click.echo(f"{opened.ref('latest')} -> {answers or 'base'}")
