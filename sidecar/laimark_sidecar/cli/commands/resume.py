"""`laimark-sidecar resume`: the end of `pause`."""

from __future__ import annotations

import click

from laimark_sidecar.cli.output import emit, json_option
from laimark_sidecar.paths import home


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Learn and record again after `pause`; an interrupted cycle goes on from its checkpoint."""
    from laimark_sidecar.errors import StateError
    from laimark_sidecar.pipeline.control import paused, resume
    from laimark_sidecar.pipeline.workshop import require_initialised

    require_initialised(home())
    stopped = paused(home())
    said = "learning again" if stopped else "learning was not paused"
    try:
        resume(home())
    except StateError as error:
        raise StateError(f"{said}, but nothing is recorded: {error}", hint=error.hint) from error
    emit({"paused": False, "was_paused": stopped}, lambda: said, as_json=as_json)
