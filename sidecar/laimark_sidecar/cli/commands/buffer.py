"""`laimark-sidecar buffer`: what the sidecar has kept of the conversations, and how to take something out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, cast

import click

from laimark_sidecar.cli.commands.buffer_review import review
from laimark_sidecar.cli.confirming import confirm
from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option, shortened, table

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.readiness import Readiness
    from laimark_sidecar.replay.item import Split

SHOWN = 48
"""Characters of a text in a list: a whole row fits the width of a pipe."""


@click.group()
def command() -> None:
    """Look into the replay buffer; forget what should not be learned."""


@command.command()
@json_option
def stats(as_json: bool) -> None:
    """Count what is held, by split, signal, domain and source, and what waits in quarantine."""
    from laimark_sidecar.pipeline.readiness import readiness

    opened = workshop()
    with opened.store() as store:
        found, ready = store.stats(), readiness(opened, store)
        left_out = len(store.review.findings(limit=found.capacity))
    rows = [
        (kind, name, count)
        for kind, counts in (
            ("split", found.by_split),
            ("signal", found.by_signal),
            ("domain", found.by_domain),
            ("month", found.by_month),
            ("source", found.by_source),
        )
        for name, count in sorted(counts.items())
    ]
    caption = f"{found.items} of {found.capacity} items, {found.untrained} not trained on yet"
    if ready.quarantine_until:
        caption += f", {_waiting(ready)} in quarantine until {ready.quarantine_until}"
    if left_out:
        caption += f", {left_out} left out for what they hold (laimark-sidecar buffer review)"
    payload = asdict(found) | {
        "left_out": left_out,
        "quarantined": ready.quarantined,
        "quarantined_heldout": ready.quarantined_heldout,
        "quarantine_until": ready.quarantine_until,
    }
    emit(payload, lambda: table(("", "", "items"), rows), caption=caption, as_json=as_json)


@command.command(name="list")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1), help="How many, newest arrivals last."
)
@click.option("--split", type=click.Choice(["train", "heldout"]), help="Only this split.")
@click.option("--after", help="Go on behind the item with this id.")
@json_option
def list_(limit: int, split: str | None, after: str | None, as_json: bool) -> None:
    """List the newest items in order of arrival, or those behind --after."""
    from laimark_sidecar.clock import iso
    from laimark_sidecar.pipeline.buffer import find

    with workshop().store() as store:
        # The list shows the first digits of an id: those must do here too.
        behind = find(store, after).id if after else None
        wanted = cast("Split | None", split)
        if behind is None:  # what came last is what somebody looks for
            items = list(store.items(split=wanted, newest=limit))
        else:
            items = list(store.items(split=wanted, limit=limit, after=behind))
    rows = [
        (
            item.id[:12],
            iso(item.time_s),
            item.signal,
            item.split,
            shortened(item.messages[-1].content, SHOWN),
            shortened(item.target, SHOWN),
        )
        for item in items
    ]
    emit(items, lambda: table(("id", "time", "signal", "split", "prompt", "target"), rows), as_json=as_json)


@command.command()
@click.argument("item_id")
@json_option
def show(item_id: str, as_json: bool) -> None:
    """Show one item whole: prompt, target, who wrote what, where it came from."""
    from laimark_sidecar.pipeline.buffer import find

    with workshop().store() as store:
        item = find(store, item_id)
    lines = [
        f"{item.id}  {item.signal}  weight {item.weight:g}  {item.split}  {item.domain}  from {item.source}"
    ]
    lines += [f"--- {message.role}\n{message.content}" for message in item.messages]
    lines += [f"--- target\n{item.target}"]
    lines += [
        f"    [{span.start}:{span.end}] {span.provenance}{'' if span.learn else ', not learned'}"
        for span in item.spans
    ]
    if item.rejected:
        lines += [f"--- rejected\n{item.rejected}"]
    lines += [f"--- exchanges\n{' '.join(item.exchange_ids)}"]
    emit(item, lambda: "\n".join(lines), as_json=as_json)


@command.command()
@click.argument("item_ids", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(item_ids: tuple[str, ...], yes: bool) -> None:
    """Forget items for good; reading the log again does not bring them back."""
    from laimark_sidecar.pipeline.buffer import find, versions_that_saw

    opened = workshop()
    with opened.store() as store:
        items = [find(store, item_id) for item_id in item_ids]
        ids = {item.id for item in items}
        if not yes:
            confirm(
                f"Forget {_count(len(ids))}?", otherwise="nothing was forgotten: add --yes to forget for good"
            )
        removed = store.oblivion.remove(ids)
    click.echo(f"{_count(removed)} forgotten")
    tainted = versions_that_saw(opened, ids)
    if tainted:
        click.echo(f"these versions were trained on them: {', '.join(tainted)}")


command.add_command(review)


def _waiting(ready: Readiness) -> str:
    return f"{ready.quarantined} lessons and {ready.quarantined_heldout} held-out examples"


def _count(items: int) -> str:
    return "1 item" if items == 1 else f"{items} items"
