"""`laimark-sidecar promote`: the user's yes to a candidate that passed the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.confirming import confirm_tainted
from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.errors import StateError

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.workshop import Workshop
    from laimark_sidecar.registry.version import Version


@click.command()
@click.argument("name", required=False)
@click.option("--yes", is_flag=True, help="Do not ask, though it has learned from what was forgotten.")
def command(name: str | None, yes: bool) -> None:
    """Serve the version NAME under the stable name; without NAME, the newest accepted one that was not served yet."""
    from laimark_sidecar.pipeline.promote import promote

    opened = workshop()
    version = opened.registry.resolve(name) if name else _newest(opened)
    already = opened.registry.refs().get("latest") == version.name
    if not yes:
        confirm_tainted(opened, version.name)
    promote(opened, version)
    click.echo(f"{opened.ref('latest')} {'is already' if already else '->'} {version.name}")


def _newest(opened: Workshop) -> Version:
    from laimark_sidecar.pipeline.following import servable
    from laimark_sidecar.pipeline.waiting import waiting

    version = waiting(opened)
    if version:
        return version
    candidates = servable(opened)
    if not candidates:
        raise StateError("no version has passed the gate yet", hint="see: laimark-sidecar status")
    newest = candidates[0]
    if opened.registry.refs().get("latest") != newest.name:
        raise StateError(
            f"no new version waits: {newest.name} was served before",
            hint=f"serve it again with: laimark-sidecar promote {newest.name}",
        )
    return newest
