from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.support.homes import opened

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.intake import Taken
from laimark_sidecar.pipeline.source_state import SourceState, drop, remember, states


def test_counts_add_up_and_an_error_holds_until_the_log_is_read_again(ready_home: Home) -> None:
    workshop = opened(ready_home)
    remember(workshop, "a", SourceState().plus(Taken(records=2, skipped=1)))
    remember(workshop, "a", SourceState(error="locked"))
    held = states(workshop)["a"]
    assert (held.records, held.skipped, held.error) == (2, 1, "locked")
    remember(workshop, "a", SourceState().plus(Taken(faults=3)))
    held = states(workshop)["a"]
    assert (held.records, held.faults, held.error) == (2, 3, "")
    assert held.looked_s > 0


def test_nothing_new_writes_nothing(ready_home: Home) -> None:
    workshop = opened(ready_home)
    remember(workshop, "a", SourceState())
    assert not (ready_home.control / "sources.json").exists()


def test_a_damaged_file_is_none(ready_home: Home) -> None:
    workshop = opened(ready_home)
    remember(workshop, "a", SourceState(records=1))
    (ready_home.control / "sources.json").write_bytes(b"{")
    assert states(workshop) == {}
    remember(workshop, "a", SourceState(records=1))
    assert states(workshop)["a"].records == 1


def test_a_log_that_was_removed_has_no_state(ready_home: Home) -> None:
    workshop = opened(ready_home)
    remember(workshop, "a", SourceState(records=1))
    drop(workshop, "a")
    drop(workshop, "never there")
    assert states(workshop) == {}


def test_two_that_remember_at_once_lose_no_count(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: remember(workshop, "a", SourceState(records=1)), range(12)))
    assert states(workshop)["a"].records == 12
