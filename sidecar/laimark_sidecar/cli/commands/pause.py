"""`laimark-sidecar pause`: no training and no recording until `resume`."""

from __future__ import annotations

import click

from laimark_sidecar.paths import home


@click.command()
def command() -> None:
    """Stop learning and recording until `resume`, also across restarts; a running training gives way with a checkpoint."""
    from laimark_sidecar.pipeline.control import pause
    from laimark_sidecar.pipeline.workshop import require_initialised

    require_initialised(home())
    pause(home())
    click.echo("paused: nothing is trained or recorded until `laimark-sidecar resume`")
