"""Outcomes are counted all, and told once a minute."""

from __future__ import annotations

import pytest

from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.tally import Counts, Tally


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def now_s(self) -> float:
        return self.at_s

    def monotonic_s(self) -> float:
        return self.at_s


def test_every_outcome_is_counted_for_itself() -> None:
    tally = Tally(Hand())
    for outcome in ("recorded", "recorded", "dropped", "unreadable", "failed"):
        tally.add(outcome)

    assert tally.counts == Counts(recorded=2, dropped=1, unreadable=1, failed=1)


def test_fault_is_told_once_a_minute_and_success_never(caplog: pytest.LogCaptureFixture) -> None:
    clock = Hand()
    tally = Tally(clock)
    for at_s in range(120):
        clock.at_s = at_s
        tally.add("failed", "disk full")
        tally.add("recorded")

    assert [record.args and record.args[1] for record in caplog.records] == [1, 61]  # type: ignore[index]


def test_each_kind_of_fault_is_told(caplog: pytest.LogCaptureFixture) -> None:
    tally = Tally(Hand())
    tally.add("failed", "disk full")
    tally.add("dropped", "too long")

    assert len(caplog.records) == 2


def test_unexpected_error_is_told_with_its_traceback_and_an_expected_one_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tally = Tally(Hand())
    tally.add("failed", KeyError("bug"))
    tally.add("dropped", OSError("disk full"))
    tally.add("unreadable", DataError("no JSON"))

    assert [record.exc_info is not None for record in caplog.records] == [True, False, False]
