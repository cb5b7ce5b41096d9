"""`laimark-sidecar list`: every version of the adapter."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option, table


@click.command()
@json_option
def command(as_json: bool) -> None:
    """List the versions, newest first, with what they gained and which names point at them."""
    from laimark_sidecar.clock import iso

    opened = workshop()
    versions = opened.registry.versions()
    names = {version: f"{opened.ref(ref)}" for ref, version in sorted(opened.registry.refs().items())}
    rows = [
        (
            version.name,
            names.get(version.name, ""),
            iso(version.created_s),
            version.parent or "base",
            f"{version.metrics.get('gain', 0):+.3f}",
            f"{version.metrics.get('kl', 0):.3f}",
            version.base.name,
        )
        for version in versions
    ]
    columns = ("version", "served as", "created", "parent", "gain (nats/token)", "KL to base", "base")
    emit(
        versions,
        lambda: table(columns, rows) if rows else "no versions yet: the base answers",
        as_json=as_json,
    )
