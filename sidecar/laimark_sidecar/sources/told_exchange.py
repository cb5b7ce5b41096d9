"""An exchange, and what was done with its answer, out of a log that may tell the same one again. Pure.

Its id is that of its content, whatever time is told: a request that shows an old answer again, or a rating that is
written with the whole conversation, is about the exchange that is known already.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from laimark_sidecar.journal.exchange import Exchange, Feedback, Message, exchange_id


def told_exchange(
    *,
    source: str,
    time_s: float,
    model: str,
    messages: tuple[Message, ...],
    answer: Message,
    background: bool = False,
    client: str = "",
) -> Exchange:
    """Return the exchange of an answer and what was said before it."""
    return Exchange(
        id=exchange_id(time_s=0.0, source=source, messages=messages, answer=answer.content),
        time_s=time_s,
        source=source,
        client=client or source,
        model=model,
        base_sha256="",
        adapter_version="",
        messages=messages,
        answer=answer.content,
        finish="stop",
        tool_calls=answer.tool_calls,
        background=background,
    )


def told_feedback(exchange: Exchange, kind: Literal["accept", "reject"]) -> Feedback:
    """Return what the user did with the answer."""
    mark = hashlib.sha256(f"{exchange.source}\0{exchange.id}\0{kind}".encode()).hexdigest()[:32]
    return Feedback(
        id=mark, time_s=exchange.time_s, source=exchange.source, exchange_id=exchange.id, kind=kind
    )
