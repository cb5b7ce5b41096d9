from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from laimark_sidecar.journal.exchange import Exchange, Message, exchange_id
from laimark_sidecar.journal.writer import JournalWriter


class SteppingClock:
    """Goes on by a fixed step each time it is asked."""

    def __init__(self, *, start_s: float = 1_795_380_312.123, step_s: float = 0.0) -> None:
        self.time_s = start_s
        self.step_s = step_s

    def now_s(self) -> float:
        self.time_s += self.step_s
        return self.time_s

    def monotonic_s(self) -> float:
        return self.now_s()


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def make() -> Callable[..., Exchange]:
    def exchange(number: int, *, prompt: str = "What is next?", answer: str = "This.") -> Exchange:
        messages = (Message(role="user", content=prompt),)
        time_s = 1000.0 + number
        return Exchange(
            id=exchange_id(time_s=time_s, source="test", messages=messages, answer=answer),
            time_s=time_s,
            source="test",
            client="pytest",
            model="me:latest",
            base_sha256="",
            adapter_version="",
            messages=messages,
            answer=answer,
            finish="stop",
        )

    return exchange


@pytest.fixture
def write(folder: Path, clock: SteppingClock, make: Callable[..., Exchange]) -> Callable[..., list[Exchange]]:
    """Write exchanges with these numbers into one new segment."""

    def run(*numbers: int) -> list[Exchange]:
        clock.time_s += 1
        exchanges = [make(number) for number in numbers]
        with JournalWriter(folder, clock=clock, fsync="never") as writer:
            for exchange in exchanges:
                writer.append(exchange)
        return exchanges

    return run
