from __future__ import annotations

from pathlib import Path

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.replay.store import ReplayStore


def test_a_cursor_moves_and_goes_back_to_the_beginning(tmp_path: Path) -> None:
    with ReplayStore.open(tmp_path / "replay.db", clock=SystemClock()) as store:
        assert store.cursor("a") is None
        store.move_cursor("a", b"1")
        store.move_cursor("b", b"2")
        store.move_cursor("a", b"3")
        assert (store.cursor("a"), store.cursor("b")) == (b"3", b"2")
        store.move_cursor("a", None)
        assert (store.cursor("a"), store.cursor("b")) == (None, b"2")


def test_a_cursor_that_another_reader_has_moved_stays_where_that_one_put_it(tmp_path: Path) -> None:
    with ReplayStore.open(tmp_path / "replay.db", clock=SystemClock()) as store:
        assert store.advance_cursor("a", b"1", expected=None)
        assert not store.advance_cursor("a", b"9", expected=None)
        assert store.cursor("a") == b"1"
        assert store.advance_cursor("a", b"2", expected=b"1")
        assert store.cursor("a") == b"2"
