from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.runners.embedded.api_error import ApiError
from laimark_sidecar.runners.embedded.engine import Engine, Ticket
from laimark_sidecar.runners.embedded.generation import Delta, Done, Event
from laimark_sidecar.runners.embedded.sampling import Sampling


class Asker:
    """Collects the events of one request."""

    def __init__(
        self, engine: Engine, model: str, *, max_tokens: int = 8, gate: threading.Event | None = None
    ) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.gate = gate
        self.ticket: Ticket = engine.submit(
            model, [5, 6, 7, 8], Sampling(max_tokens=max_tokens, temperature=0), self._on_event
        )

    def _on_event(self, event: Event) -> None:
        # A closed gate holds the engine's thread: nothing ends before the test has looked.
        if self.gate is not None:
            assert self.gate.wait(30)
        self.events.put(event)

    def result(self) -> tuple[str, Done]:
        text = ""
        while isinstance(event := self.events.get(timeout=30), Delta):
            text += event.text
        return text, event


@pytest.fixture
def engine(demo_gguf: Path) -> Iterator[Engine]:
    engine = Engine(Base(demo_gguf, context=512, threads=1), "demo", clock=SystemClock())
    yield engine
    engine.close(timeout_s=20)


def test_each_name_answers_with_its_own_adapter_and_the_base_returns(
    engine: Engine, adapters: tuple[Path, Path]
) -> None:
    base_text, _ = Asker(engine, "demo").result()
    for version, path in zip(("me:1", "me:2"), adapters, strict=True):
        engine.register(version, path).result(20)
    engine.point("me:latest", "me:2")
    texts = {name: Asker(engine, name).result()[0] for name in ("me:1", "me:2", "me:latest", "demo")}
    assert texts["demo"] == base_text
    assert texts["me:latest"] == texts["me:2"]
    assert len({texts["me:1"], texts["me:2"], base_text}) == 3


def test_request_queued_before_a_withdrawal_is_answered_by_its_version(
    engine: Engine, adapters: tuple[Path, Path]
) -> None:
    engine.register("me:1", adapters[0]).result(20)
    expected, _ = Asker(engine, "me:1").result()
    running = Asker(engine, "demo", max_tokens=100)
    waiting = Asker(engine, "me:1")
    freed = engine.withdraw("me:1")
    with pytest.raises(ApiError, match="not served"):
        Asker(engine, "me:1")
    assert waiting.result()[0] == expected
    freed.result(20)
    assert running.result()[1].finish in ("length", "stop")


def test_moving_a_name_leaves_queued_requests_with_the_old_version(
    engine: Engine, adapters: tuple[Path, Path]
) -> None:
    engine.register("me:1", adapters[0]).result(20)
    engine.point("me:latest", "me:1")
    running = Asker(engine, "demo", max_tokens=60)
    waiting = Asker(engine, "me:latest")
    engine.point("me:latest", "")
    assert waiting.ticket.version == "me:1"
    assert Asker(engine, "me:latest").ticket.version == ""
    running.result()
    waiting.result()


def test_bad_adapter_is_refused_and_serving_goes_on(engine: Engine, tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"not a gguf")
    with pytest.raises(RunnerError, match="refuses the adapter"):
        engine.register("me:bad", bad).result(20)
    assert engine.names() == {"demo": ""}
    assert Asker(engine, "demo").result()[1].answer_tokens > 0


def test_cancelled_request_ends_as_aborted_even_while_it_waits(engine: Engine) -> None:
    running = Asker(engine, "demo", max_tokens=60)
    waiting = Asker(engine, "demo")
    waiting.ticket.cancel()
    assert waiting.result() == ("", Done(finish="aborted", answer_tokens=0))
    assert running.result()[1].finish != "aborted"


def test_activity_counts_waiting_requests(engine: Engine) -> None:
    assert not engine.activity().busy
    gate = threading.Event()
    running = Asker(engine, "demo", gate=gate)
    assert engine.activity().busy
    assert engine.activity().idle_s == 0
    gate.set()
    running.result()
    assert not engine.activity().busy
    assert engine.activity().served == 1


def test_draining_ends_what_runs_and_refuses_what_comes(engine: Engine) -> None:
    gate = threading.Event()
    running = Asker(engine, "demo", max_tokens=400, gate=gate)
    engine.drain()
    gate.set()
    assert running.result()[1].finish == "aborted"
    with pytest.raises(ApiError) as caught:
        Asker(engine, "demo")
    assert caught.value.status == 503


def test_bug_in_one_request_does_not_end_the_thread(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def breaks_once(event: Event) -> None:
        if isinstance(event, Delta):
            raise ZeroDivisionError
        events.put(event)

    engine.submit("demo", [5], Sampling(max_tokens=3, temperature=0), breaks_once)
    event = events.get(timeout=30)
    assert isinstance(event, Done)
    assert event.finish == "error"
    assert "answering failed" in caplog.text
    assert Asker(engine, "demo").result()[1].answer_tokens > 0


def test_closing_ends_the_thread(demo_gguf: Path) -> None:
    before = set(threading.enumerate())
    engine = Engine(Base(demo_gguf, context=64, threads=1), "demo", clock=SystemClock())
    (thread,) = set(threading.enumerate()) - before
    engine.close(timeout_s=20)
    assert not thread.is_alive()


def test_withdrawing_an_unknown_version_is_fine(engine: Engine) -> None:
    engine.withdraw("nobody").result(1)
    engine.point("a", "")
    engine.unpoint("a")
    assert engine.names() == {"demo": ""}
    assert engine.resolve("demo") == ""
