"""From an exchange to learning examples: what the user corrected, edited, kept or accepted, and nothing else.

The whole history is looked at every time, the newest `MAX_LESSONS` of what it teaches are taken. Ids are content
hashes, so an example that is found again is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from laimark_sidecar.experience.background import is_background
from laimark_sidecar.experience.candidate import Candidate, Dropped, admitted
from laimark_sidecar.experience.history import Step, steps
from laimark_sidecar.experience.relabelling import origin, reads_alone
from laimark_sidecar.experience.spans import edited, provenance, whole
from laimark_sidecar.experience.thinking import strip_thinking
from laimark_sidecar.experience.tree import Answers, chain, last_of, prefix
from laimark_sidecar.experience.twins import AT_THE_RUNNER, pair_of, superseded_by, twin_of
from laimark_sidecar.journal.exchange import Exchange, Feedback, Message
from laimark_sidecar.replay.answered import Answered
from laimark_sidecar.replay.item import Item, Signal

MAX_LESSONS = 64
"""Most lessons of one request: each holds the whole prompt before it, so all of a long history is quadratic in it.
What is further back was looked at when it was new, in a request of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What one record of the log teaches."""

    items: tuple[Item, ...] = ()
    answered: Answered | None = None
    """To be remembered, so that later turns find it. Its answer is empty if it is not fit to be learned."""
    dropped: tuple[Dropped, ...] = ()
    superseded: tuple[Answered, ...] = ()
    """What other logs told of the same exchange before, now with who answered; what reading them taught is void."""
    withdrawn: tuple[str, ...] = ()
    """Ids of lessons that earlier feedback on the same exchange taught: the last word counts."""


def lessons(
    exchange: Exchange, answers: Answers, *, heldout_share: float, pair: str | None = None
) -> Lessons:
    """Return what an exchange teaches, and its answer for later.

    Args:
        exchange: as read from the log.
        answers: everything before it, at least of the same conversation (see `batch.experience_of`).
        heldout_share: fraction of conversations, by hash of their root prompt, that are never trained on.
        pair: `twins.pair_of` the exchange, where it is known already.
    """
    if _is_nobodys(exchange):
        return Lessons(dropped=(Dropped(reason="background", exchange_id=exchange.id),))
    pair = pair_of(exchange) if pair is None else pair
    ids = chain(exchange.messages)
    answered = _answered(exchange, prefix_id=last_of(ids), pair=pair)
    twin = twin_of(exchange, pair, answers)
    if twin is not None:
        # What it teaches was learned from the twin; its answer is remembered as that of whoever wrote it.
        return Lessons(
            answered=replace(answered, version=twin.version),
            dropped=(Dropped(reason="twin", exchange_id=exchange.id),),
        )
    items, dropped = admitted(_newest(exchange, steps(exchange, answers, ids)), exchange, heldout_share)
    superseded = superseded_by(exchange, pair, answers)
    for one in superseded:
        told = _told_again(exchange, answered, one, answers)
        items += admitted(told, replace(exchange, source=one.source), heldout_share)[0]
    known = tuple(replace(one, version=answered.version) for one in superseded)
    return Lessons(items=items, answered=answered, dropped=dropped, superseded=known)


def lessons_from_feedback(feedback: Feedback, answers: Answers, *, heldout_share: float) -> Lessons:
    """Return what an explicit accept or edit teaches about a known exchange; a reject alone teaches nothing.

    Whatever it says, it takes the place of what was said of the exchange before.
    """
    exchange = answers.exchange(feedback.exchange_id)
    found: list[Candidate | Dropped] = []
    if exchange is None:
        return Lessons(dropped=(Dropped(reason="unknown exchange", exchange_id=feedback.exchange_id),))
    twin = twin_of(exchange, pair_of(exchange), answers)
    if twin is not None:
        account = answers.exchange(twin.exchange_id) or replace(exchange, adapter_version=twin.version)
        # Whose word it is decides how far it is trusted: an edit is text that the other log brought.
        exchange = replace(account, source=exchange.source)
    if feedback.kind == "reject":
        found.append(Dropped(reason="rejected", exchange_id=exchange.id))
    elif _is_nobodys(exchange):
        found.append(Dropped(reason="background", exchange_id=exchange.id))
    else:
        found.append(_from_feedback(feedback, exchange))
    items, dropped = admitted(found, exchange, heldout_share)
    kept = {item.id for item in items}
    said_before = (item for item in answers.made_by(exchange.id) if item.messages == exchange.messages)
    withdrawn = tuple(
        item.id for item in said_before if item.source == exchange.source and item.id not in kept
    )
    return Lessons(items=items, dropped=dropped, withdrawn=withdrawn)


def _is_nobodys(exchange: Exchange) -> bool:
    """Whether it is no turn of a conversation: a client's own request, or a bare text to be continued."""
    told = exchange.background or exchange.options.get("endpoint") == "completions"
    return told or is_background(exchange.messages)


def _from_feedback(feedback: Feedback, exchange: Exchange) -> Candidate | Dropped:
    answered = _answered(exchange, prefix_id=prefix(exchange.messages), pair=pair_of(exchange))
    if feedback.kind == "edit":
        if exchange.truncated:
            return Dropped(reason="incomplete", exchange_id=exchange.id)
        target = strip_thinking(feedback.text)
        original = strip_thinking(exchange.answer)
        return _edit(exchange, exchange.messages, replace(answered, answer=original), target)
    if not answered.answer:
        return Dropped(reason="incomplete", exchange_id=exchange.id)
    return _approved(exchange.messages, answered, "accept")


