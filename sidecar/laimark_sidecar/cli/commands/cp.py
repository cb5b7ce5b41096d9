"""`laimark-sidecar cp SOURCE NAME`: one more name for a version."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop


@click.command()
@click.argument("source")
@click.argument("name")
def command(source: str, name: str) -> None:
    """Let a version (SOURCE as for `use`) answer to one more NAME: `cp latest work` serves it as me:work, which stays."""
    from laimark_sidecar.pipeline.naming import copy
    from laimark_sidecar.pipeline.presence import everyone

    opened = workshop()
    served, version = copy(opened, source, name)
    click.echo(f"{served} -> {version or 'base'}")
    if shared := everyone(opened, opened.runner()):
        click.echo(
            f'runner.mode is "single": every client gets {shared}, whatever name it asks for, so also under {served}',
            err=True,
        )
