"""What passes the gateway is in the journal as it was said, and nothing else is; recording never breaks a chat."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.passing import answer, ndjson, passed, request, sse

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import StateError
from laimark_sidecar.gateway.exchanges import Answering
from laimark_sidecar.gateway.observing import Head
from laimark_sidecar.gateway.recorder import Recorder, declines
from laimark_sidecar.journal.exchange import Exchange, Feedback, Message
from laimark_sidecar.journal.find import find_exchange
from laimark_sidecar.journal.reader import read
from laimark_sidecar.journal.writer import JournalWriter

ASKED = {"model": "llama3", "messages": [{"role": "user", "content": "Who are you?"}]}
STREAM = answer("text/event-stream")
LINES = answer("application/x-ndjson")
WHOLE = answer("application/json; charset=utf-8")
CHAT = "/v1/chat/completions"


class Consent:
    """Permits all but the models and clients that it is given; remembers what it was asked."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.asked: list[tuple[str, str]] = []
        self.on = True

    def __call__(self, *, model: str, client: str, head: Head, since_s: float) -> bool:
        self.asked.append((model, client))
        return model not in self.refused and client not in self.refused


def versions(model: str) -> Answering:
    return Answering(base_sha256="b" * 64, adapter_version="me:1") if model == "me:latest" else Answering()


@contextmanager
def recording(
    folder: Path,
    *,
    permits: Consent | None = None,
    answering: Callable[[str], Answering] = versions,
    held_bytes: int = 1 << 24,
) -> Iterator[Recorder]:
    clock = SystemClock()
    recorder = Recorder(
        JournalWriter(folder, clock=clock),
        clock=clock,
        permits=permits or Consent(),
        versions=answering,
        is_held=lambda exchange_id: find_exchange(folder, exchange_id) is not None,
        held_bytes=held_bytes,
    )
    try:
        yield recorder
    finally:
        recorder.close()


def recorded(folder: Path) -> list[Exchange | Feedback]:
    batch = read(folder, None)
    assert not batch.faults
    return list(batch.records)


def only(folder: Path) -> Exchange:
    (record,) = recorded(folder)
    assert isinstance(record, Exchange)
    return record


def chunk(text: str | None = None, finish: str | None = None) -> object:
    return {
        "id": "chatcmpl-a1B2c3D4e5F6g7H8",
        "model": "llama3",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}],
    }


def completion(text: str, **more: object) -> bytes:
    said = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": said, "finish_reason": "stop"}
    return json.dumps(
        {"id": "chatcmpl-a1B2c3D4e5F6g7H8", "model": "llama3", "choices": [choice], **more}
    ).encode()


def test_streamed_openai_chat_is_recorded_whole(tmp_path: Path) -> None:
    began_s = SystemClock().now_s()
    asked = {**ASKED, "model": "me:latest", "temperature": 0.5, "stream": True}
    head = request(CHAT, {"user-agent": "OpenAI/Python 2.1.0"})
    with recording(tmp_path) as recorder:
        added = passed(
            recorder, head, asked, STREAM, [sse(chunk("I am "), chunk("a llama."), chunk(None, "stop"))]
        )

    record = only(tmp_path)
    assert began_s <= record.time_s <= SystemClock().now_s()
    assert record == Exchange(
        id=added["X-Laimark-Exchange"],
        time_s=record.time_s,
        source="gateway",
        client="openai-python",
        model="me:latest",
        base_sha256="b" * 64,
        adapter_version="me:1",
        messages=(Message(role="user", content="Who are you?"),),
        answer="I am a llama.",
        finish="stop",
        options={"temperature": 0.5},
    )


