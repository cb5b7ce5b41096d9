"""`laimark-sidecar convert`: a PEFT adapter becomes a GGUF that llama.cpp and Ollama can load, or comes back from one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from laimark_sidecar.cli.target import check_file, check_folder_of, force_option

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.convert import Dtype


@click.command()
@click.argument("adapter", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--base", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Served GGUF."
)
@click.option("--scale", default=1.0, show_default=True, help="Factor on the adapter's effect.")
@click.option(
    "--dtype",
    type=click.Choice(["f32", "f16", "bf16", "q8_0"]),
    default="f32",
    show_default=True,
    help="Of the numbers in the GGUF.",
)
@click.option(
    "--extract-rank",
    type=click.IntRange(min=1),
    help="For a DoRA or IA3: write the closest LoRA of this rank, and say what it leaves out.",
)
@force_option
def command(
    adapter: Path,
    out: Path,
    base: Path,
    scale: float,
    dtype: str,
    extract_rank: int | None,
    force: bool,
) -> None:
    """Convert the PEFT folder ADAPTER into the GGUF file OUT, driven by the header of the base that is served.

    A GGUF file as ADAPTER goes the other way: OUT becomes the folder that PEFT loads, and must not exist. Where OUT ends in
    .gguf too, it becomes the same adapter, checked and written anew: for files from elsewhere.
    """
    from laimark_sidecar.pipeline.convert import adopt, convert, extract, to_peft

    kind = cast("Dtype", dtype)
    if adapter.is_file():
        if extract_rank or scale != 1.0 or dtype != "f32":
            raise click.UsageError("--scale, --dtype and --extract-rank are for a PEFT folder")
        if out.suffix == ".gguf":
            check_file(out, force=force)
            done = adopt(adapter, base, out)
            click.echo(_told(out, done.tensors, done.rank, done.alpha, done.bytes))
            return
        if force:
            raise click.UsageError("--force does not replace a folder")
        check_folder_of(out)
        folder = to_peft(adapter, base, out)
        click.echo(f"{out}: {folder.modules} modules, rank {folder.rank}")
        return
    check_file(out, force=force)
    if extract_rank:
        found = extract(adapter, base, out, rank=extract_rank, scale=scale, dtype=kind)
        click.echo(f"{out}: {found.tensors} tensors, rank {found.rank}, {found.residual:.1%} left out")
    else:
        done = convert(adapter, base, out, scale=scale, dtype=kind)
        click.echo(_told(out, done.tensors, done.rank, done.alpha, done.bytes))


def _told(out: Path, tensors: int, rank: int, alpha: float, size_bytes: int) -> str:
    return f"{out}: {tensors} tensors, rank {rank}, alpha {alpha:g}, {size_bytes} bytes"
