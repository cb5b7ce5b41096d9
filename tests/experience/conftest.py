from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from laimark_sidecar.experience.batch import Experience, experience_of
from laimark_sidecar.journal.exchange import Exchange, Feedback, Finish, Message, Role, exchange_id
from laimark_sidecar.replay.answered import Answered
from laimark_sidecar.replay.item import Item

ROLES: dict[str, Role] = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}


class Memory:
    """A working stand-in of the store: remembers what it is given."""

    def __init__(
        self,
        answered: Sequence[Answered] = (),
        exchanges: Sequence[Exchange] = (),
        items: Sequence[Item] = (),
    ) -> None:
        self._items = tuple(items)
        self._answered = list(answered)
        self._exchanges = {exchange.id: exchange for exchange in exchanges}

    def answers(self, prefix: str) -> tuple[Answered, ...]:
        return tuple(one for one in self._answered if one.prefix == prefix)

    def twins(self, pairs: Sequence[str], *, since_s: float, until_s: float) -> tuple[Answered, ...]:
        return tuple(one for one in self._answered if one.pair in pairs and since_s <= one.time_s <= until_s)

    def early_feedback(self, exchange_ids: Sequence[str]) -> tuple[Feedback, ...]:
        return ()

    def made_by(self, exchange_id: str) -> tuple[Item, ...]:
        return tuple(one for one in self._items if one.exchange_ids[0] == exchange_id)

    def exchange(self, exchange_id: str) -> Exchange | None:
        return self._exchanges.get(exchange_id)


def talk(*turns: str) -> tuple[Message, ...]:
    """Make messages of turns such as `u: hello`."""
    return tuple(Message(role=ROLES[turn[0]], content=turn[3:]) for turn in turns)


def exchange(
    *turns: str,
    answer: str = "ok",
    time_s: float = 1000.0,
    finish: Finish = "stop",
    adapter_version: str = "",
    truncated: bool = False,
    source: str = "test",
) -> Exchange:
    messages = talk(*turns)
    return Exchange(
        id=exchange_id(time_s=time_s, source=source, messages=messages, answer=answer),
        time_s=time_s,
        source=source,
        client="pytest",
        model="me:latest",
        base_sha256="",
        adapter_version=adapter_version,
        messages=messages,
        answer=answer,
        finish=finish,
        truncated=truncated,
    )


def feedback(of: Exchange, kind: Literal["accept", "reject", "edit"], text: str = "") -> Feedback:
    return Feedback(id="f", time_s=2000.0, source="test", exchange_id=of.id, kind=kind, text=text)


def learn(*records: Exchange | Feedback, heldout_share: float = 0.0) -> Experience:
    """Return what a log of these records teaches to a store that knows nothing yet."""
    return experience_of(records, Memory(), heldout_share=heldout_share)
