"""Finds what a wish to forget means: records of the log, lessons, and the versions that saw them. Changes nothing."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from laimark_sidecar.errors import DataError
from laimark_sidecar.experience.redaction import hidden
from laimark_sidecar.experience.screening import Policy
from laimark_sidecar.experience.traces import about, said, tails, traces
from laimark_sidecar.experience.twins import Accounts
from laimark_sidecar.journal.erasing import Line, lines_of
from laimark_sidecar.journal.exchange import Exchange, Feedback, Message, decode
from laimark_sidecar.journal.sealing import Opener
from laimark_sidecar.pipeline.buffer import SHORTEST_PREFIX, versions_that_saw
from laimark_sidecar.pipeline.core_forget import asked
from laimark_sidecar.pipeline.screening import policy_of
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.replay.trace import Trace

_WORDS_CHARS = 60
_SHOWN_OF = 2000
"""Characters that are looked through: a secret must not be cut in half, and so be shown."""
_ESCAPE = re.compile(r'\\(u[0-9a-fA-F]{4}|["\\/bfnrt])')


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be forgotten; everything that is given must hold of it. At least one must be given."""

    ids: tuple[str, ...] = ()
    """Of exchanges, feedback or items, whole or their beginnings; any of them."""
    text: re.Pattern[str] | None = None
    since_s: float | None = None
    until_s: float | None = None
    """Before this moment."""
    source: str = ""
    client: str = ""
    model: str = ""

    def __post_init__(self) -> None:
        given = (self.ids, self.text, self.since_s, self.until_s, self.source, self.client, self.model)
        if not any(one not in (None, "", ()) for one in given):
            raise DataError("nothing says what to forget", hint="see: laimark-sidecar forget --help")
        if self.text is not None and self.text.search(""):
            raise DataError(
                "the text to forget is empty, or matches the empty text: it would match everything"
            )
        for one in self.ids:
            if len(one) < SHORTEST_PREFIX:
                raise DataError(f"id {one!r} is too short, expected {SHORTEST_PREFIX} characters or more")

    def names(self, *ids: str) -> bool:
        return not self.ids or any(one.startswith(wanted) for one in ids for wanted in self.ids)

    def said_in(self, *texts: str) -> bool:
        return self.text is None or any(self.text.search(text) for text in texts)

    def at(self, time_s: float) -> bool:
        return (self.since_s is None or time_s >= self.since_s) and (
            self.until_s is None or time_s < self.until_s
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DoomedExchange:
    """One exchange that will be forgotten."""

    id: str
    time_s: float
    source: str
    client: str
    model: str
    size_bytes: int
    words: str
    """The first of what the user said last; what the privacy rules find is hidden."""
    continues: bool
    """It is meant only because it repeats, as its history, one that is, or is another log's account of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """Everything that a wish means."""

    exchanges: tuple[DoomedExchange, ...]
    feedback: tuple[str, ...]
    answers: tuple[str, ...]
    """Exchanges of which only the answer is still remembered, or the question in a core set."""
    unreadable: tuple[str, ...]
    """sha256 of lines that are no record, but hold the text."""
    items: tuple[str, ...]
    """Every item that is or was made from them."""
    traces: tuple[Trace, ...]
    """What it will be known by, should it be told again."""
    held: int
    """Of these, how many the buffer holds."""
    versions: tuple[str, ...]

    @property
    def record_ids(self) -> frozenset[str]:
        return frozenset({*(one.id for one in self.exchanges), *self.feedback, *self.answers})

    @property
    def empty(self) -> bool:
        return not (self.record_ids or self.unreadable or self.items)


def doomed(workshop: Workshop, store: ReplayStore, wish: Wish) -> Doomed:
    """Return what a wish means: exchanges that repeat a doomed one, or are its twin in another log, are doomed too.

    The log is read three times, because a twin may stand before it and what repeats that twin before either.

    Raises:
        DataError: an id names nothing.
        StateError: the journal is sealed and its key is not there.
    """
    exchanges: dict[str, DoomedExchange] = {}
    policy = policy_of(workshop, store)
    # Of what waits, the line may be deleted, and its exchange be in no log.
    feedback = {one.id: None for one in store.waiting_feedback() if _means_feedback(wish, one)}
    unreadable: list[str] = []
    ends: set[str] = set()
    known_by: dict[Trace, None] = {}
    accounts = Accounts()
    items, answers = store.oblivion.matching(
        lambda item: _means_item(wish, item), lambda text: _means_answer(wish, text)
    )
    # Of a question of the core set, too.
    answers |= {record for record, text in asked(workshop.home) if _means_question(wish, record, text)}
    named = {one for item in map(store.get, items) if item and wish.ids for one in item.exchange_ids}
    for line, record in _records(workshop):
        if isinstance(record, Exchange) and (record.id in named or _means_exchange(wish, record)):
            exchanges[record.id] = _listed(record, line, policy, continues=False)
            ends |= tails(record)
            known_by |= dict.fromkeys(traces(record))
            accounts.add(record)
        elif isinstance(record, Feedback) and _means_feedback(wish, record):
            feedback[record.id] = None
        elif record is None and wish.text is not None and wish.said_in(*_readings(line.content)):
            unreadable.append(hashlib.sha256(line.content).hexdigest())
    for line, record in _twins(workshop, accounts) if exchanges else ():
        exchanges.setdefault(record.id, _listed(record, line, policy, continues=True))
        ends |= tails(record)
        known_by |= dict.fromkeys(traces(record))
    answers |= _remembered_twins(store, accounts)
    for line, record in _records(workshop) if exchanges or answers else ():
        if isinstance(record, Feedback) and (
            record.exchange_id in exchanges or record.exchange_id in answers
        ):
            feedback[record.id] = None
        elif isinstance(record, Exchange) and (record.id in answers or ends & set(said(record.messages))):
            exchanges.setdefault(record.id, _listed(record, line, policy, continues=True))
            known_by |= dict.fromkeys(traces(record))
    made = items | store.oblivion.made_from([*exchanges, *answers])
    found = Doomed(
        exchanges=tuple(sorted(exchanges.values(), key=lambda one: (one.time_s, one.id))),
        feedback=tuple(feedback),
        answers=tuple(sorted(answers - set(exchanges))),
        unreadable=tuple(unreadable),
        items=tuple(sorted(made)),
        traces=(*known_by, *(about(one.time_s, one.pair) for one in store.answered(answers) if one.pair)),
        held=sum(store.get(one) is not None for one in made),
        versions=versions_that_saw(workshop, {*made, *exchanges, *answers}),
    )
    _require_named(wish, found)
    return found


def _twins(workshop: Workshop, accounts: Accounts) -> Iterator[tuple[Line, Exchange]]:
    for line, record in _records(workshop):
        if isinstance(record, Exchange) and accounts.hold_twin_of(record):
            yield line, record


def _remembered_twins(store: ReplayStore, accounts: Accounts) -> frozenset[str]:
    """Return the exchanges that are twins by their answer; their lines may be deleted and their lessons held."""
    found = store.twins(accounts.pairs, since_s=-math.inf, until_s=math.inf)
    return frozenset(one.exchange_id for one in found if accounts.hold_twin_of_answer(one))


def _records(workshop: Workshop) -> Iterator[tuple[Line, Exchange | Feedback | None]]:
    opener = Opener(workshop.home.journal)
    for line in lines_of(workshop.home.journal):
        try:
            yield line, decode(opener.opened(line.content))
        except DataError:
            yield line, None


def _means_exchange(wish: Wish, one: Exchange) -> bool:
    return (
        wish.names(one.id)
        and wish.at(one.time_s)
        and wish.source in ("", one.source)
        and wish.client in ("", one.client)
        and wish.model in ("", one.model)
        and wish.said_in(
            *_texts(one.messages),
            one.answer,
            one.thinking,
            *(part for call in one.tool_calls for part in (call.name, call.arguments)),
            *map(str, one.options.values()),
        )
    )


def _means_feedback(wish: Wish, one: Feedback) -> bool:
    # Of a client or a model it tells nothing: it goes with its exchange.
    return (
        not wish.client
        and not wish.model
        and wish.names(one.id)
        and wish.at(one.time_s)
        and wish.source in ("", one.source)
        and wish.said_in(one.text)
    )


def _means_item(wish: Wish, item: Item) -> bool:
    return (
        not wish.client
        and not wish.model
        and wish.names(item.id)
        and wish.at(item.time_s)
        and wish.source in ("", item.source)
        and wish.said_in(*_texts(item.messages), item.target, item.hint, item.rejected)
    )


def _means_answer(wish: Wish, text: str) -> bool:
    alone = not (wish.ids or wish.source or wish.client or wish.model or wish.since_s or wish.until_s)
    return alone and wish.said_in(text)


def _means_question(wish: Wish, record: str, text: str) -> bool:
    alone = not (wish.source or wish.client or wish.model or wish.since_s or wish.until_s)
    return alone and wish.names(record) and wish.said_in(text)


def _texts(messages: tuple[Message, ...]) -> Iterator[str]:
    for message in messages:
        yield message.content
        for call in message.tool_calls:
            yield call.name
            yield call.arguments


def _readings(line: bytes) -> tuple[str, str]:
    """Return what a damaged line says, as it stands and with its JSON escapes resolved."""
    text = line.decode("utf-8", "replace")
    return text, _ESCAPE.sub(lambda found: _resolved(found[1]), text)


def _resolved(escape: str) -> str:
    if escape.startswith("u"):
        return chr(int(escape[1:], 16))
    return {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}.get(escape, escape)


def _listed(one: Exchange, line: Line, policy: Policy, *, continues: bool) -> DoomedExchange:
    return DoomedExchange(
        id=one.id,
        time_s=one.time_s,
        source=one.source,
        client=one.client,
        model=one.model,
        size_bytes=len(line.content),
        words=_words(one, policy),
        continues=continues,
    )


def _words(one: Exchange, policy: Policy) -> str:
    said = next((each.content for each in reversed(one.messages) if each.role == "user"), "")
    return " ".join(hidden(said[:_SHOWN_OF], policy).split())[:_WORDS_CHARS]


def _require_named(wish: Wish, found: Doomed) -> None:
    known = (*found.record_ids, *found.items)
    for wanted in wish.ids:
        if not any(one.startswith(wanted) for one in known):
            raise DataError(
                f"{wanted!r} names nothing in the journal or the buffer",
                hint="see ids with: laimark-sidecar buffer list --json",
            )
