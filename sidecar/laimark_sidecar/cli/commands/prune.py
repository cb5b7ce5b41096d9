"""`laimark-sidecar prune`: what no version needs any more; a list first, deletion only when told."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option


@click.command()
@click.option("--yes", is_flag=True, help="Delete; without it only what would be deleted is listed.")
@json_option
def command(yes: bool, as_json: bool) -> None:
    """Delete what no version needs: objects, temporary files, what refused or removed versions were. Versions stay."""
    from laimark_sidecar.pipeline.pruning import prune_home

    done = prune_home(workshop(), dry_run=not yes)
    lines = [str(path) for path in done.paths]
    verb = "deleted" if yes else "would be deleted (add --yes)"
    payload = {
        "paths": lines,
        "size_bytes": done.size_bytes,
        "young": done.young,
        "dry_run": done.dry_run,
    }
    told = [*lines, f"{len(lines)} files, {done.size_bytes} bytes {verb}"]
    if done.young:
        told.append(
            f"{done.young} younger than an hour stay: the daemon or a training may be about to need them"
        )
    emit(payload, lambda: "\n".join(told), as_json=as_json)
