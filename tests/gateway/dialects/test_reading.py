"""Answers are the same however the network cuts them; damaged ones are a DataError and nothing else."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.passing import answer, ndjson, sse

from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.dialects.dialect import Dialect
from laimark_sidecar.gateway.dialects.draft import Answer
from laimark_sidecar.gateway.dialects.reading import AnswerReader
from laimark_sidecar.gateway.dialects.table import DIALECTS
from laimark_sidecar.gateway.observing import Ending
from laimark_sidecar.journal.exchange import Exchange, encode

SSE, LINES, WHOLE = "text/event-stream", "application/x-ndjson", "application/json"
TEXT = 'Grüße 🦙 "quoted"\r\n\ndata: x'
CALL = {"index": 0, "function": {"name": "f", "arguments": '{"a": [1, 2]}'}}


def openai(**delta: object) -> dict[str, object]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]}


@dataclass(frozen=True, kw_only=True)
class Sample:
    path: str
    content_type: str
    body: bytes

    @property
    def dialect(self) -> Dialect:
        return DIALECTS[self.path]

    def read(self, chunks: list[bytes], how: Ending = "complete", encoding: str = "") -> Answer:
        reader = AnswerReader(self.dialect, answer(self.content_type, encoding=encoding))
        for chunk in chunks:
            reader.feed(chunk)
        return reader.finish(how)


SAMPLES = [
    Sample(
        path="/v1/chat/completions",
        content_type=SSE,
        body=sse(openai(content=TEXT, reasoning="hm"), openai(content="b", tool_calls=[CALL])),
    ),
    Sample(
        path="/v1/chat/completions",
        content_type=WHOLE,
        body=json.dumps({"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]}).encode(),
    ),
    Sample(
        path="/v1/completions",
        content_type=SSE,
        body=sse({"choices": [{"index": 0, "text": TEXT, "finish_reason": "length"}]}),
    ),
    Sample(
        path="/v1/responses",
        content_type=SSE,
        body=sse(
            {"type": "response.output_text.delta", "delta": TEXT},
            {"type": "response.completed", "response": {"status": "completed", "model": "m"}},
        ),
    ),
    Sample(
        path="/v1/messages",
        content_type=SSE,
        body=sse(
            {"type": "message_start", "message": {"id": "i", "content": [], "usage": {"input_tokens": 3}}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}},
            {"type": "content_block_delta", "index": 1, "delta": {"partial_json": "{}"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        ),
    ),
    Sample(
        path="/api/chat",
        content_type=LINES,
        body=ndjson(
            {
                "message": {
                    "content": TEXT,
                    "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}],
                }
            },
            {"message": {"content": ""}, "done": True, "prompt_eval_count": 3},
        ),
    ),
    Sample(
        path="/api/generate",
        content_type=LINES,
        body=ndjson({"response": TEXT, "thinking": "hm"}, {"response": "", "done": True, "eval_count": 2}),
    ),
    Sample(
        path="/completion",
        content_type=SSE,
        body=sse({"content": TEXT}, {"content": "", "stop": True, "stop_type": "eos"}, last=None),
    ),
]
IDS = [f"{sample.path} {sample.content_type}" for sample in SAMPLES]

REQUESTS: dict[str, bytes] = {
    "/v1/chat/completions": json.dumps(
        {
            "model": "m",
            "temperature": 0.5,
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": TEXT}, {"type": "file", "file": {"file_id": "f"}}],
                },
                {"role": "assistant", "tool_calls": [CALL]},
            ],
        }
    ).encode(),
    "/v1/completions": json.dumps({"model": "m", "prompt": [TEXT], "suffix": "b"}).encode(),
    "/v1/responses": json.dumps(
        {"model": "m", "input": [{"role": "user", "content": TEXT}, {"type": "function_call", "name": "f"}]}
    ).encode(),
    "/v1/messages": json.dumps(
        {
            "model": "m",
            "system": [{"type": "text", "text": TEXT}],
            "messages": [{"role": "user", "content": [{"type": "tool_result", "content": [{"text": "x"}]}]}],
        }
    ).encode(),
    "/api/chat": json.dumps(
        {"messages": [{"role": "user", "content": TEXT, "images": ["aQ=="]}], "options": {"num_ctx": 4}}
    ).encode(),
    "/api/generate": json.dumps(
        {"model": "m", "prompt": TEXT, "context": [1], "options": {"seed": 1}}
    ).encode(),
    "/completion": json.dumps({"prompt": TEXT, "n_predict": 3}).encode(),
    "/infill": json.dumps({"input_prefix": TEXT, "input_suffix": "b", "prompt": "c"}).encode(),
}

BOMBS = [
    b"[" * 100_000,
    b'{"choices": ' + b"[" * 100_000,
    b'{"messages": ' + b'[{"content":' * 50_000,
    b'{"unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"model": "\xff"}',
    b'{"model": "\\ud800"}',
    b'{"choices": [{"index": 1e999}]}',
    b'{"usage": {"prompt_tokens": ' + b"9" * 4000 + b'}, "prompt_eval_count": ' + b"9" * 400 + b"}",
    b'{"model": "a", "model": 1, "model": "b"}',
    b"\xef\xbb\xbf{}",
    b"null",
    b"[]",
    b'{"message": [], "choices": 1, "content": {}}',
    b"",
]


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """A few bytes or JSON tokens of something that was right are replaced, dropped or put in."""
    content = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        until = min(len(content), at + draw(st.integers(0, 6)))
        tokens = [
            b"null",
            b"[",
            b"{",
            b'"',
            b"]",
            b"}",
            b",",
            b":",
            b"-1",
            b"1e999",
            b"\\ud83e",
            b"\xff",
            b"\n",
            b"\n\n",
        ]
        content[at:until] = draw(st.sampled_from(tokens) | st.binary(max_size=4))
    return bytes(content)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[left:right] for left, right in pairwise(edges)]


def storable(found: Answer) -> None:
    """Fails where the journal could not hold it."""
    encode(
        Exchange(
            id="0" * 32,
            time_s=0,
            source="gateway",
            client="",
            model=found.model,
            base_sha256="",
            adapter_version="",
            messages=(),
            answer=found.text,
            thinking=found.thinking,
            tool_calls=found.tool_calls,
            finish=found.finish,
            prompt_tokens=found.prompt_tokens,
            answer_tokens=found.answer_tokens,
        )
    )


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
def test_samples_are_read(sample: Sample) -> None:
    found = sample.read([sample.body])

    assert found.text.startswith(TEXT)
    assert found.finish in ("stop", "length")


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
@given(places=st.lists(st.integers(0, 2000), max_size=12))
@settings(max_examples=40, deadline=None)
def test_answer_is_the_same_wherever_it_is_cut(sample: Sample, places: list[int]) -> None:
    assert sample.read(cut(sample.body, places)) == sample.read([sample.body])


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
def test_answer_is_the_same_byte_by_byte_and_compressed(sample: Sample) -> None:
    packed = gzip.compress(sample.body)
    expected = sample.read([sample.body])

    assert sample.read([sample.body[at : at + 1] for at in range(len(sample.body))]) == expected
    assert sample.read([packed[:9], packed[9:]], encoding="gzip") == expected


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
@given(at=st.integers(0, 2000), how=st.sampled_from(["aborted", "failed", "complete"]))
@settings(max_examples=40, deadline=None)
def test_answer_that_breaks_off_is_a_beginning_of_the_whole(sample: Sample, at: int, how: Ending) -> None:
    whole = sample.read([sample.body])
    try:
        found = sample.read([sample.body[:at]], how)
    except DataError:
        assert how == "complete"  # only then is what remains taken for whole
        return

    assert whole.text.startswith(found.text)
    assert whole.thinking.startswith(found.thinking)


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
@given(data=st.data(), how=st.sampled_from(["aborted", "complete"]))
@settings(max_examples=150, deadline=None)
def test_damaged_answer_is_a_data_error_or_an_answer_that_can_be_stored(
    sample: Sample, data: st.DataObject, how: Ending
) -> None:
    body = data.draw(mutated(sample.body))
    try:
        found = sample.read([body], how)
    except DataError:
        return
    storable(found)


@pytest.mark.parametrize("path", REQUESTS)
def test_sample_requests_are_read(path: str) -> None:
    assert any(TEXT in message.content for message in DIALECTS[path].ask(REQUESTS[path]).messages)


@pytest.mark.parametrize("path", REQUESTS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_request_is_a_data_error_or_one_that_can_be_stored(path: str, data: st.DataObject) -> None:
    body = data.draw(mutated(REQUESTS[path]))
    try:
        asked = DIALECTS[path].ask(body)
    except DataError:
        return
    encode(
        Exchange(
            id="0" * 32,
            time_s=0,
            source="gateway",
            client="",
            model=asked.model,
            base_sha256="",
            adapter_version="",
            messages=asked.messages,
            answer="",
            finish="stop",
            options=asked.options,
        )
    )


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_bombs_are_a_data_error_or_harmless(path: str, bomb: bytes) -> None:
    for content_type, body in ((SSE, b"data: " + bomb + b"\n\n"), (LINES, bomb + b"\n"), (WHOLE, bomb)):
        sample = Sample(path=path, content_type=content_type, body=body)
        try:
            storable(sample.read([body]))
        except DataError:
            continue
    try:
        DIALECTS[path].ask(bomb)
    except DataError:
        return


@pytest.mark.parametrize(
    ("path", "beginning"),
    [
        ("/v1/chat/completions", b'{"messages": ['),
        ("/v1/chat/completions", b'{"messages": [{"role": "user", "content": ['),
        ("/v1/messages", b'{"messages": [{"role": "user", "content": [{"type": "tool_result", "content": ['),
        ("/v1/responses", b'{"input": ['),
        ("/api/generate", b'{"prompt": "x", "images": ['),
    ],
)
def test_more_than_a_conversation_holds_is_a_data_error(path: str, beginning: bytes) -> None:
    item = b'""' if beginning.endswith(b'images": [') else b'{"role": "user"}'
    closing = bytes(
        {ord("{"): ord("}"), ord("["): ord("]")}[byte] for byte in reversed(beginning) if byte in b"{["
    )

    assert DIALECTS[path].ask(beginning + item + closing).messages
    with pytest.raises(DataError, match="length"):
        DIALECTS[path].ask(beginning + b",".join([item] * 10_001) + closing)


@given(body=st.binary(max_size=200), encoding=st.sampled_from(["gzip", "deflate", ""]))
@example(body=b"\x1f\x8b", encoding="gzip")
@settings(max_examples=200, deadline=None)
def test_any_bytes_in_any_encoding_are_a_data_error_or_an_answer(body: bytes, encoding: str) -> None:
    try:
        SAMPLES[0].read([body], "complete", encoding)
    except DataError:
        return
