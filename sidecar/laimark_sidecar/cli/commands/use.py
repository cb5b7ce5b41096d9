"""`laimark-sidecar use NAME`: serve exactly this version."""

from __future__ import annotations

import click

from laimark_sidecar.cli.confirming import confirm_tainted
from laimark_sidecar.cli.opening import workshop


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask, though it has learned from what was forgotten.")
def command(name: str, yes: bool) -> None:
    """Serve a version by NAME (`me:2026-11-22-3f9a`, a prefix of it, `prev`, or `base`) under the stable name."""
    from laimark_sidecar.pipeline.promote import use

    opened = workshop()
    if name != "base" and not yes:
        confirm_tainted(opened, opened.registry.resolve_name(name))
    answers = use(opened, name)
    click.echo(f"{opened.ref('latest')} -> {answers or 'base'}")
