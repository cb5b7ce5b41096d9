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
    from laimark_sidecar.pipeline.taint import tainted

    opened = workshop()
    versions = opened.registry.versions()
    refs = sorted(opened.registry.refs().items())
    dirty = tainted(opened)
    rows = [
        (
            version.name,
            "tainted" if version.name in dirty else "",
            ", ".join(opened.ref(ref) for ref, target in refs if target == version.name),
            iso(version.created_s),
            version.parent or "base",
            _figure(version.metrics.get("gain"), "+.3f"),
            _figure(version.metrics.get("kl"), ".3f"),
            version.base.name,
        )
        for version in versions
    ]
    columns = ("version", "", "served as", "created", "parent", "gain (nats/token)", "KL to base", "base")
    emit(
        versions,
        lambda: table(columns, rows) if rows else "no versions yet: the base answers",
        as_json=as_json,
    )


def _figure(value: float | None, form: str) -> str:
    # Not measured is not zero.
    return "-" if value is None else format(value, form)
