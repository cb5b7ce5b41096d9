"""`laimark-sidecar gateway`: the recording gateway, in the foreground; and its place at Ollama's own port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.paths import home

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.takeover import Done

_dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Stand in front of Ollama or llama-server and record what passes, untouched.

    Point your clients at it instead of the runner. It needs neither the daemon nor the runner to be there when it starts,
    and a fault in recording never breaks a chat.
    """
    if context.invoked_subcommand is not None:
        return
    from laimark_sidecar.config.address import is_loopback
    from laimark_sidecar.pipeline.connect import gateway_url
    from laimark_sidecar.pipeline.gateway import run_gateway, upstream_url
    from laimark_sidecar.pipeline.recording import why_not_recorded

    opened = workshop()
    config = opened.config

    def on_ready(url: str) -> None:
        why = why_not_recorded(opened.home, config, gateway_runs=True)
        lines = [
            f"gateway at {url}, in front of {upstream_url(config)}",
            f"recording: {f'off ({why})' if why else f'on, in {opened.home.journal}'}",
            f"clients of OpenAI:      OPENAI_BASE_URL={gateway_url(config)}/v1",
            f"clients of Anthropic:   ANTHROPIC_BASE_URL={gateway_url(config)}",
        ]
        if config.runner.kind == "ollama":
            lines.insert(2, f"clients of Ollama:      OLLAMA_HOST={gateway_url(config)}")
            if not opened.registry.refs().get("latest"):
                lines.append(
                    f"ask {config.base.name} for now; {opened.ref('latest')} is there with the first version"
                )
        if not is_loopback(config.gateway.host):
            lines.append(
                f"warning: {config.gateway.host} is open to the network: whoever reaches it may use your runner"
            )
        click.echo("\n".join(lines), err=True)

    run_gateway(opened, on_ready=on_ready)


@command.command()
@_dry_run
def takeover(dry_run: bool) -> None:
    """Move Ollama to port 11435 and give the gateway 11434, so that no client changes (Linux with systemd).

    Everything can be brought back with `gateway undo`, also after a crash in the middle.
    """
    from laimark_sidecar.pipeline.takeover import Ports, service_at, take_over
    from laimark_sidecar.pipeline.workshop import require_initialised

    require_initialised(home())
    ports = Ports()
    done = take_over(home(), service_at(ports), ports=ports, dry_run=dry_run)
    _tell(done, dry_run=dry_run, again="gateway takeover")
    if not done.by_root and not dry_run:
        click.echo(f"Ollama answers at {ports.moved_url}; start the gateway (anew): laimark-sidecar gateway")


@command.command()
@_dry_run
def undo(dry_run: bool) -> None:
    """Give Ollama its port back, as it was before `gateway takeover`. Stop the gateway first."""
    from laimark_sidecar.errors import StateError
    from laimark_sidecar.pipeline.connect import gateway_url
    from laimark_sidecar.pipeline.gateway import gateway_activity
    from laimark_sidecar.pipeline.takeover import Ports, service_at
    from laimark_sidecar.pipeline.takeover import undo as take_back

    config = workshop().config
    if config.gateway.port == Ports().taken and not dry_run and gateway_activity(config) is not None:
        raise StateError(
            f"the gateway still listens at {gateway_url(config)}, which Ollama needs", hint="stop it first"
        )
    _tell(take_back(home(), service_at(Ports()), dry_run=dry_run), dry_run=dry_run, again="gateway undo")


def _tell(done: Done, *, dry_run: bool, again: str) -> None:
    click.echo("\n".join(done.steps) or "nothing to undo")
    if done.by_root:
        lines = (f"    {line}" for line in (*done.by_root, f"laimark-sidecar {again}"))
        click.echo("not done: it needs root. Nothing was changed. Type:\n" + "\n".join(lines))
    elif dry_run:
        click.echo("(nothing was changed)")
