"""A home whose user corrects lines of this project's own sources: what the scripts that need real lessons begin with."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.demo.code_tasks import Task
from laimark_sidecar.journal.exchange import Exchange, Message, exchange_id
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.ingest import ingest
from laimark_sidecar.pipeline.initialise import Setting, initialise
from laimark_sidecar.pipeline.journal_source import journal_source
from laimark_sidecar.pipeline.workshop import Workshop, open_workshop

Settings = Mapping[str, Mapping[str, Setting]]


def made(folder: Path, *, settings: Settings = MappingProxyType({})) -> Workshop:
    """Make a home with the demo's settings, and by section others where given; versions wait for review."""
    home = Home(root=folder)
    usual: Settings = {
        "runner": {"port": free_port(), "threads": 1},
        "replay": {"quarantine_hours": 0.0},
        "training": {"learning_rate": 1e-3},
        "promotion": {"mode": "review"},
    }
    sections = {*usual, *settings}
    initialise(
        home,
        record=True,
        settings={name: {**usual.get(name, {}), **settings.get(name, {})} for name in sections},
    )
    return open_workshop(home, clock=SystemClock())


def record(workshop: Workshop, tasks: Iterable[Task]) -> None:
    """Let the user correct an answer for each task, as the gateway records it."""
    with JournalWriter(workshop.home.journal, clock=SystemClock()) as journal:
        for number, task in enumerate(tasks):
            for one in corrected(number, task.prompt, task.answer):
                journal.append(one)


def take_in(workshop: Workshop) -> None:
    """Read the journal into the buffer."""
    with workshop.store() as store:
        ingest(workshop, store, journal_source(workshop), should_stop=lambda: False)


def corrected(number: int, prompt: str, answer: str) -> tuple[Exchange, Exchange]:
    asked = (Message(role="user", content=prompt),)
    told = (
        *asked,
        Message(role="assistant", content="pass"),
        Message(role="user", content=f"No, the next line is:\n```python\n{answer}\n```"),
    )
    return exchanged(asked, "pass", number), exchanged(told, "Thanks.", number + 0.5)


def exchanged(messages: tuple[Message, ...], answer: str, number: float) -> Exchange:
    time_s = 1_793_000_000.0 + 60 * number
    return Exchange(
        id=exchange_id(time_s=time_s, source="gateway", messages=messages, answer=answer),
        time_s=time_s,
        source="gateway",
        client="canaries",
        model="me:latest",
        base_sha256="",
        adapter_version="",
        messages=messages,
        answer=answer,
        finish="stop",
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def silent(step: str, share: float) -> None:
    """Report to who looks on."""
    print(f"\r{step} {share:.0%}   ", end="", file=sys.stderr)
