"""`laimark-sidecar run`: the daemon, in the foreground."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop


@click.command()
def command() -> None:
    """Tail the conversation log, learn while the runner is idle, promote what passes the gate. Ctrl-C stops it."""
    from laimark_sidecar.daemon.supervisor import Supervisor
    from laimark_sidecar.pipeline.journal_source import journal_source

    opened = workshop()
    Supervisor(opened, (journal_source(opened),)).run()
