"""`laimark-sidecar core`: by what it is told whether the base forgets."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option, table
from laimark_sidecar.cli.progress import progress

if TYPE_CHECKING:
    from rich.table import Table

    from laimark_sidecar.pipeline.core import Origin
    from laimark_sidecar.pipeline.core_build import Chosen

_TOLD: dict[Origin, str] = {
    "built": "built for this base",
    "beside": "the one that lies beside the training base",
    "demo": "the demo base's, lines of Python code: it says little of another base (laimark-sidecar core build)",
}


@click.group()
def command() -> None:
    """Build and show the core set: prompts that stand for what the base can do, and must not forget.

    A part is replayed in training with the frozen base's own answers; the rest judges every candidate.
    """


@command.command()
@click.option(
    "--own", default=200, show_default=True, type=click.IntRange(0), help="The most of your own questions."
)
@click.option("--dry-run", is_flag=True, help="Say what it would be made of; ask nobody, write nothing.")
@json_option
def build(own: int, dry_run: bool, as_json: bool) -> None:
    """Make the core set of this base from the prompts that are shipped, in eight languages, and your own questions.

    Of yours only those that taught nothing and judge nothing, without secrets. The base answers those that judge.
    """
    from laimark_sidecar.pipeline import core_build

    opened = workshop()
    prompts = core_build.choose(opened, most_own=own)
    found = core_build.counted(prompts)
    caption = _caption(found)
    if not dry_run:
        with progress("core set") as update:
            path = core_build.build(opened, prompts, report=update)
        caption += f"\nwritten to {path}; versions judged from now on are not comparable with earlier ones"
    emit(asdict(found), lambda: _by_kind(found), caption=caption, as_json=as_json)


@command.command()
@json_option
def show(as_json: bool) -> None:
    """Show which core set is in force, and what it is made of."""
    from laimark_sidecar.pipeline.core import core_digest, core_file, load_core
    from laimark_sidecar.pipeline.core_build import counted

    opened = workshop()
    path, origin = core_file(opened.base)
    found = counted(load_core(opened.base))
    digest = core_digest(opened.base)
    caption = f"{_TOLD[origin]}: {path} ({digest})\n{_caption(found)}"
    payload = asdict(found) | {"origin": origin, "path": str(path), "digest": digest}
    emit(payload, lambda: _by_kind(found), caption=caption, as_json=as_json)


def _caption(found: Chosen) -> str:
    return (
        f"{found.train + found.screen} prompts ({found.shipped} shipped, {found.own} of yours): "
        f"{found.train} to replay, {found.screen} to judge by"
    )


def _by_kind(found: Chosen) -> Table:
    rows = [
        (kind, name, count)
        for kind, counts in (("language", found.by_language), ("domain", found.by_domain))
        for name, count in counts.items()
    ]
    return table(("", "", "prompts"), rows)
