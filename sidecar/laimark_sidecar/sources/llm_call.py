"""What llm's two layouts have in common: the exchange that is made of a call."""

from __future__ import annotations

from laimark_sidecar.journal.exchange import Exchange, Message, ToolCall
from laimark_sidecar.sources.told_exchange import told_exchange

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
    return told_exchange(
        source=SOURCE,
        time_s=time_s,
        model=model,
        messages=messages,
        answer=Message(role="assistant", content=answer, tool_calls=tool_calls),
        timed=True,
        thinking=thinking,
        prompt_tokens=prompt_tokens,
        answer_tokens=answer_tokens,
    )


def count(value: object) -> int:
    """Return a number of tokens; 0 where there is none."""
    return value if isinstance(value, int) and value > 0 else 0
