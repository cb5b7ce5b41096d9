"""How an exchange that was forgotten is known again: by its later turns, and by what another program wrote of it.

Hashes alone: what is kept to know it by is no copy of it. A conversation is known by the chain of its messages up to
the forgotten answer, which every later turn repeats; an account of the same exchange elsewhere by the user's words and
the answer, about the same time. Where a client left the beginning out, nothing but a pair of words is left, and "hi"
is followed by the same greeting every day: so only long pairs are known at any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from laimark_sidecar.experience.sameness import normal
from laimark_sidecar.experience.tree import canonical, chain
from laimark_sidecar.experience.twins import TWIN_WITHIN_S, pair_of
from laimark_sidecar.journal.exchange import Exchange, Message
from laimark_sidecar.replay.trace import Trace

LONG_PAIR_CHARS = 120
"""From here on nobody says the same to the same answer by chance."""


def traces(exchange: Exchange) -> tuple[Trace, ...]:
    """Return what a forgotten exchange will be known by."""
    asked, pair = _last_words(exchange.messages), pair_of(exchange)
    found = [Trace(hash=tail) for tail in tails(exchange)]
    if pair:
        found += [about(exchange.time_s, pair), about(exchange.time_s, _pair(asked, exchange.answer))]
    if _is_long(asked, exchange.answer):
        found.append(Trace(hash=_pair(asked, exchange.answer)))
    return tuple(found)


def about(time_s: float, pair: str) -> Trace:
    """Return the trace of an exchange of which only the pair is known, or the time counts."""
    return Trace(hash=pair, since_s=time_s - TWIN_WITHIN_S, until_s=time_s + TWIN_WITHIN_S)


def tails(exchange: Exchange) -> frozenset[str]:
    """Return the ids that its answer may have in the history of a later turn: clients may leave tool calls out."""
    whole = Message(role="assistant", content=exchange.answer, tool_calls=exchange.tool_calls)
    return frozenset(
        said((*exchange.messages, answer))[-1] for answer in (whole, replace(whole, tool_calls=()))
    )


def said(messages: Iterable[Message]) -> tuple[str, ...]:
    """Return the ids of a conversation without its instructions: clients write the time into them, anew each turn."""
    return chain(message for message in messages if message.role != "system")


def shown(exchange: Exchange) -> tuple[str, ...]:
    """Return every hash by which an exchange, as it was just read, might be known."""
    return tuple(dict.fromkeys((*tails(exchange), *said(exchange.messages), *_pairs(exchange))))


def is_known(exchange: Exchange, known: Mapping[str, Sequence[Trace]]) -> bool:
    """Whether an exchange is, or goes on from, one that was forgotten.

    Args:
        exchange: as it was read.
        known: the traces that there are of the hashes that it shows.
    """
    own = {pair_of(exchange), _pair(_last_words(exchange.messages), exchange.answer)}
    return any(
        one.at_any_time or (one.hash in own and one.since_s <= exchange.time_s <= one.until_s)
        for hash_ in shown(exchange)
        for one in known.get(hash_, ())
    )


def _pairs(exchange: Exchange) -> Iterator[str]:
    yield pair_of(exchange)
    asked = ""
    for message in (*exchange.messages, Message(role="assistant", content=exchange.answer)):
        if message.role == "user":
            asked = message.content
        elif message.role == "assistant":
            yield _pair(asked, message.content)


def _last_words(messages: Sequence[Message]) -> str:
    return next((one.content for one in reversed(messages) if one.role == "user"), "")


def _pair(asked: str, answer: str) -> str:
    """Return the hash of two texts, however programs keep them."""
    told = f"{normal(asked)}\0{normal(canonical('assistant', answer))}"
    return hashlib.sha256(f"pair\0{told}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _is_long(asked: str, answer: str) -> bool:
    return len(normal(asked)) + len(normal(answer)) >= LONG_PAIR_CHARS
