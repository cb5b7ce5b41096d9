"""`laimark-sidecar merge NAME OUT`: base and adapter as one GGUF, for programs that take no adapters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from laimark_sidecar.cli.opening import version_named, workshop
from laimark_sidecar.cli.output import emit, json_option
from laimark_sidecar.cli.progress import progress
from laimark_sidecar.cli.target import check_file, force_option

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.merging import MergedType
    from laimark_sidecar.pipeline.workshop import Workshop

MOST_LOST = 0.2
"""Of the update, without a warning."""


@click.command()
@click.argument("name")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--type",
    "touched",
    type=click.Choice(["f16", "bf16", "f32", "q8_0"]),
    default="f16",
    show_default=True,
    help="Of the tensors that the adapter changes; a quantised one loses what is smaller than half of its step. What was lost is told.",
)
@force_option
@json_option
def command(name: str, out: Path, touched: str, force: bool, as_json: bool) -> None:
    """Write version NAME (as for `use`) merged into its base to the file OUT.

    NAME may also be the path of an adapter from elsewhere: a GGUF, or a PEFT folder (LoRA, DoRA or IA3).
    """
    from laimark_sidecar.pipeline.merging import merge_to

    opened = workshop()
    check_file(out, force=force)
    what, adapter = _adapter(opened, name)
    kind = cast("MergedType", touched)
    with progress(f"merging {what}") as update:
        update("reading the base", 0.0)
        done = merge_to(
            opened.base.gguf, adapter, out, touched=kind, progress=lambda share: update("writing", share)
        )
    # More than all of it: the rounding is then larger than what was learned.
    lost = min(done.of_update, 1.0)
    if lost > MOST_LOST and touched != "f32":
        finer = "f32" if touched == "f16" else "f16"
        click.echo(
            f"warning: {lost:.0%} of what {what} learned was lost to rounding; --type {finer} keeps more",
            err=True,
        )
    emit(
        done,
        lambda: (
            f"{out}: {what} merged into {opened.base.identity.name}, {done.bytes} bytes, "
            f"{len(done.residuals)} tensors as {touched}, sha256 {done.sha256[:16]}\n"
            f"{lost:.1%} of the update was lost to rounding"
        ),
        as_json=as_json,
    )


def _adapter(opened: Workshop, name: str) -> tuple[str, Path]:
    from laimark_sidecar.pipeline.base import require_same

    path = Path(name)
    if path.exists():
        return path.name, path
    version = version_named(opened, name)
    require_same(version.base, opened.base.identity, where=version.name)
    return version.name, opened.registry.objects.path(version.objects["adapter.gguf"])
