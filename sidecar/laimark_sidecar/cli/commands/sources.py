"""`laimark-sidecar sources`: the logs of other programs that the sidecar learns from."""

from __future__ import annotations

import click

from laimark_sidecar.cli.confirming import confirm
from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option, table


@click.group()
def command() -> None:
    """Learn from the logs of other programs, beside what passes the gateway or the embedded runner."""


@command.command()
@click.argument("kind")
@click.argument("path", required=False, default="")
@click.option("--name", default="", help="What it is called here; its kind, if left out.")
@click.option("--history", is_flag=True, help="Also take in what was said before now.")
@click.option(
    "--trust", is_flag=True, help="No cap: it is only you who writes into this log (see replay.per_source)."
)
@click.option(
    "--user", default="", metavar="ID", help="Only what this person said, where several share one log."
)
def add(kind: str, path: str, name: str, history: bool, trust: bool, user: str) -> None:
    """Add the log of KIND at PATH, or where it usually is. The daemon reads it from then on.

    KIND is one that `sources kinds` lists.
    """
    from laimark_sidecar.pipeline.source_list import add as add_log

    opened = workshop()
    one = add_log(
        opened.home, kind, path, name=name, trusted=trust, history=history, user=user, clock=opened.clock
    )
    whose = f", of {one.user} alone" if one.user else ""
    click.echo(f"{one.name}: {one.path} is read from now on, by `laimark-sidecar run`{whose}")
    if not history:
        click.echo(
            f"what was said before now is left out; to take it in: laimark-sidecar sources import {one.name}"
        )


@command.command()
@json_option
def kinds(as_json: bool) -> None:
    """List the kinds of logs that can be added, and where each usually is."""
    from laimark_sidecar.pipeline.source_list import kinds as known
    from laimark_sidecar.pipeline.source_list import usually

    rows = [(kind, ", ".join(map(str, usually(kind)))) for kind in known()]
    payload = [{"kind": kind, "usually": places} for kind, places in rows]
    emit(payload, lambda: table(("kind", "usually at"), rows), as_json=as_json)


@command.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the logs that were added."""
    from laimark_sidecar.sources.added import read_added

    added = read_added(workshop().home.sources)
    rows = [
        (one.name, one.kind, one.path, one.user or "all", "yes" if one.trusted else "no") for one in added
    ]
    emit(list(added), lambda: table(("name", "kind", "path", "of", "trusted"), rows), as_json=as_json)


@command.command()
@json_option
def status(as_json: bool) -> None:
    """Show what was taken in of each log, and what stands in the way of those that cannot be read."""
    from laimark_sidecar.clock import iso
    from laimark_sidecar.pipeline.source_state import SourceState, states
    from laimark_sidecar.sources.added import read_added

    opened = workshop()
    held = states(opened)
    rows = []
    payload = []
    for one in read_added(opened.home.sources):
        state = held.get(one.name, SourceState())
        looked = iso(state.looked_s) if state.looked_s else "never"
        rows.append((one.name, state.records, state.skipped, state.faults, looked, state.error or "ok"))
        payload.append({"source": one, "state": state})
    emit(
        payload,
        lambda: table(("name", "taken in", "left out", "faults", "last news", "state"), rows),
        as_json=as_json,
    )


@command.command(name="import")
@click.argument("name")
@json_option
def import_(name: str, as_json: bool) -> None:
    """Take in the whole history of the log NAME now. Ctrl-C is safe: it goes on where it was."""
    from laimark_sidecar.cli.progress import progress
    from laimark_sidecar.pipeline.source_import import import_history

    with progress(f"importing {name}") as update:
        taken = import_history(workshop(), name, report=update)
    lines = [f"{taken.records} records taken in, {taken.skipped} left out, {taken.faults} could not be read"]
    if taken.too_long:
        lines.append(
            f"of those left out, {taken.too_long} are late answers of very long chats; what came earlier was taken in"
        )
    emit(taken, lambda: "\n".join(lines), as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(name: str, yes: bool) -> None:
    """Read the log NAME no more. What was taken in stays; `forget --source` takes it out."""
    from laimark_sidecar.pipeline.source_list import remove
    from laimark_sidecar.pipeline.source_state import drop
    from laimark_sidecar.sources.added import find, read_added

    opened = workshop()
    one = find(read_added(opened.home.sources), name)
    if not yes:
        confirm(f"Read {one.path} no more?", otherwise="nothing was changed: add --yes")
    remove(opened, name)
    drop(opened, name)
    click.echo(
        f"{name} is read no more; to forget what came from it: laimark-sidecar forget --source {one.name}"
    )
