"""`laimark-sidecar pause`: no training and no recording until `resume`."""

from __future__ import annotations

import click

from laimark_sidecar.cli.output import emit, json_option
from laimark_sidecar.paths import home


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Stop learning and recording until `resume`, also across restarts; a running training gives way with a checkpoint."""
    from laimark_sidecar.errors import StateError
    from laimark_sidecar.pipeline.control import pause
    from laimark_sidecar.pipeline.workshop import require_initialised

    require_initialised(home())
    said = "paused: nothing is trained or recorded until `laimark-sidecar resume`"
    try:
        pause(home())
    except StateError as error:
        said = (
            f"paused: nothing is trained until `laimark-sidecar resume`; nothing is recorded, for {error}\n"
            f"after `resume`: {error.hint}"
        )
    emit({"paused": True}, lambda: said, as_json=as_json)
