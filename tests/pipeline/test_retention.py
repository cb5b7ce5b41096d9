from __future__ import annotations

import os
from dataclasses import replace

import pytest
from tests.replay.examples import HandClock
from tests.support.homes import opened, reconfigure

from laimark_sidecar.errors import StateError
from laimark_sidecar.journal.retention import aged
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.pruning import prune_home
from laimark_sidecar.pipeline.retention import DAY_S, STEP_S, due, expire, too_old
from laimark_sidecar.pipeline.workshop import Workshop

TODAY_S = 1_795_000_000.0


def kept(home: Home, *, days: int, clock: HandClock) -> Workshop:
    reconfigure(home, "journal", keep_days=days)
    return replace(opened(home), clock=clock)


def with_segments(home: Home, *ages_days: float) -> None:
    """Replace the journal by segments that were last written so long ago."""
    for old in home.journal.iterdir():
        old.unlink()
    for number, age in enumerate(ages_days):
        path = home.journal / f"2026110{number}T000000.000-999999{number}.jsonl"
        path.write_bytes(b'{"type":"rumour","version":1}\n')
        os.utime(path, (TODAY_S - age * DAY_S,) * 2)


def ages_left(home: Home) -> list[float]:
    return [(TODAY_S - one.newest_s) / DAY_S for one in aged(home.journal)]


def test_what_is_older_goes_and_the_buffer_keeps_its_lessons(ready_home: Home) -> None:
    with_segments(ready_home, 40, 31, 29, 0)
    workshop = kept(ready_home, days=30, clock=HandClock(TODAY_S))
    with workshop.store() as store:
        before = store.stats().items
        assert len(expire(workshop)) == 2
        assert store.stats().items == before
    assert ages_left(ready_home) == [29, 0]


def test_for_ever_is_the_default(ready_home: Home) -> None:
    with_segments(ready_home, 4000, 0)
    workshop = replace(opened(ready_home), clock=HandClock(TODAY_S))
    assert (expire(workshop), due(workshop)) == ((), False)
    assert ages_left(ready_home) == [4000, 0]


@pytest.mark.parametrize("noted", [True, False])
def test_a_clock_that_jumps_far_ahead_deletes_a_week_at_most(ready_home: Home, noted: bool) -> None:
    with_segments(ready_home, 29, 24, 22, 10, 0)
    clock = HandClock(TODAY_S)
    workshop = kept(ready_home, days=30, clock=clock)
    if noted:
        assert expire(workshop) == ()
    clock.time_s += 73 * 365 * DAY_S
    assert len(expire(workshop)) == 2
    assert expire(workshop) == ()
    assert not due(workshop)
    clock.time_s = TODAY_S + 2 * DAY_S
    assert due(workshop)
    assert expire(workshop) == ()
    assert ages_left(ready_home) == [22, 10, 0]


def test_after_a_long_rest_it_catches_up_in_a_few_days(ready_home: Home) -> None:
    with_segments(ready_home, 20, 0)
    clock = HandClock(TODAY_S)
    workshop = kept(ready_home, days=30, clock=clock)
    expire(workshop)
    clock.time_s += 31 * DAY_S
    runs = 0
    while ages_left(ready_home):
        assert due(workshop)
        expire(workshop)
        clock.time_s += DAY_S
        runs += 1
    assert runs == 31 * DAY_S // STEP_S + 1


def test_prune_lists_first_and_deletes_when_told(ready_home: Home) -> None:
    with_segments(ready_home, 31, 0)
    workshop = kept(ready_home, days=30, clock=HandClock(TODAY_S))
    (old, _) = sorted(ready_home.journal.iterdir())
    assert old in prune_home(workshop).paths
    assert old.exists()
    assert old in prune_home(workshop, dry_run=False).paths
    assert not old.exists()


def test_a_damaged_note_is_begun_anew_and_one_of_a_newer_program_is_not(ready_home: Home) -> None:
    with_segments(ready_home, 31, 0)
    workshop = kept(ready_home, days=30, clock=HandClock(TODAY_S))
    ready_home.retention.write_bytes(b"{")
    assert len(too_old(workshop).old) == 1
    ready_home.retention.write_bytes(b'{"until_s":1,"looked_s":1,"version":9}')
    with pytest.raises(StateError, match="newer"):
        too_old(workshop)
