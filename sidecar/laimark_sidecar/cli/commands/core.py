"""`laimark-sidecar core`: by what it is told whether the base forgets."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.opening import alone, workshop
from laimark_sidecar.cli.output import emit, json_option, table
from laimark_sidecar.cli.progress import progress

if TYPE_CHECKING:
    from rich.table import Table

    from laimark_sidecar.pipeline.core import CoreSet, Origin
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
@click.option(
    "--answers",
    is_flag=True,
    help="Let the trainer ask the base now for what is replayed, too, and not in the next cycle. Not while the daemon runs.",
)
@click.option("--dry-run", is_flag=True, help="Say what it would be made of; ask nobody, write nothing.")
@json_option
def build(own: int, answers: bool, dry_run: bool, as_json: bool) -> None:
    """Make the core set of this base from the prompts that are shipped, in eight languages, and your own questions.

    Of yours only those that taught nothing and judge nothing, without secrets, near copies once. What judges and has no
    answer yet is asked of the frozen base.
    """
    from laimark_sidecar.pipeline import core_build
    from laimark_sidecar.pipeline.core import load_core
    from laimark_sidecar.pipeline.core_caching import cache_answers

    with ExitStack() as stack:
        if answers and not dry_run:
            stack.enter_context(alone("core build --answers"))
        opened = workshop()
        prompts = core_build.choose(opened, most_own=own)
        found = core_build.counted(prompts)
        lines = []
        if not dry_run:
            with progress("core set") as update:
                path = core_build.build(opened, prompts, report=update, should_stop=lambda: False)
                cached = cache_answers(opened, report=update, should_stop=lambda: False) if answers else 0
            found = core_build.counted(load_core(opened.base).tasks)
            lines = [
                f"written to {path}; versions judged from now on are not comparable with earlier ones",
                f"{cached} answers of the base are cached"
                if answers
                else "the next cycle asks the base for the rest",
            ]
    emit(
        asdict(found), lambda: _by_kind(found), caption="\n".join([_caption(found), *lines]), as_json=as_json
    )


@command.command()
@json_option
def show(as_json: bool) -> None:
    """Show which core set is in force, how old it is, and what it is made of."""
    from laimark_sidecar.clock import iso
    from laimark_sidecar.pipeline.core import core_file, load_core
    from laimark_sidecar.pipeline.core_build import counted

    opened = workshop()
    path, origin = core_file(opened.base)
    held = load_core(opened.base)
    found = counted(held.tasks)
    age_s = None if held.made_s is None else max(0.0, opened.clock.now_s() - held.made_s)
    caption = f"{_TOLD[origin]}{_aged(held, age_s)}: {path} ({held.digest})\n{_caption(found)}"
    payload = asdict(found) | {
        "origin": origin,
        "path": str(path),
        "digest": held.digest,
        "made": None if held.made_s is None else iso(held.made_s),
        "age_s": age_s,
    }
    emit(payload, lambda: _by_kind(found), caption=caption, as_json=as_json)


def _aged(held: CoreSet, age_s: float | None) -> str:
    from laimark_sidecar.clock import day

    if held.made_s is None or age_s is None:
        return ""
    return f" on {day(held.made_s)}, {age_s / 86_400:.0f} days ago"


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