def test_streamed_ollama_chat_is_recorded_whole(tmp_path: Path) -> None:
    lines = ndjson(
        {
            "model": "llama3",
            "message": {"role": "assistant", "content": "", "thinking": "Hm."},
            "done": False,
        },
        {"model": "llama3", "message": {"role": "assistant", "content": "A llama."}, "done": False},
        {
            "model": "llama3",
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 11,
            "eval_count": 3,
        },
    )
    with recording(tmp_path) as recorder:
        passed(recorder, request("/api/chat", {"user-agent": "curl/8.5.0"}), ASKED, LINES, [lines])

    record = only(tmp_path)
    assert (record.answer, record.thinking, record.finish) == ("A llama.", "Hm.", "stop")
    assert (record.client, record.prompt_tokens, record.answer_tokens) == ("curl", 11, 3)


def test_client_that_declines_is_not_even_asked_about(tmp_path: Path) -> None:
    consent = Consent()
    with recording(tmp_path, permits=consent) as recorder:
        for word in ("off", " OFF ", "false", "0", "no"):
            assert recorder.begin(request(CHAT, {"x-laimark-record": word})) is None

    assert not consent.asked
    assert recorded(tmp_path) == []


@pytest.mark.parametrize("refused", ["llama3", "curl"])
def test_without_consent_to_model_and_client_nothing_is_recorded(tmp_path: Path, refused: str) -> None:
    consent = Consent(refused)
    with recording(tmp_path, permits=consent) as recorder:
        passed(recorder, request(CHAT, {"user-agent": "curl/8.5"}), ASKED, WHOLE, [completion("I.")])

    assert consent.asked == [("llama3", "curl")]
    assert recorded(tmp_path) == []


def test_request_without_a_model_needs_consent_to_the_model_that_answered(tmp_path: Path) -> None:
    asked = {"messages": ASKED["messages"]}
    with recording(tmp_path / "yes") as recorder:
        passed(recorder, request(CHAT), asked, WHOLE, [completion("I.")])
    with recording(tmp_path / "no", permits=Consent("llama3")) as recorder:
        passed(recorder, request(CHAT), asked, WHOLE, [completion("I.")])

    assert only(tmp_path / "yes").model == "llama3"
    assert recorded(tmp_path / "no") == []


@pytest.mark.parametrize("target", ["/api/tags", "/v1/models", "/v1/embeddings", "/api/pull", "/"])
def test_what_is_no_conversation_is_not_watched(tmp_path: Path, target: str) -> None:
    with recording(tmp_path) as recorder:
        assert recorder.begin(request(target)) is None
        assert recorder.begin(Head(method="GET", target=CHAT, headers=())) is None


