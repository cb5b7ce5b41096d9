"""A candidate becomes an item, unless there is a reason against it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.experience.fences import domain
from laimark_sidecar.experience.sameness import same
from laimark_sidecar.experience.tree import root_prompt
from laimark_sidecar.journal.exchange import Exchange, Message, beside_text
from laimark_sidecar.replay.answered import Answered
from laimark_sidecar.replay.item import SIGNAL_WEIGHT, Item, Signal, Span, Split

Reason = Literal[
    "background",
    "secret",
    "pasted",
    "incomplete",
    "unknown answer",
    "unknown exchange",
    "rejected",
    "empty",
    "far back",
    "attachment",
    "tools",
    "twin",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Something that might have been a lesson and is not one."""

    reason: Reason
    exchange_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A prompt and what the user let stand as its answer."""

    messages: tuple[Message, ...]
    target: str
    signal: Signal
    spans: tuple[Span, ...]
    hint: str = ""
    answered: Answered | None = None
    """The recorded answer that was corrected, edited or accepted, where it is known."""
    rejected: Answered | None = None
    """The recorded answer to the same prompt that the user said no to, or wrote over."""


def admitted(
    found: Iterable[Candidate | Dropped], exchange: Exchange, heldout_share: float
) -> tuple[tuple[Item, ...], tuple[Dropped, ...]]:
    """Return the items, each id once with its strongest signal, and what is left out and why; not screened yet."""
    items: dict[str, Item] = {}
    dropped: list[Dropped] = []
    for one in found:
        refused = one if isinstance(one, Dropped) else _refusal(one, exchange)
        if refused is not None:
            dropped.append(refused)
        elif isinstance(one, Candidate):
            item = _item(one, exchange, heldout_share)
            items[item.id] = max(items.get(item.id, item), item, key=lambda each: each.weight)
    return tuple(items.values()), tuple(dropped)


def _refusal(candidate: Candidate, exchange: Exchange) -> Dropped | None:
    if not candidate.target.strip() or not any(message.role == "user" for message in candidate.messages):
        return Dropped(reason="empty", exchange_id=exchange.id)
    # The journal keeps digests of files and no schemas of tools: what the model saw cannot be written again.
    if any(message.attachments for message in candidate.messages):
        return Dropped(reason="attachment", exchange_id=exchange.id)
    if any(message.tool_calls for message in candidate.messages):
        return Dropped(reason="tools", exchange_id=exchange.id)
    return None


def _item(candidate: Candidate, exchange: Exchange, heldout_share: float) -> Item:
    answered, rejected = candidate.answered, candidate.rejected
    made_from = (exchange.id, *(one.exchange_id for one in (answered, rejected) if one is not None))
    prompt_text = "\n".join(message.content for message in candidate.messages if message.role == "user")
    return Item(
        id=item_id(candidate.messages, candidate.target),
        time_s=exchange.time_s,
        source=exchange.source,
        signal=candidate.signal,
        weight=SIGNAL_WEIGHT[candidate.signal],
        domain=domain(prompt_text),
        split=split_of(candidate.messages, heldout_share),
        messages=candidate.messages,
        target=candidate.target,
        spans=candidate.spans,
        hint=candidate.hint,
        exchange_ids=tuple(dict.fromkeys(made_from)),
        answered_by=answered.version if answered else "",
        rejected="" if rejected is None or same(rejected.answer, candidate.target) else rejected.answer,
    )


def item_id(messages: Iterable[Message], target: str) -> str:
    """Return the content hash of an example: 32 hex digits of sha256 over the prompt and the target."""
    return _digest((*messages, Message(role="assistant", content=target)))[:32]


def split_of(messages: tuple[Message, ...], heldout_share: float) -> Split:
    """Return the side on which a whole conversation stands: all that share a root prompt go together."""
    fraction = int(_digest(root_prompt(messages))[:12], 16) / 16**12
    return "heldout" if fraction < heldout_share else "train"


def _digest(messages: Iterable[Message]) -> str:
    digest = hashlib.sha256()
    for message in messages:
        digest.update(f"{message.role}\0{message.content}\0".encode("utf-8", "surrogatepass"))
        digest.update(beside_text(message))
    return digest.hexdigest()
