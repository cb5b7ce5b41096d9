"""`laimark-sidecar gateway`: the recording gateway, in the foreground; and its place at Ollama's own port."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Stand in front of Ollama or llama-server and record what passes, untouched.

    Point your clients at it instead of the runner. It needs neither the daemon nor the runner to be there when it starts,
    and a fault in recording never breaks a chat.
    """
    if context.invoked_subcommand is not None:
        return
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
            f"clients of Ollama:      OLLAMA_HOST={gateway_url(config)}",
            f"clients of OpenAI:      OPENAI_BASE_URL={gateway_url(config)}/v1",
            f"clients of Anthropic:   ANTHROPIC_BASE_URL={gateway_url(config)}",
        ]
        click.echo("\n".join(lines), err=True)

    run_gateway(opened, on_ready=on_ready)
