from __future__ import annotations

import json
from typing import Any

from laimark_sidecar.runners.embedded.responses import END_OF_STREAM, Envelope
from laimark_sidecar.runners.runner import TokenLogprob

CHAT = Envelope(id="chatcmpl-1", created_s=7, model="demo", shape="chat")
PLAIN = Envelope(id="cmpl-1", created_s=7, model="demo", shape="completion")
TOKEN = TokenLogprob(token="é", logprob=-0.5, top=(("é", -0.5), ("x", -2.0)))


def _event(data: bytes) -> Any:
    assert data.startswith(b"data: ")
    assert data.endswith(b"\n\n")
    return json.loads(data[6:])


def test_whole_chat_answer_has_the_shape_of_openai() -> None:
    body = json.loads(
        CHAT.whole(text="hi", finish="stop", prompt_tokens=3, answer_tokens=2, logprobs=[TOKEN])
    )
    entry = {"token": "é", "logprob": -0.5, "bytes": [195, 169]}
    other = {"token": "x", "logprob": -2.0, "bytes": [120]}
    assert body == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "demo",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hi"},
                "logprobs": {"content": [entry | {"top_logprobs": [entry, other]}], "refusal": None},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


def test_whole_completion_has_the_shape_of_openai() -> None:
    body = json.loads(
        PLAIN.whole(text="hi", finish="length", prompt_tokens=1, answer_tokens=1, logprobs=[TOKEN])
    )
    assert body["object"] == "text_completion"
    assert body["choices"][0]["text"] == "hi"
    assert body["choices"][0]["logprobs"] == {
        "tokens": ["é"],
        "token_logprobs": [-0.5],
        "top_logprobs": [{"é": -0.5, "x": -2.0}],
    }


def test_chat_stream_opens_with_the_role_and_closes_with_the_reason() -> None:
    assert _event(CHAT.opening())["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    delta = _event(CHAT.delta("a", None))
    assert delta["object"] == "chat.completion.chunk"
    assert delta["choices"][0] == {
        "index": 0,
        "delta": {"content": "a"},
        "logprobs": None,
        "finish_reason": None,
    }
    assert _event(CHAT.closing("stop"))["choices"][0]["finish_reason"] == "stop"
    assert _event(CHAT.usage(3, 2))["choices"] == []
    assert END_OF_STREAM == b"data: [DONE]\n\n"


def test_completion_stream_carries_text() -> None:
    assert PLAIN.opening() == b""
    assert _event(PLAIN.delta("a", TOKEN))["choices"][0]["text"] == "a"
    assert _event(PLAIN.closing("length"))["choices"][0] == {
        "index": 0,
        "text": "",
        "logprobs": None,
        "finish_reason": "length",
    }
