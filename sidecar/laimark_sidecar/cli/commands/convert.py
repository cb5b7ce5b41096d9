"""`laimark-sidecar convert`: a PEFT adapter becomes a GGUF that llama.cpp and Ollama can load."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("adapter", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--base", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Served GGUF."
)
@click.option("--scale", default=1.0, show_default=True, help="Factor on the adapter's effect.")
@click.option("--dtype", type=click.Choice(["f32", "f16", "q8_0"]), default="f32", show_default=True)
def command(adapter: Path, out: Path, base: Path, scale: float, dtype: str) -> None:
    """Convert the PEFT folder ADAPTER into the GGUF file OUT, driven by the header of the base that is served."""
    from laimark_sidecar.pipeline.convert import convert

    done = convert(adapter, base, out, scale=scale, dtype=dtype)
    click.echo(f"{out}: {done.tensors} tensors, rank {done.rank}, alpha {done.alpha:g}, {done.bytes} bytes")
