"""`laimark-sidecar pause`: no training and no recording until `resume`."""

from __future__ import annotations

import click

from laimark_sidecar.paths import home


@click.command()
def command() -> None:
    """Stop learning and recording until `resume`, also across restarts; a running training gives way with a checkpoint."""
    from laimark_sidecar.errors import StateError
    from laimark_sidecar.pipeline.control import pause
    from laimark_sidecar.pipeline.workshop import require_initialised

    require_initialised(home())
    try:
        pause(home())
    except StateError as error:
        click.echo(
            f"paused: nothing is trained until `laimark-sidecar resume`; nothing is recorded, for {error}"
        )
        click.echo(f"after `resume`: {error.hint}")
    else:
        click.echo("paused: nothing is trained or recorded until `laimark-sidecar resume`")
