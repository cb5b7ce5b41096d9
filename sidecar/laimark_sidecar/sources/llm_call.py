"""What llm's two layouts have in common: the exchange that is made of a call."""

from __future__ import annotations

from laimark_sidecar.journal.exchange import Exchange, Message, ToolCall, exchange_id

SOURCE = "llm"


def call(
    *,
    time_s: float,
    model: str,
    messages: tuple[Message, ...],
    answer: str,
    thinking: str = "",
    tool_calls: tuple[ToolCall, ...] = (),
    prompt_tokens: int = 0,
    answer_tokens: int = 0,
) -> Exchange:
    """Return the exchange of one call of llm. Which base answered is not told: only its name."""
    return Exchange(
        id=exchange_id(time_s=time_s, source=SOURCE, messages=messages, answer=answer),
        time_s=time_s,
        source=SOURCE,
        client=SOURCE,
        model=model,
        base_sha256="",
        adapter_version="",
        messages=messages,
        answer=answer,
        finish="stop",
        prompt_tokens=prompt_tokens,
        answer_tokens=answer_tokens,
        thinking=thinking,
        tool_calls=tool_calls,
    )


def count(value: object) -> int:
    """Return a number of tokens; 0 where there is none."""
    return value if isinstance(value, int) and value > 0 else 0
