"""`laimark-sidecar validate NAME`: the gate once more, on what is held out today."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import version_named, workshop
from laimark_sidecar.cli.output import emit, json_option
from laimark_sidecar.cli.progress import progress


@click.command()
@click.argument("name", default="latest")
@json_option
def command(name: str, as_json: bool) -> None:
    """Judge the version NAME again, on the served artefact and on today's held-out examples."""
    from laimark_sidecar.errors import RejectedError
    from laimark_sidecar.pipeline.revalidate import revalidate

    opened = workshop()
    version = version_named(opened, name)
    with progress(f"validating {version.name}") as update:
        verdict = revalidate(opened, version, report=update)
    lines = [f"{version.name}: {'accepted' if verdict.accepted else 'rejected'}"]
    lines += [f"  {'✓' if reason.passed else '✗'} {reason.text}" for reason in verdict.reasons]
    emit(verdict, lambda: "\n".join(lines), as_json=as_json)
    if not verdict.accepted:
        raise RejectedError(
            f"{version.name} does not pass the gate today", hint="go back with: laimark-sidecar rollback"
        )
