"""`laimark-sidecar rm NAME`: take a name, or a version, away."""

from __future__ import annotations

import click

from laimark_sidecar.cli.confirming import confirm
from laimark_sidecar.cli.opening import workshop


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Remove a version for good, without being asked.")
def command(name: str, yes: bool) -> None:
    """Remove a NAME that `cp` made, or a version that nothing needs; the files of a version go with `prune`.

    A name can be made again with `cp`; a version cannot, so it is asked about first. me:prev is no need: it steps back.
    """
    from laimark_sidecar.pipeline.naming import removal, remove

    opened = workshop()
    found = removal(opened, name)
    if found.version and not yes:
        confirm(
            f"Remove version {found.name} for good?",
            otherwise=f"{found.name} was kept: add --yes to remove it for good",
        )
    remove(opened, found)
    click.echo(f"removed {found.name}")
    if found.version:
        click.echo("its files go with: laimark-sidecar prune --yes", err=True)