def test_answer_is_aborted_where_the_client_hung_up(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        passed(recorder, request(CHAT), ASKED, STREAM, [sse(chunk("I am"), last=None)], how="aborted")

    assert (only(tmp_path).answer, only(tmp_path).finish) == ("I am", "aborted")


def test_client_that_hangs_up_after_the_last_word_has_the_whole_answer(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        passed(recorder, request(CHAT), ASKED, STREAM, [sse(chunk("I."), chunk(None, "stop"))], how="aborted")

    assert only(tmp_path).finish == "stop"


@pytest.mark.parametrize("how", ["failed", "complete"])
def test_stream_that_ends_before_its_last_word_is_an_error(tmp_path: Path, how: str) -> None:
    with recording(tmp_path) as recorder:
        passed(recorder, request(CHAT), ASKED, STREAM, [sse(chunk("I am"), last=None)], how=how)  # type: ignore[arg-type]

    assert (only(tmp_path).answer, only(tmp_path).finish) == ("I am", "error")


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_refused_request_is_no_exchange(tmp_path: Path, status: int) -> None:
    with recording(tmp_path) as recorder:
        head = answer("application/json", status=status)
        assert passed(recorder, request(CHAT), ASKED, head, [b'{"error": {"message": "no"}}']) == {}

    assert recorded(tmp_path) == []
    assert recorder.counts.unreadable == 0


def test_request_that_is_never_answered_is_no_exchange(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        passed(recorder, request(CHAT), ASKED, None, how="failed")

    assert recorded(tmp_path) == []


def test_what_answers_is_looked_up_when_the_request_is_whole(tmp_path: Path) -> None:
    body = json.dumps({**ASKED, "model": "me:latest"}).encode()
    looked_up = threading.Event()
    now = ["me:1"]

    def moving(_model: str) -> Answering:
        version = now[0]
        looked_up.set()
        return Answering(adapter_version=version)

    with recording(tmp_path, answering=moving) as recorder:
        observation = recorder.begin(request(CHAT))
        assert observation is not None
        observation.asked(body[:10])
        observation.asked(body[10:])
        observation.asked_whole()
        assert looked_up.wait(30)
        now[0] = "me:2"
        observation.answering(WHOLE)
        observation.answered(completion("I."))
        observation.ended("complete")

    assert only(tmp_path).adapter_version == "me:1"


def test_exchanges_are_recorded_in_the_order_of_their_ends(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        for number in range(50):
            passed(recorder, request(CHAT), ASKED, WHOLE, [completion(str(number))])

    answers = [record.answer for record in recorded(tmp_path) if isinstance(record, Exchange)]
    assert answers == [str(number) for number in range(50)]


def test_bytes_that_are_not_the_dialect_are_counted_and_the_next_chat_is_recorded(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        passed(recorder, request(CHAT), b"\xff{", WHOLE, [completion("I.")])
        passed(recorder, request(CHAT), ASKED, WHOLE, [b"[" * 100_000])
        passed(recorder, request(CHAT), ASKED, answer("application/json", encoding="br"), [b"x"])
        passed(recorder, request(CHAT), ASKED, WHOLE, [completion("I.")])

    assert only(tmp_path).answer == "I."
    assert (recorder.counts.unreadable, recorder.counts.recorded) == (3, 1)


def test_longer_bodies_than_16_mib_are_dropped_and_counted(tmp_path: Path) -> None:
    block = b"x" * (1 << 20)
    with recording(tmp_path, held_bytes=1 << 30) as recorder:
        observation = recorder.begin(request(CHAT))
        assert observation is not None
        for _ in range(17):
            observation.asked(block)
        assert observation.answering(WHOLE) == ()
        observation.ended("complete")
        passed(recorder, request(CHAT), ASKED, WHOLE, [block] * 17)

    assert recorded(tmp_path) == []
    assert recorder.counts.dropped == 2


def test_memory_for_what_is_under_way_is_bounded_and_given_back(tmp_path: Path) -> None:
    large = {"model": "llama3", "messages": [{"role": "user", "content": "x" * 60_000}]}
    with recording(tmp_path, held_bytes=100_000) as recorder:
        first = recorder.begin(request(CHAT))
        assert first is not None
        first.asked(json.dumps(large).encode())
        passed(recorder, request(CHAT), large, WHOLE, [completion("second")])
        first.answering(WHOLE)
        first.answered(completion("first"))
        first.ended("complete")
        until(lambda: recorder.counts.recorded == 1)
        passed(recorder, request(CHAT), large, WHOLE, [completion("third")])

    answers = [record.answer for record in recorded(tmp_path) if isinstance(record, Exchange)]
    assert answers == ["first", "third"]
    assert recorder.counts.dropped == 1


def test_chats_go_on_without_a_journal_and_are_recorded_again_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "journal"
    blocked.write_text("a file where the folder should be")
    with recording(blocked) as recorder:
        for _ in range(3):
            passed(recorder, request(CHAT), ASKED, WHOLE, [completion("lost")])
        until(lambda: recorder.counts.failed == 3)
        blocked.unlink()
        passed(recorder, request(CHAT), ASKED, WHOLE, [completion("kept")])

    assert only(blocked).answer == "kept"
    assert len([line for line in caplog.records if line.levelname == "WARNING"]) == 1
    assert "lost" not in caplog.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
def test_full_disk_is_counted_and_no_chat_breaks() -> None:
    class Full:
        """A journal on the device that is always full."""

        def append(self, record: Exchange | Feedback) -> None:
            fd = os.open("/dev/full", os.O_WRONLY)
            try:
                os.write(fd, b"x")
            finally:
                os.close(fd)

        def close(self) -> None:
            pass

    clock = SystemClock()
    recorder = Recorder(Full(), clock=clock, permits=Consent(), versions=versions, is_held=lambda _: False)
    passed(recorder, request(CHAT), ASKED, WHOLE, [completion("I.")])
    recorder.close()

    assert (recorder.counts.failed, recorder.counts.recorded) == (1, 0)


def test_feedback_is_recorded_under_the_id_that_the_header_told(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        added = passed(recorder, request(CHAT), ASKED, WHOLE, [completion("I.")])
        told = feedback(recorder, id=added["X-Laimark-Exchange"], kind="accept")

    exchange, given = recorded(tmp_path)
    assert told == 202
    assert isinstance(given, Feedback)
    assert (given.exchange_id, given.kind, given.source) == (exchange.id, "accept", "gateway")


def test_feedback_that_is_faster_than_the_end_of_its_answer_waits_for_it(tmp_path: Path) -> None:
    async def hurried(recorder: Recorder) -> int:
        observation = recorder.begin(request(CHAT))
        assert observation is not None
        observation.asked(json.dumps(ASKED).encode())
        observation.asked_whole()
        added = dict(observation.answering(WHOLE))
        observation.answered(completion("I."))
        body = json.dumps({"id": added["X-Laimark-Exchange"], "kind": "accept"}).encode()
        async with asyncio.TaskGroup() as both:
            told = both.create_task(recorder.feedback(request("/laimark/feedback"), body))
            await asyncio.sleep(0.1)
            assert not told.done()
            observation.ended("complete")
        return told.result().status

    with recording(tmp_path) as recorder:
        assert asyncio.run(hurried(recorder)) == 202
    exchange, given = recorded(tmp_path)
    assert isinstance(given, Feedback)
    assert given.exchange_id == exchange.id


def test_feedback_finds_its_exchange_by_the_id_of_the_servers_answer(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        passed(recorder, request(CHAT), ASKED, WHOLE, [completion("I.")])
        feedback(recorder, id="chatcmpl-a1B2c3D4e5F6g7H8", kind="edit", text="I am a llama.")
        assert feedback(recorder, id="chatcmpl-unknown", kind="accept") == 404

    exchange, given = recorded(tmp_path)
    assert isinstance(given, Feedback)
    assert (given.exchange_id, given.text) == (exchange.id, "I am a llama.")


def test_feedback_on_an_older_exchange_works_by_its_id_while_the_journal_holds_it(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        passed(recorder, request(CHAT), ASKED, WHOLE, [completion("I.")])
    older = only(tmp_path)
    with recording(tmp_path) as recorder:
        assert feedback(recorder, id=older.id, kind="reject") == 202
        assert feedback(recorder, id="0" * 32, kind="reject") == 404

    _, given = recorded(tmp_path)
    assert isinstance(given, Feedback)
    assert given.exchange_id == older.id


def test_feedback_on_an_older_exchange_is_not_recorded_while_recording_is_off(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        passed(recorder, request(CHAT), ASKED, WHOLE, [completion("I.")])
    consent = Consent()
    consent.on = False
    with recording(tmp_path, permits=consent) as recorder:
        assert feedback(recorder, id=only(tmp_path).id, kind="reject") == 202

    assert len(recorded(tmp_path)) == 1


def test_feedback_obeys_the_same_consent(tmp_path: Path) -> None:
    consent = Consent()
    with recording(tmp_path, permits=consent) as recorder:
        passed(recorder, request(CHAT), ASKED, WHOLE, [completion("I.")])
        until(lambda: recorder.counts.recorded == 1)
        consent.refused = ("llama3",)
        feedback(recorder, id="chatcmpl-a1B2c3D4e5F6g7H8", kind="accept")

    assert len(recorded(tmp_path)) == 1
    assert consent.asked[-1] == ("llama3", "")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(b'{"id": "x", "kind": "shrug"}', id="unknown kind"),
        pytest.param(b'{"id": "", "kind": "accept"}', id="no id"),
        pytest.param(b'{"id": "x", "kind": "edit"}', id="edit without text"),
    ],
)
def test_feedback_that_is_none_is_refused_with_a_reason(tmp_path: Path, body: bytes) -> None:
    with recording(tmp_path) as recorder:
        told = asyncio.run(recorder.feedback(request("/laimark/feedback"), body))

    assert told.status == 400
    assert json.loads(told.body)["error"]["message"]
    assert recorded(tmp_path) == []


def feedback(recorder: Recorder, **given: str) -> int:
    told = asyncio.run(recorder.feedback(request("/laimark/feedback"), json.dumps(given).encode()))
    return told.status


def until(reached: Callable[[], bool]) -> None:
    for _ in range(3000):
        if reached():
            return
        time.sleep(0.01)
    pytest.fail("not reached within 30 s")


def test_deleted_journal_folder_costs_what_was_in_it_and_nothing_after(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    with recording(folder) as recorder:
        passed(recorder, request(CHAT), ASKED, WHOLE, [completion("deleted")])
        until(lambda: recorder.counts.recorded == 1)
        shutil.rmtree(folder)
        passed(recorder, request(CHAT), ASKED, WHOLE, [completion("kept")])

    assert only(folder).answer == "kept"


def test_stuck_disk_holds_up_no_chat_and_what_is_held_for_it_is_bounded(tmp_path: Path) -> None:
    stuck = threading.Event()

    class Stuck(JournalWriter):
        """A journal on a disk that does not answer for a while."""

        def append(self, record: Exchange | Feedback) -> None:
            assert stuck.wait(30)
            super().append(record)

    clock = SystemClock()
    journal = Stuck(tmp_path, clock=clock)
    recorder = Recorder(
        journal, clock=clock, permits=Consent(), versions=versions, is_held=lambda _: False, held_bytes=20_000
    )
    large = {"model": "llama3", "messages": [{"role": "user", "content": "x" * 3_000}]}
    for number in range(20):
        passed(recorder, request(CHAT), large, WHOLE, [completion(str(number))])
    dropped = recorder.counts.dropped
    stuck.set()
    until(lambda: recorder.counts.recorded + dropped == 20)
    passed(recorder, request(CHAT), large, WHOLE, [completion("after")])
    recorder.close()

    answers = [record.answer for record in recorded(tmp_path) if isinstance(record, Exchange)]
    assert 10 <= dropped < 20
    assert answers == [*map(str, range(20 - dropped)), "after"]


@pytest.mark.parametrize(
    "error", [StateError("registry is damaged"), PermissionError("locked"), KeyError("bug")]
)
def test_lookup_that_fails_is_counted_and_told_once_and_the_next_chat_is_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    failing = [True, True]

    def looked_up(model: str) -> Answering:
        if failing and failing.pop():
            raise error
        return Answering()

    with recording(tmp_path, answering=looked_up) as recorder:
        for number in range(3):
            passed(recorder, request(CHAT), ASKED, WHOLE, [completion(str(number))])

    assert only(tmp_path).answer == "2"
    assert (recorder.counts.failed, len(caplog.records)) == (2, 1)


@pytest.mark.parametrize(
    "values",
    [("off",), ("on", "off"), ("off, off",), ('"off"',), ("never",), ("none",), ("n",), ("",), ("on, no",)],
)
def test_whatever_is_no_plain_yes_declines(values: tuple[str, ...]) -> None:
    assert declines(Head(headers=tuple(("x-laimark-record", value) for value in values)))


@pytest.mark.parametrize("values", [(), ("on",), ("TRUE",), ("1", "yes")])
def test_a_plain_yes_or_nothing_does_not(values: tuple[str, ...]) -> None:
    assert not declines(Head(headers=tuple(("x-laimark-record", value) for value in values)))
