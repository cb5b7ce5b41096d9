"""`laimark-sidecar why NAME`: what a version was made from, and why it was let through."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.opening import version_named, workshop
from laimark_sidecar.cli.output import emit, json_option, shortened, table

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.why import LessonNow, Why

SHOWN = 40


@click.command()
@click.argument("name", default="latest")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(0), help="How many lessons.")
@json_option
def command(name: str, limit: int, as_json: bool) -> None:
    """Show what the version NAME was made from: each lesson with its signal and weight, and the gate's reasons.

    Lessons that no version had learned before come first, then those that counted most. Their texts are the buffer's:
    one that was evicted or forgotten is shown by its id alone.
    """
    from laimark_sidecar.pipeline.why import why

    opened = workshop()
    found = why(opened, version_named(opened, name))
    rows = [_row(one) for one in found.lessons[:limit]]
    columns = ("lesson", "", "signal", "weight", "prompt", "learned to answer")
    emit(found, lambda: table(columns, rows), caption=_caption(found, shown=len(rows)), as_json=as_json)


def _caption(found: Why, *, shown: int) -> str:
    pools = Counter(one.pool for one in found.lessons)
    signals = Counter(one.signal or "unknown" for one in found.lessons)
    because = f" ({found.consolidation})" if found.consolidation else ""
    goes_on = f"goes on from {found.parent}" if found.parent else f"begins at the base{because}"
    lines = [
        f"{found.version}: {goes_on}, made by cycle {found.cycle}, adapter scale {found.scale:g}",
        *(f"  {'✓' if reason.passed else '✗'} {reason.text}" for reason in found.reasons),
        f"{len(found.lessons)} lessons ({pools['new']} new, {pools['user']} seen before): "
        + ", ".join(f"{count} {signal}" for signal, count in signals.most_common()),
    ]
    if shown < len(found.lessons):
        lines.append(f"the first {shown} (--limit {len(found.lessons)} shows all):")
    return "\n".join(lines)


def _row(one: LessonNow) -> tuple[object, ...]:
    texts = (
        (shortened(one.prompt, SHOWN), shortened(one.target, SHOWN))
        if one.whereabouts == "held"
        else ("", one.whereabouts)
    )
    return (one.id[:12], one.pool, one.signal, one.weight or "", *texts)
