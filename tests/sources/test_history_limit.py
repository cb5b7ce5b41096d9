from __future__ import annotations

import pytest

from laimark_sidecar.journal.exchange import Message, ToolCall
from laimark_sidecar.sources.history_limit import MAX_BYTES, MAX_MESSAGES, too_long


def asked(text: str, arguments: str = "") -> Message:
    calls = (ToolCall(name="f", arguments=arguments),) if arguments else ()
    return Message(role="user", content=text, tool_calls=calls)


@pytest.mark.parametrize(
    ("messages", "is_too_long"),
    [
        ((asked("x"),) * MAX_MESSAGES, False),
        ((asked("x"),) * (MAX_MESSAGES + 1), True),
        ((asked("x" * MAX_BYTES),), False),
        ((asked("x" * MAX_BYTES), asked("x")), True),
        ((asked("ü" * (MAX_BYTES // 2)),), False),
        ((asked("ü" * (MAX_BYTES // 2) + "x"),), True),
        ((asked("", "x" * (MAX_BYTES + 1)),), True),
    ],
)
def test_a_history_is_bounded_in_messages_and_in_bytes(
    messages: tuple[Message, ...], is_too_long: bool
) -> None:
    assert too_long(messages) is is_too_long
