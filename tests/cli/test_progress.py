"""Progress for people who watch and for logs that nobody watches."""

from __future__ import annotations

import io

import pytest

from laimark_sidecar.cli.progress import duration, progress


class HandClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.time_s = 100.0

    def now_s(self) -> float:
        return self.time_s

    def monotonic_s(self) -> float:
        return self.time_s


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_come_at_intervals_and_at_the_end() -> None:
    stream, clock = io.StringIO(), HandClock()
    with progress("train", stream=stream, clock=clock, every_s=5) as update:
        for second in range(21):
            clock.time_s = 100.0 + second
            update("steps", second / 20)
    assert stream.getvalue().splitlines() == [
        "train:   0% steps (0s)",
        "train:  25% steps (5s, about 15s left)",
        "train:  50% steps (10s, about 10s left)",
        "train:  75% steps (15s, about 5s left)",
        "train: 100% steps (20s)",
    ]


def test_a_new_activity_is_shown_at_once() -> None:
    stream = io.StringIO()
    with progress("train", stream=stream, clock=HandClock()) as update:
        update("load", 0.0)
        update("load", 0.01)
        update("steps", 0.01)
    assert [line.split()[2] for line in stream.getvalue().splitlines()] == ["load", "steps"]


def test_shares_beyond_the_whole_are_clipped() -> None:
    stream = io.StringIO()
    with progress("train", stream=stream, clock=HandClock()) as update:
        update("a", -3.0)
        update("b", 7.0)
    assert stream.getvalue() == "train:   0% a (0s)\ntrain: 100% b (0s)\n"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with progress("train [x]", stream=stream) as update:
        update("steps", 0.5)
    assert "train [x]" in stream.getvalue()


def test_stderr_is_where_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train") as update:
        update("steps", 0.0)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("train:   0% steps")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0s"), (59.4, "59s"), (59.6, "1m00s"), (185, "3m05s"), (7380, "2h03m")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_time_left_is_that_of_the_activity_at_hand() -> None:
    stream, clock = io.StringIO(), HandClock()
    with progress("demo", stream=stream, clock=clock, every_s=5) as update:
        update("slow", 0.0)
        clock.time_s += 1000
        update("slow", 1.0)
        update("quick", 0.0)
        clock.time_s += 10
        update("quick", 0.5)
        clock.time_s += 10
        update("quick", 1.0)
    assert stream.getvalue().splitlines() == [
        "demo:   0% slow (0s)",
        "demo: 100% slow (16m40s)",
        "demo:   0% quick (16m40s)",
        "demo:  50% quick (16m50s, about 10s left)",
        "demo: 100% quick (17m00s)",
    ]
