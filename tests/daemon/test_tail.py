from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
from tests.support.homes import CONVERSATIONS, opened, record
from tests.support.processes import wait_until

from laimark_sidecar.daemon import tail as module
from laimark_sidecar.daemon.tail import Tail
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.journal_source import journal_source
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.sources.source import LogSource, SourceBatch


class FlakySource:
    """A source whose disk fails a few times, then works."""

    name = "journal"

    def __init__(self, real: LogSource, failures: int) -> None:
        self._real = real
        self.failures = failures

    def read(self, cursor: bytes | None, *, max_lines: int = 1000) -> SourceBatch:
        if self.failures:
            self.failures -= 1
            raise OSError(5, "Input/output error")
        return self._real.read(cursor, max_lines=max_lines)

    def watch(self) -> tuple[Path, ...]:
        return self._real.watch()


def held(workshop: Workshop) -> int:
    with workshop.store() as store:
        return store.stats().items


def test_what_is_written_while_it_watches_reaches_the_buffer(ready_home: Home) -> None:
    before = set(threading.enumerate())
    workshop = opened(ready_home)
    with Tail(workshop, (journal_source(workshop),)):
        record(ready_home, range(100, 103))
        wait_until(lambda: held(workshop) == CONVERSATIONS + 3, "three new items")
    assert not [
        thread for thread in set(threading.enumerate()) - before if thread.name.startswith("laimark-")
    ]


def test_fault_is_logged_and_tried_again_until_nothing_is_missing(
    ready_home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    record(ready_home, range(100, 103))
    workshop = opened(ready_home)
    source = FlakySource(journal_source(workshop), failures=3)
    with caplog.at_level(logging.WARNING), Tail(workshop, (source,)):
        wait_until(lambda: held(workshop) == CONVERSATIONS + 3, "three new items")
    assert caplog.text.count("trying again") == 3
