"""`laimark-sidecar rollback`: one step back."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop


@click.command()
def command() -> None:
    """Go back to the version that was served before; again: one further back, down to the base."""
    from laimark_sidecar.pipeline.promote import rollback

    opened = workshop()
    answers = rollback(opened)
    click.echo(f"{opened.ref('latest')} -> {answers or 'base'}")
