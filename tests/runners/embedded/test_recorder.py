from __future__ import annotations

import errno
import logging
from pathlib import Path

import pytest

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.journal.exchange import Exchange, Feedback, Message
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.runners.embedded.recorder import Asked, Recorder

MESSAGES = (Message(role="user", content="a secret prompt"),)


class Ticking:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_s(self) -> float:
        return self.seconds

    def monotonic_s(self) -> float:
        return self.seconds


class FullDisk:
    """A journal on a disk without space."""

    def append(self, record: Exchange | Feedback) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def _asked(recorder: Recorder) -> Asked:
    return Asked(
        id=recorder.new_id(MESSAGES, 5.0),
        time_s=5.0,
        client="curl/8",
        model="me:latest",
        messages=MESSAGES,
        options={"seed": 1},
        prompt_tokens=4,
    )


def test_exchange_is_recorded_with_who_answered(tmp_path: Path) -> None:
    from tests.runners.embedded.conftest import read_journal

    recorder = Recorder(JournalWriter(tmp_path, clock=SystemClock()), clock=SystemClock(), base_sha256="ab")
    asked = _asked(recorder)
    assert recorder.exchange(asked, version="me:1", answer="fine", finish="stop", answer_tokens=2)
    assert recorder.feedback(about=asked.id, kind="edit", text="better")
    recorder.close()
    exchange, feedback = read_journal(tmp_path)
    assert isinstance(exchange, Exchange)
    assert (exchange.id, exchange.source, exchange.base_sha256) == (asked.id, "embedded", "ab")
    assert (exchange.adapter_version, exchange.answer, exchange.options) == ("me:1", "fine", {"seed": 1})
    assert isinstance(feedback, Feedback)
    assert (feedback.exchange_id, feedback.kind, feedback.text) == (asked.id, "edit", "better")


def test_ids_of_equal_questions_differ() -> None:
    recorder = Recorder(None, clock=SystemClock(), base_sha256="")
    assert recorder.new_id(MESSAGES, 5.0) != recorder.new_id(MESSAGES, 5.0)


def test_full_disk_is_one_warning_a_minute_without_prompt_text(caplog: pytest.LogCaptureFixture) -> None:
    clock = Ticking()
    recorder = Recorder(FullDisk(), clock=clock, base_sha256="")
    with caplog.at_level(logging.WARNING):
        for seconds in (0, 1, 59, 61):
            clock.seconds = seconds
            assert not recorder.exchange(
                _asked(recorder), version="", answer="secret", finish="stop", answer_tokens=1
            )
        assert len(caplog.records) == 2
        recorder.close()
    assert "secret" not in caplog.text
    assert "No space left" in caplog.text


def test_without_a_journal_nothing_is_stored() -> None:
    recorder = Recorder(None, clock=SystemClock(), base_sha256="")
    assert not recorder.on
    assert not recorder.feedback(about="x", kind="accept", text="")
    recorder.close()
