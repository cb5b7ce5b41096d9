from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from laimark_sidecar.sources.watch import Watcher

NEVER_S = 3600.0
PATIENCE_S = 20.0


class Calls:
    """Counts wake-ups; a test waits for the n-th of them."""

    def __init__(self) -> None:
        self.count = 0
        self._more = threading.Condition()
        self.threads: set[str] = set()

    def wake(self) -> None:
        with self._more:
            self.count += 1
            self.threads.add(threading.current_thread().name)
            self._more.notify_all()

    def reach(self, count: int) -> bool:
        with self._more:
            return self._more.wait_for(lambda: self.count >= count, PATIENCE_S)


def test_it_wakes_at_the_start_and_on_a_change(tmp_path: Path) -> None:
    calls = Calls()
    with Watcher([tmp_path], calls.wake, poll_s=NEVER_S):
        assert calls.reach(1)
        (tmp_path / "segment").write_bytes(b"line\n")
        assert calls.reach(2)
    assert calls.threads == {"laimark-watch"}


def test_of_a_single_file_only_its_own_folder_is_watched(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.touch()
    (tmp_path / "below").mkdir()
    calls = Calls()
    with Watcher([log], calls.wake, poll_s=NEVER_S):
        assert calls.reach(1)
        (tmp_path / "below" / "other").write_bytes(b"not ours\n")
        time.sleep(0.3)
        assert calls.count == 1
        (tmp_path / "new").write_bytes(b"line\n")
        (tmp_path / "new").replace(log)  # as programs do that write a file anew
        assert calls.reach(2)


def test_an_append_wakes(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.touch()
    calls = Calls()
    with Watcher([tmp_path], calls.wake, poll_s=NEVER_S), path.open("ab", buffering=0) as handle:
        assert calls.reach(1)
        handle.write(b"line\n")
        assert calls.reach(2)


def test_reading_the_log_does_not_wake(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(b"line\n")
    calls = Calls()
    read_by_us = threading.Event()

    def wake() -> None:
        path.read_bytes()
        list(tmp_path.iterdir())
        read_by_us.set()
        calls.wake()

    with Watcher([tmp_path], wake, poll_s=NEVER_S):
        assert calls.reach(1)
        assert not threading.Event().wait(0.5)
        assert calls.count == 1


def test_a_burst_of_changes_makes_few_calls(tmp_path: Path) -> None:
    calls = Calls()
    with Watcher([tmp_path], calls.wake, poll_s=NEVER_S):
        assert calls.reach(1)
        for number in range(200):
            (tmp_path / str(number)).touch()
        assert calls.reach(2)
    assert calls.count < 100


def test_a_folder_that_comes_later_is_watched(tmp_path: Path) -> None:
    calls = Calls()
    folder = tmp_path / "later"
    with Watcher([folder], calls.wake, poll_s=0.05):
        assert calls.reach(2)
        folder.mkdir()
        assert calls.reach(calls.count + 2)


@pytest.mark.parametrize("broken", ["start", "schedule"])
def test_without_events_it_polls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(f"watchdog.observers.Observer.{broken}", refuse)
    calls = Calls()
    with Watcher([tmp_path], calls.wake, poll_s=0.01):
        assert calls.reach(5)
    assert "inotify watch limit" in caplog.text


def test_nothing_wakes_after_stop(tmp_path: Path) -> None:
    calls = Calls()
    before = threading.active_count()
    watcher = Watcher([tmp_path], calls.wake, poll_s=0.01)
    watcher.start()
    assert calls.reach(2)
    watcher.stop()
    count = calls.count
    (tmp_path / "segment").touch()
    assert not threading.Event().wait(0.2)
    assert calls.count == count
    assert threading.active_count() == before
    watcher.stop()
