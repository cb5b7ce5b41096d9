"""`laimark-sidecar run`: the daemon, in the foreground."""

from __future__ import annotations

import logging

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.logs import action

log = logging.getLogger(__name__)


@click.command()
def command() -> None:
    """Tail the conversation log, learn while the runner is idle, promote what passes the gate. Ctrl-C stops it."""
    from laimark_sidecar.daemon.supervisor import Supervisor
    from laimark_sidecar.pipeline.gateway import gateway_activity
    from laimark_sidecar.pipeline.journal_source import journal_source
    from laimark_sidecar.pipeline.recording import why_not_recorded
    from laimark_sidecar.sources.added import read_added

    opened = workshop()
    log.info(
        "%s learns for %s, answered by %s; reading %s",
        opened.home.root,
        opened.base.identity.name,
        opened.config.runner.kind,
        ", ".join(["its journal", *(one.name for one in read_added(opened.home.sources))]),
        extra=action("daemon.begin"),
    )
    running = gateway_activity(opened.config) is not None
    if why := why_not_recorded(opened.home, opened.config, gateway_runs=running):
        log.warning("no new lessons: %s", why, extra=action("daemon.unrecorded"))
    Supervisor(opened, (journal_source(opened),)).run()
