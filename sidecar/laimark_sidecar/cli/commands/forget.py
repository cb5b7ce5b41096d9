"""`laimark-sidecar forget`: what was said is gone for good, from the log, the lessons and, with `--rebuild`, the model."""

from __future__ import annotations

import re
import time
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.confirming import confirm
from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option, table
from laimark_sidecar.errors import DataError

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.doomed import Doomed
    from laimark_sidecar.pipeline.forget import Forgotten
    from laimark_sidecar.pipeline.workshop import Workshop

_SHOWN = 20
_PATIENCE_S = 30.0
_POLL_S = 0.2
_OWN = ("gateway", "embedded")
_MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"])


@click.command()
@click.argument("ids", nargs=-1)
@click.option("--text", metavar="TEXT", help="What holds this text, in any case.")
@click.option("--regex", is_flag=True, help="--text is a regular expression of Python.")
@click.option("--since", type=_MOMENT, help="What was said at this moment or later (local time).")
@click.option("--until", type=_MOMENT, help="What was said before this moment (local time).")
@click.option("--source", default="", help="What came from this source, for example gateway.")
@click.option("--client", default="", help="What this client asked.")
@click.option("--model", default="", help="What was asked of this model, by the name that was asked for.")
@click.option("--dry-run", is_flag=True, help="Only list what would be forgotten.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--rebuild",
    is_flag=True,
    help="Serve the last version that saw none of it at once, and learn the rest anew in the next cycle. Alone: of what was "
    "forgotten before.",
)
@click.option("--resume", is_flag=True, help="Carry on what was interrupted; nothing else.")
@json_option
def command(
    ids: tuple[str, ...],
    text: str | None,
    regex: bool,
    since: datetime | None,
    until: datetime | None,
    source: str,
    client: str,
    model: str,
    dry_run: bool,
    yes: bool,
    rebuild: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Forget exchanges, and all that was learned from them. IDS name exchanges, feedback or items; all options must hold.

    What is meant is listed first. Later turns of a conversation repeat the earlier ones and go with them, also those that
    are yet to come. Files of other programs are not touched, but what they hold of it is not taken in again. Versions that
    saw it are tainted: `rm` removes them, `prune` their files.
    """
    from laimark_sidecar.pipeline.doomed import Wish, doomed

    opened = workshop()
    if resume:
        _tell(_done(opened), as_json=as_json)
        return
    only_rebuild = rebuild and not (ids or text or since or until or source or client or model)
    if not only_rebuild:
        wish = Wish(
            ids=ids,
            text=None if text is None else _pattern(text, regex=regex),
            since_s=since.timestamp() if since else None,
            until_s=until.timestamp() if until else None,
            source=source,
            client=client,
            model=model,
        )
        with opened.store() as store:
            found = doomed(opened, store, wish)
        if as_json and (dry_run or found.empty):
            emit(found, str, as_json=True)
        else:
            _list(found, with_table=not as_json)
        if dry_run or found.empty:
            return
        if not yes:
            confirm(
                "Forget all this for good?",
                otherwise="nothing was forgotten: add --yes to forget for good",
            )
        _tell(_forgotten(opened, found), as_json=as_json)
    if rebuild:
        _rebuild(opened)


def _pattern(text: str, *, regex: bool) -> re.Pattern[str]:
    try:
        return re.compile(text if regex else re.escape(text), re.IGNORECASE)
    except re.error as error:
        raise DataError(f"--text is no regular expression: {error}") from error


def _list(found: Doomed, *, with_table: bool) -> None:
    """Show what is meant: the first exchanges on stdout, the sums on stderr."""
    from laimark_sidecar.clock import iso

    if found.empty:
        click.echo("nothing of that is here", err=True)
        return
    rows = [
        (
            one.id[:12],
            iso(one.time_s),
            one.source,
            one.client,
            one.model,
            one.words,
            "repeats one that goes" if one.continues else "",
        )
        for one in found.exchanges[:_SHOWN]
    ]
    if rows and with_table:
        emit(
            found,
            lambda: table(("exchange", "time", "source", "client", "model", "words", ""), rows),
            as_json=False,
        )
    more = len(found.exchanges) - len(rows)
    size_bytes = sum(one.size_bytes for one in found.exchanges)
    lines = [
        *([f"... and {more} more"] if more else []),
        f"{len(found.exchanges)} exchanges ({size_bytes} bytes), {len(found.feedback)} feedback, "
        f"{found.held} lessons held, {len(found.unreadable)} damaged lines",
    ]
    if found.versions:
        lines.append(f"versions that saw it, tainted from then on: {', '.join(found.versions)}")
    foreign = Counter(one.source for one in found.exchanges if one.source not in _OWN)
    lines += [
        f"{count} of these came from {source}: its own files still hold them, but they are not taken in again"
        for source, count in sorted(foreign.items())
    ]
    click.echo("\n".join(lines), err=True)


def _forgotten(opened: Workshop, found: Doomed) -> Forgotten:
    from laimark_sidecar.pipeline.forget import forget

    return _awaited(opened, forget(opened, found))


def _done(opened: Workshop) -> Forgotten:
    from laimark_sidecar.pipeline.forget import carry_on

    return _awaited(opened, carry_on(opened))


def _awaited(opened: Workshop, done: Forgotten) -> Forgotten:
    """Give the daemon a moment to stop a training that may be at work on what goes."""
    from dataclasses import replace

    from laimark_sidecar.pipeline.forget import pending

    end_s = time.monotonic() + _PATIENCE_S
    while not done.finished and time.monotonic() < end_s:
        time.sleep(_POLL_S)
        done = replace(done, finished=pending(opened.home) is None)
    return done


def _tell(done: Forgotten, *, as_json: bool) -> None:
    told = f"forgotten: {done.lines} lines of the journal ({done.size_bytes} bytes), {done.items} lessons"
    emit(done, lambda: told, as_json=as_json)
    if not done.finished:
        click.echo(
            "a cycle that is under way may still hold some of it: the daemon ends it as soon as it can "
            "(laimark-sidecar forget --resume)",
            err=True,
        )


def _rebuild(opened: Workshop) -> None:
    from laimark_sidecar.pipeline import control
    from laimark_sidecar.pipeline.rebuild import step_back

    stepped = step_back(opened)
    control.request_training(opened.home)
    click.echo(
        f"{opened.ref('latest')} is now {stepped.serves or 'the base'}, which saw none of it. {stepped.lessons} lessons that "
        "only tainted versions knew are learned again by the next cycle, through the gate as ever: the daemon begins it as "
        "soon as the runner is idle, or: laimark-sidecar train --now",
        err=True,
    )
