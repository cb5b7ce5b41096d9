"""An exchange of another program's log, and what was done with its answer. Pure.

Which base answered is not told there, only a name. A log that keeps the time of each answer has it in the id; one that may
tell the same answer again (a request that shows it, a rating that is written with the whole conversation) has not, so that
it is about the exchange that is known already.
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
    timed: bool = False,
    client: str = "",
    thinking: str = "",
    prompt_tokens: int = 0,
    answer_tokens: int = 0,
    background: bool = False,
) -> Exchange:
    """Return the exchange of an answer and what was said before it.

    Args:
        source: the kind of log.
        time_s: of the answer.
        model: as the log names it.
        messages: what was said before.
        answer: of the model.
        timed: whether the time belongs to the id.
        client: the kind of log, where there is none.
        thinking: before the answer.
        prompt_tokens: where they are told.
        answer_tokens: likewise.
        background: whether a program asked it by itself.
    """
    identity_s = time_s if timed else 0.0
    return Exchange(
        id=exchange_id(time_s=identity_s, source=source, messages=messages, answer=answer.content),
        time_s=time_s,
        source=source,
        client=client or source,
        model=model,
        base_sha256="",
        adapter_version="",
        messages=messages,
        answer=answer.content,
        finish="stop",
        prompt_tokens=prompt_tokens,
        answer_tokens=answer_tokens,
        thinking=thinking,
        tool_calls=answer.tool_calls,
        background=background,
    )


def told_feedback(exchange: Exchange, kind: Literal["accept", "reject"]) -> Feedback:
    """Return what the user did with the answer."""
    mark = hashlib.sha256(f"{exchange.source}\0{exchange.id}\0{kind}".encode()).hexdigest()[:32]
    return Feedback(
        id=mark, time_s=exchange.time_s, source=exchange.source, exchange_id=exchange.id, kind=kind
    )
