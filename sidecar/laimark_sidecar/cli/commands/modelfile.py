"""`laimark-sidecar modelfile NAME`: what to give to `ollama create`."""

from __future__ import annotations

from pathlib import Path

import click

from laimark_sidecar.cli.opening import version_named, workshop


@click.command()
@click.argument("name", default="latest")
@click.option("--base", default="", help="What Ollama calls the base, where the runner is another one.")
@click.option(
    "--merged",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that `merge` wrote of this version, for an Ollama that takes no adapters (0.34.1 and later). The base's "
    "settings are then asked of Ollama: it must be running, and where the runner is another one --base says which.",
)
def command(name: str, base: str, merged: Path | None) -> None:
    """Write a Modelfile for version NAME to stdout: `modelfile 3f9a > Modelfile; ollama create me:3f9a -f Modelfile`.

    Without NAME it is for the version that `latest` serves.

    Only for doing by hand what the sidecar does itself where runner.kind is "ollama".
    """
    from laimark_sidecar.pipeline.modelfile import modelfile

    opened = workshop()
    click.echo(modelfile(opened, version_named(opened, name), base=base, merged=merged), nl=False)
