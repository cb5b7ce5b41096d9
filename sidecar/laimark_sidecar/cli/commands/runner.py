"""`laimark-sidecar runner`: the llama-server that the sidecar keeps, where `runner.kind` is that."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option

NOT_RUNNING = 3
"""As `systemctl status` has it (LSB): the program is not running."""


@click.group()
def command() -> None:
    """Start, stop and look at the llama-server that the sidecar keeps (runner.kind = "llama-server")."""


@command.command()
def start() -> None:
    """Start it in the background, with the versions and names of the registry; it runs on until `stop`.

    llama-server records no conversations: `laimark-sidecar gateway`, in front of it, does.
    """
    from laimark_sidecar.pipeline.connect import runner_url
    from laimark_sidecar.pipeline.router import start_router

    opened = workshop()
    pid = start_router(opened)
    click.echo(f"llama-server (pid {pid}) serves at {runner_url(opened.config)}/v1")


@command.command()
def stop() -> None:
    """End it; answers in flight are cut, and one that hangs is killed."""
    from laimark_sidecar.pipeline.control import told
    from laimark_sidecar.pipeline.router import managed_server

    opened = workshop()
    ran = managed_server(opened).stop()
    click.echo("stopped" if ran else "it was not running")
    if told(opened.home) is not None:
        click.echo(
            "the daemon starts it again while it runs: stop `laimark-sidecar run` first to keep it down"
        )


@command.command()
@json_option
def status(as_json: bool) -> None:
    """Show whether it runs and answers, what it serves, and where its log is. Ends with 3 unless it answers."""
    from laimark_sidecar.pipeline.router import router_status

    found = router_status(workshop())
    emit(found, found.told, as_json=as_json)
    if not found.answers:
        raise click.exceptions.Exit(NOT_RUNNING)
