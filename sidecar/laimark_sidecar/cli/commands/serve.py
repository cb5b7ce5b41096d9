"""`laimark-sidecar serve`: the embedded runner, in the foreground."""

from __future__ import annotations

import click

from laimark_sidecar.cli.opening import workshop


@click.command()
def command() -> None:
    """Serve the base and every accepted adapter by name, as an OpenAI-compatible server."""
    from laimark_sidecar.pipeline.serving import serve_settings
    from laimark_sidecar.runners.embedded.serve import serve

    settings = serve_settings(workshop())
    serve(settings, on_ready=lambda url: click.echo(f"serving at {url}/v1", err=True))
