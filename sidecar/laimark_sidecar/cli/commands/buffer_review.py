"""`laimark-sidecar buffer review`: decide what is learned before it is, and about what was left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from laimark_sidecar.cli.opening import workshop
from laimark_sidecar.cli.output import emit, json_option
from laimark_sidecar.errors import DataError

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.review import Case, Excerpt
    from laimark_sidecar.pipeline.workshop import Workshop
    from laimark_sidecar.replay.store import ReplayStore

SHOWN = 600
"""Characters of a text: the end of a prompt says what was asked."""
ACTIONS = {"a": "accept", "r": "reject", "d": "redact", "e": "edit", "s": "skip", "q": "quit"}
_QUESTION = ", ".join(f"{key} = {action}" for key, action in ACTIONS.items())


@click.group(invoke_without_command=True)
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1), help="How many, the newest first."
)
@json_option
@click.pass_context
def review(context: click.Context, limit: int, as_json: bool) -> None:
    """Go through what waits and what was left out for a secret or personal data, and decide.

    Without a command it asks about one after the other. `accept` lets an example be learned at once, `reject` forgets it for
    good, `redact` takes out what was found. What was found is never shown, but for the name of its rule.
    """
    if context.invoked_subcommand is not None:
        return
    from laimark_sidecar.pipeline.review import excerpt, queue

    opened = workshop()
    with opened.store() as store:
        cases = queue(opened, store, limit=limit)
        if as_json:
            rows = [_row(case, excerpt(opened, store, case)) for case in cases]
            emit(rows, lambda: "", as_json=True)
            return
        if not cases:
            click.echo("nothing waits")
            return
        _ask_about(opened, store, cases)


@review.command()
@click.argument("item_ids", nargs=-1, required=True)
@click.option(
    "--false-alarm", is_flag=True, help="What was found in them is nothing; remembered by their content."
)
def accept(item_ids: tuple[str, ...], false_alarm: bool) -> None:
    """Let examples be learned at once, without waiting."""
    from laimark_sidecar.pipeline import review as use_case

    opened = workshop()
    with opened.store() as store:
        cases = [use_case.case_named(opened, store, item_id) for item_id in item_ids]
        for case in cases:
            use_case.accept(store, case, false_alarm=false_alarm)
            click.echo(f"{case.id[:12]} accepted")


@review.command()
@click.argument("item_ids", nargs=-1, required=True)
def reject(item_ids: tuple[str, ...]) -> None:
    """Forget examples for good; reading the log again does not bring them back."""
    from laimark_sidecar.pipeline import review as use_case

    opened = workshop()
    with opened.store() as store:
        cases = [use_case.case_named(opened, store, item_id) for item_id in item_ids]
        for case in cases:
            use_case.reject(store, case)
            click.echo(f"{case.id[:12]} forgotten")
    _name_tainted(opened, cases)


@review.command()
@click.argument("item_ids", nargs=-1, required=True)
@click.option("--target", help="Learn this text instead; for one example.")
def redact(item_ids: tuple[str, ...], target: str | None) -> None:
    """Take what was found out of examples, and let what is left be learned."""
    from laimark_sidecar.pipeline import review as use_case

    if target is not None and len(item_ids) > 1:
        raise click.UsageError("--target is the text of one example: name one")
    opened = workshop()
    with opened.store() as store:
        cases = [use_case.case_named(opened, store, item_id) for item_id in item_ids]
        for case in cases:
            new = use_case.redact(opened, store, case, target=target)
            click.echo(f"{case.id[:12]} forgotten, {new.id[:12]} accepted in its place")
    _name_tainted(opened, cases)


def _name_tainted(opened: Workshop, cases: Iterable[Case]) -> None:
    from laimark_sidecar.pipeline.buffer import versions_that_saw

    tainted = versions_that_saw(opened, {case.id for case in cases})
    if tainted:
        click.echo(f"these versions were trained on them: {', '.join(tainted)}")


def _ask_about(opened: Workshop, store: ReplayStore, cases: tuple[Case, ...]) -> None:
    from laimark_sidecar.pipeline.review import excerpt

    for number, case in enumerate(cases, start=1):
        click.echo(_described(case, excerpt(opened, store, case), f"{number} of {len(cases)}"))
        while True:
            action = ACTIONS[_choice()]
            if action == "quit":
                return
            try:
                click.echo(_do(opened, store, case, action))
            except DataError as error:  # said, and asked again: the next may be possible
                click.echo(f"{error}; {error.hint}", err=True)
                continue
            break


def _choice() -> str:
    try:
        answer: str = click.prompt(
            _QUESTION, type=click.Choice(list(ACTIONS)), default="s", show_choices=False, err=True
        )
    except click.Abort:  # nobody to answer, or Ctrl-C: what was decided so far stays
        click.echo(err=True)
        return "q"
    return answer


def _do(opened: Workshop, store: ReplayStore, case: Case, action: str) -> str:
    from laimark_sidecar.pipeline import review as use_case

    match action:
        case "accept":
            sure = case.kind == "finding" and click.confirm(
                f"{case.why}. Is that nothing?", default=False, err=True
            )
            use_case.accept(store, case, false_alarm=sure)
            return "accepted"
        case "reject":
            use_case.reject(store, case)
            return "forgotten"
        case "redact":
            return f"{use_case.redact(opened, store, case).id[:12]} accepted in its place"
        case "edit":
            return _edited(opened, store, case)
        case _:
            return "skipped"


def _edited(opened: Workshop, store: ReplayStore, case: Case) -> str:
    from laimark_sidecar.pipeline import review as use_case

    text = click.edit(case.item.target if case.item else "")
    if text is None:
        return "not changed"
    return f"{use_case.redact(opened, store, case, target=text.rstrip()).id[:12]} accepted in its place"


def _row(case: Case, shown: Excerpt) -> dict[str, object]:
    return {
        "id": case.id,
        "kind": case.kind,
        "why": case.why,
        "time_s": case.time_s,
        "signal": case.signal,
        "source": case.source,
        "client": shown.client,
        "rules": case.rules,
        "places": case.places,
        "prompt": shown.prompt,
        "target": shown.target,
        "hint": shown.hint,
    }


def _described(case: Case, shown: Excerpt, number: str) -> str:
    from laimark_sidecar.clock import iso

    by = f" by {shown.client}" if shown.client else ""
    lines = [
        f"{number}: {case.id[:12]}  {case.signal} from {case.source}{by}, {iso(case.time_s)}",
        f"  {case.why}",
    ]
    for title, text in (("prompt", shown.prompt), ("target", shown.target), ("hint", shown.hint)):
        if text:
            lines += [f"--- {title}", text if len(text) <= SHOWN else f"…{text[-SHOWN:]}"]
    return "\n".join(lines)
