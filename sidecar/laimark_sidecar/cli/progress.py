"""How far a long command has come, on stderr: a bar with the time left, or plain lines where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from laimark_sidecar.clock import Clock, SystemClock

Update = Callable[[str, float], None]
"""Called with what is being done and the share of exactly this that is done, 0 to 1."""


@contextmanager
def progress(
    title: str, *, stream: TextIO | None = None, clock: Clock | None = None, every_s: float = 5.0
) -> Iterator[Update]:
    """Show progress while the block runs; call what it yields as often as you like.

    Args:
        title: what the whole is.
        stream: stderr by default. A terminal gets a bar, anything else plain lines.
        clock: paces the plain lines.
        every_s: seconds between plain lines; a new activity is always shown.
    """
    stream = sys.stderr if stream is None else stream
    if stream.isatty():
        yield from _bar(title, stream)
    else:
        yield PlainProgress(title, stream=stream, clock=clock or SystemClock(), every_s=every_s)


class PlainProgress:
    """Writes a line when the activity changes and every few seconds; for logs and pipes."""

    def __init__(self, title: str, *, stream: TextIO, clock: Clock, every_s: float) -> None:
        self._title, self._stream, self._clock, self._every_s = title, stream, clock, every_s
        self._began_s = self._activity_began_s = clock.monotonic_s()
        self._written_s = -every_s
        self._activity = ""
        self._finished = False

    def __call__(self, activity: str, share: float) -> None:
        """Note where things stand; `share` is clipped to 0..1."""
        now_s = self._clock.monotonic_s()
        elapsed_s = now_s - self._began_s
        if activity != self._activity:
            # Each activity has its own pace: what the one before took says nothing about this one.
            self._activity_began_s, self._finished = now_s, False
        finished = share >= 1 and not self._finished
        if activity == self._activity and elapsed_s - self._written_s < self._every_s and not finished:
            return
        self._activity, self._written_s, self._finished = activity, elapsed_s, share >= 1
        share = min(max(share, 0.0), 1.0)
        self._stream.write(
            f"{self._title}: {share:4.0%} {activity} ({duration(elapsed_s)}{_left(now_s - self._activity_began_s, share)})\n"
        )
        self._stream.flush()


def duration(seconds: float) -> str:
    """Render seconds for people: `7s`, `3m05s`, `2h03m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def _left(elapsed_s: float, share: float) -> str:
    # Below a few per cent the guess swings wildly; at the end there is nothing to guess.
    return f", about {duration(elapsed_s * (1 - share) / share)} left" if 0.03 <= share < 1 else ""


def _bar(title: str, stream: TextIO) -> Iterator[Update]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.fields[whole]}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("", total=1.0, whole=title)
        shown = ""

        def update(activity: str, share: float) -> None:
            nonlocal shown
            if activity != shown:
                # Each activity has its own pace and time left.
                shown = activity
                bar.reset(task, total=1.0)
            bar.update(task, description=activity, completed=min(max(share, 0.0), 1.0))

        yield update
