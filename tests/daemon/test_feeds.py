from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.pipeline.test_source_import import filled
from tests.support.homes import never, opened
from tests.support.processes import wait_until

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.daemon import feeds as module
from laimark_sidecar.daemon.feeds import Feeds
from laimark_sidecar.daemon.tail import Tail
from laimark_sidecar.files import exclusive
from laimark_sidecar.journal.consent import Consent, write_consent
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.journal_source import journal_source
from laimark_sidecar.pipeline.source_import import import_lock
from laimark_sidecar.pipeline.source_list import add
from laimark_sidecar.pipeline.source_state import states
from laimark_sidecar.pipeline.workshop import Workshop


def put(home: Home, path: Path, name: str = "") -> None:
    add(home, "open-webui", str(path), name=name, trusted=False, history=True, clock=SystemClock())


def held(workshop: Workshop) -> int:
    with workshop.store() as store:
        return store.stats().by_source.get("open-webui", 0)


def test_a_log_that_is_added_while_the_daemon_runs_is_learned_from(ready_home: Home, tmp_path: Path) -> None:
    workshop = opened(ready_home)
    with Tail(workshop, (journal_source(workshop),)):
        put(ready_home, filled(tmp_path / "webui.db", 3))
        wait_until(lambda: held(workshop) == 3, "three lessons of the new log")
    assert states(workshop)["open-webui"].records == 6


def test_a_log_that_fails_stops_no_other_and_is_told_once(
    ready_home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workshop = opened(ready_home)
    put(ready_home, filled(tmp_path / "a.db", 1), "first")
    put(ready_home, filled(tmp_path / "b.db", 2), "second")
    (tmp_path / "a.db").write_bytes(b"broken" * 1000)
    feeds = Feeds(workshop)
    assert feeds.refresh()
    with workshop.store() as store:
        feeds.take_in(store, should_stop=never)
        feeds.take_in(store, should_stop=never)
    assert states(workshop)["second"].records == 4
    assert "cannot be read as Open WebUI's database" in states(workshop)["first"].error
    assert caplog.text.count("first: ") == 1


def test_a_log_that_failed_is_left_alone_for_a_while_and_read_when_it_is_mended(
    ready_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop = opened(ready_home)
    put(ready_home, filled(tmp_path / "a.db", 1))
    content = (tmp_path / "a.db").read_bytes()
    (tmp_path / "a.db").write_bytes(b"broken" * 1000)
    feeds = Feeds(workshop)
    feeds.refresh()
    with workshop.store() as store:
        feeds.take_in(store, should_stop=never)
        (tmp_path / "a.db").write_bytes(content)
        feeds.take_in(store, should_stop=never)  # too early
        assert states(workshop)["open-webui"].records == 0
        monkeypatch.setattr(module, "FIRST_WAIT_S", 0.0)
        again = Feeds(workshop)
        again.refresh()
        again.take_in(store, should_stop=never)
    assert states(workshop)["open-webui"].records == 2
    assert states(workshop)["open-webui"].error == ""


def test_the_daemon_leaves_the_logs_to_an_import_that_runs(ready_home: Home, tmp_path: Path) -> None:
    workshop = opened(ready_home)
    put(ready_home, filled(tmp_path / "a.db", 3))
    feeds = Feeds(workshop)
    feeds.refresh()
    with workshop.store() as store:
        with exclusive(import_lock(ready_home), "an import"):
            feeds.take_in(store, should_stop=never)
        assert states(workshop) == {}
        feeds.take_in(store, should_stop=never)
    assert states(workshop)["open-webui"].records == 6


def test_what_was_said_while_recording_was_off_is_never_taken_in(ready_home: Home, tmp_path: Path) -> None:
    workshop = opened(ready_home)
    put(ready_home, filled(tmp_path / "a.db", 3))
    write_consent(ready_home.recording, Consent().switched_off("off", 0.0).switched_on("off", 9e9))
    feeds = Feeds(workshop)
    feeds.refresh()
    with workshop.store() as store:
        feeds.take_in(store, should_stop=never)
    assert (states(workshop)["open-webui"].records, states(workshop)["open-webui"].skipped) == (0, 6)


def test_the_list_is_read_again_and_a_damaged_one_changes_nothing(ready_home: Home, tmp_path: Path) -> None:
    feeds = Feeds(opened(ready_home))
    assert not feeds.refresh()
    put(ready_home, filled(tmp_path / "a.db", 1))
    assert feeds.refresh()
    assert feeds.folders() == (tmp_path / "a.db",)
    ready_home.sources.write_bytes(b"{")
    assert not feeds.refresh()
    assert feeds.folders() == (tmp_path / "a.db",)
    sqlite3.connect(tmp_path / "a.db").close()
