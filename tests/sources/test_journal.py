from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import StateError
from laimark_sidecar.journal.exchange import Feedback
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.sources.journal import JournalSource
from laimark_sidecar.sources.source import LogSource


def feedback(number: int) -> Feedback:
    return Feedback(id=str(number), time_s=1.0, source="t", exchange_id="e", kind="accept")


def test_reading_goes_on_from_the_stored_bytes(tmp_path: Path) -> None:
    source: LogSource = JournalSource(tmp_path)
    assert source.read(None).records == ()
    with JournalWriter(tmp_path, clock=SystemClock()) as writer:
        for number in range(3):
            writer.append(feedback(number))
        first = source.read(None, max_lines=2)
        assert first.more
        assert first.records == (feedback(0), feedback(1))
        second = JournalSource(tmp_path).read(first.cursor)
        assert second.records == (feedback(2),)
        assert not second.more


def test_faults_are_handed_on(tmp_path: Path) -> None:
    (tmp_path / "20261122T204512.123-1.jsonl").write_bytes(b"garbage\n")
    assert len(JournalSource(tmp_path).read(None).faults) == 1


def test_a_damaged_cursor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError):
        JournalSource(tmp_path).read(b"garbage")


def test_the_folder_of_the_log_is_watched(tmp_path: Path) -> None:
    assert JournalSource(tmp_path).watch() == (tmp_path,)
    assert JournalSource(tmp_path).name == "journal"
