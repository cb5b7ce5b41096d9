"""`laimark-sidecar prune`: what no version needs any more; a list first, deletion only when told."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option


@click.command()
@click.option("--yes", is_flag=True, help="Delete; without it only what would be deleted is listed.")
@json_option
def command(yes: bool, as_json: bool) -> None:
    """Delete objects and temporary files that no version needs. Versions themselves stay."""
    from laimark_sidecar.registry.prune import prune

    opened = workshop()
    done = prune(opened.registry, dry_run=not yes)
    lines = [str(path) for path in done.paths]
    verb = "deleted" if yes else "would be deleted (add --yes)"
    payload = {"paths": lines, "size_bytes": done.size_bytes, "dry_run": done.dry_run}
    emit(
        payload,
        lambda: "\n".join([*lines, f"{len(lines)} files, {done.size_bytes} bytes {verb}"]),
        as_json=as_json,
    )
