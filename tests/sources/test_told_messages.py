from __future__ import annotations

import hashlib

import pytest

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Message, ToolCall
from laimark_sidecar.sources.told_messages import messages_of


def test_texts_of_parts_are_joined_and_an_image_is_its_digest() -> None:
    parts = [
        {"type": "text", "text": "See "},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "text", "text": "this"},
    ]
    (message,) = messages_of([{"role": "user", "content": parts}])
    assert message == Message(
        role="user", content="See this", attachments=(hashlib.sha256(b"hi").hexdigest(),)
    )


def test_ollama_images_are_the_same_attachment() -> None:
    (message,) = messages_of([{"role": "user", "content": "See", "images": ["aGk="]}])
    assert message.attachments == (hashlib.sha256(b"hi").hexdigest(),)


def test_tool_calls_are_kept_and_a_developer_is_the_system() -> None:
    call = {"function": {"name": "look", "arguments": {"at": 1}}}
    told = [
        {"role": "developer", "content": "Be brief."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    system, answer = messages_of(told)
    assert (system.role, answer.content) == ("system", "")
    assert answer.tool_calls == (ToolCall(name="look", arguments='{"at":1}'),)


@pytest.mark.parametrize(
    "told",
    [None, [], {}, [1], [{"role": "robot"}], [{"role": "user", "content": 5}], [{"role": ["user"]}]],
)
def test_what_is_no_message_is_refused(told: object) -> None:
    with pytest.raises(DataError, match="message"):
        messages_of(told)


def test_texts_that_were_joined_are_counted() -> None:
    texts = [{"type": "text", "text": "From a page."}, {"type": "text", "text": "typed"}]
    told = messages_of([{"role": "user", "content": texts}, {"role": "user", "content": "typed"}])
    assert [message.parts for message in told] == [2, 1]