def _told_again(
    exchange: Exchange, answered: Answered, before: Answered, answers: Answers
) -> Iterator[Candidate]:
    """Repeat, about the better account, what feedback said of the account `before`.

    The history that taught the rest stands in `exchange` too.
    """
    for item in answers.made_by(before.exchange_id):
        if prefix(item.messages) == before.prefix:
            yield Candidate(
                messages=exchange.messages,
                target=item.target,
                signal=item.signal,
                spans=item.spans,
                hint=item.hint,
                answered=answered,
                rejected=replace(answered, answer=item.rejected) if item.rejected else None,
            )


def _answered(exchange: Exchange, *, prefix_id: str, pair: str) -> Answered:
    """Remember the answer, or its mere existence where it was cut off, given to a cut prompt, or half a tool call."""
    fit = exchange.finish == "stop" and not exchange.truncated and not exchange.tool_calls
    return Answered(
        prefix=prefix_id,
        exchange_id=exchange.id,
        answer=strip_thinking(exchange.answer) if fit else "",
        version=exchange.adapter_version,
        time_s=exchange.time_s,
        source=exchange.source,
        pair=pair,
    )


def _newest(exchange: Exchange, history: tuple[Step, ...]) -> list[Candidate | Dropped]:
    """Return the newest of what the history might teach, in its order, and at its end whether that was not all."""
    backwards: list[Candidate | Dropped] = []
    for number in range(len(history) - 1, -1, -1):
        here = list(_candidates(exchange, history, number))
        if len(backwards) + len(here) > MAX_LESSONS:
            return [*reversed(backwards), Dropped(reason="far back", exchange_id=exchange.id)]
        backwards.extend(reversed(here))
    return backwards[::-1]


def _candidates(exchange: Exchange, history: tuple[Step, ...], number: int) -> Iterator[Candidate | Dropped]:
    match history[number].reaction.kind:
        case "correction":
            yield _correction(exchange, history, number)
        case "accept":
            yield from _acceptance(exchange, history, number)
        case "neutral" | "clarification" | "praise":
            yield from _silently_taken(exchange, history[number])
        case "correction_bare" | "rephrase":
            pass  # says only that the answer was not right


def _correction(exchange: Exchange, history: tuple[Step, ...], number: int) -> Candidate | Dropped:
    step, first = history[number], origin(history, number)
    # The runner's side records every answer: a request that shows it another history has made that history up.
    if exchange.source in AT_THE_RUNNER and not step.known:
        return Dropped(reason="unknown answer", exchange_id=exchange.id)
    target = step.reaction.content
    writer = provenance(target, step.turn, exchange.messages[: step.index])
    if writer != "typed":
        return Dropped(reason="pasted", exchange_id=exchange.id)
    return Candidate(
        messages=exchange.messages[: first.index],
        target=target,
        signal="correction",
        spans=whole(target, writer),
        hint=step.turn,
        answered=first.recorded,
        rejected=first.recorded,
    )


def _acceptance(exchange: Exchange, history: tuple[Step, ...], number: int) -> Iterator[Candidate | Dropped]:
    step, first = history[number], origin(history, number)
    taken = list(_silently_taken(exchange, step))
    if taken:
        yield from taken
        return
    recorded = step.recorded
    if recorded is None:
        yield Dropped(reason="unknown answer", exchange_id=exchange.id)
        return
    yield _approved(exchange.messages[: step.index], recorded, "accept")
    if first is not step and reads_alone(recorded.answer):
        # Hindsight relabelling: what was accepted in the end is the answer to what was asked in the beginning.
        accepted = _approved(exchange.messages[: first.index], recorded, "accept", hint=first.turn)
        yield replace(accepted, rejected=first.recorded)


def _silently_taken(exchange: Exchange, step: Step) -> Iterator[Candidate | Dropped]:
    """An answer that the user edited, or chose over another one, and went on with."""
    original, recorded = step.original, step.recorded
    if original is not None:
        yield _edit(exchange, exchange.messages[: step.index], original, step.answer)
    elif recorded is not None and step.rejected is not None and not recorded.version:
        # Own output is not learned for being chosen only: that is how a model drifts into itself.
        yield _approved(exchange.messages[: step.index], recorded, "kept")


def _edit(
    exchange: Exchange, prompt: tuple[Message, ...], original: Answered, target: str
) -> Candidate | Dropped:
    spans = edited(original.answer, target, own=bool(original.version))
    if not any(span.learn for span in spans):
        return Dropped(reason="empty", exchange_id=exchange.id)
    return Candidate(
        messages=prompt, target=target, signal="edit", spans=spans, answered=original, rejected=original
    )


def _approved(prompt: tuple[Message, ...], answered: Answered, signal: Signal, hint: str = "") -> Candidate:
    return Candidate(
        messages=prompt,
        target=answered.answer,
        signal=signal,
        spans=whole(answered.answer, "model"),
        hint=hint,
        answered=answered,
    )
