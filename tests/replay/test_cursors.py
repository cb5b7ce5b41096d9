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
