"""Answers are cut into the same objects wherever the network cuts them."""

from __future__ import annotations

import pytest

from laimark_sidecar.gateway.dialects.framing import JsonLines, ServerSentEvents, WholeBody, framing_of


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/event-stream", ServerSentEvents),
        ("Text/Event-Stream; charset=utf-8", ServerSentEvents),
        ("application/x-ndjson", JsonLines),
        ("application/json; charset=utf-8", WholeBody),
        ("", WholeBody),
    ],
)
def test_the_content_type_says_the_framing(content_type: str, kind: type) -> None:
    assert isinstance(framing_of(content_type), kind)


# The stream of WHATWG HTML 9.2.6, its second example, whose third event is not ended, and the two kinds of line ends.
EXAMPLE = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_events_are_those_of_the_standards_example(end: bytes) -> None:
    stream = EXAMPLE.replace(b"\n", end)

    assert ServerSentEvents().feed(stream) == [b"first event", b"second event"]


def test_an_events_lines_of_data_are_one_text() -> None:
    assert ServerSentEvents().feed(b"event: x\ndata: {\ndata: }\n\ndata: [DONE]\n\n") == [b"{\n}"]


def test_event_that_is_not_ended_is_none() -> None:
    events = ServerSentEvents()

    assert events.feed(b"data: {}\n") == []
    assert events.end(whole=True) == []


def test_empty_lines_are_no_objects_and_the_last_needs_no_end() -> None:
    lines = JsonLines()

    assert lines.feed(b'{"a":1}\r\n\n  \n{"b"') == [b'{"a":1}']
    assert lines.feed(b":2}") == []
    assert lines.end(whole=True) == [b'{"b":2}']


def test_cut_answers_end_with_nothing() -> None:
    for framing in (JsonLines(), WholeBody()):
        framing.feed(b'{"a"')
        assert framing.end(whole=False) == []


def test_whole_body_is_one_object_and_an_empty_one_is_none() -> None:
    body = WholeBody()
    body.feed(b'{"a":\n\n')
    body.feed(b"1}")

    assert body.end(whole=True) == [b'{"a":\n\n1}']
    assert WholeBody().end(whole=True) == []


@pytest.mark.parametrize("stream", [EXAMPLE + b"\n\n", EXAMPLE.replace(b"\n", b"\r\n") + b"\r\n\r\n"])
def test_events_are_the_same_byte_by_byte(stream: bytes) -> None:
    events = ServerSentEvents()

    found = [event for at in range(len(stream)) for event in events.feed(stream[at : at + 1])]

    assert found == [b"first event", b"second event", b" third event"]
