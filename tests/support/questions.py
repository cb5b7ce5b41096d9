"""Homes whose user has asked things that taught nothing: what the core set takes of his."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from tests.support.homes import exchange, opened, take_in

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.experience.candidate import split_of
from laimark_sidecar.journal.exchange import Exchange, Message
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.doomed import Wish
from laimark_sidecar.pipeline.workshop import Workshop

TIME_S = 1_793_100_000.0
ALL_OF_THEM = Wish(since_s=TIME_S, until_s=TIME_S + 50)


def question(text: str, *, source: str = "embedded", number: int = 0) -> Exchange:
    asked = exchange((Message(role="user", content=text),), "An answer.", TIME_S + number)
    return replace(asked, source=source, id=hashlib.sha256(f"{source} {text}".encode()).hexdigest()[:32])


def said(home: Home, *records: Exchange) -> None:
    with JournalWriter(home.journal, clock=SystemClock()) as writer:
        for one in records:
            writer.append(one)


def that_do_not_judge(count: int, *, share: float) -> list[str]:
    """Return questions whose conversations are not held out."""
    texts = (f"What is the sum of {number} and the rest of it?" for number in range(10 * count))
    fit = [t for t in texts if split_of((Message(role="user", content=t),), share) == "train"]
    return fit[:count]


@pytest.fixture
def asked_home(ready_home: Home) -> tuple[Workshop, list[str]]:
    """A home whose user has asked some things that taught nothing, and what."""
    workshop = opened(ready_home)
    texts = that_do_not_judge(12, share=workshop.config.replay.heldout_share)
    said(ready_home, *(question(text, number=number) for number, text in enumerate(texts)))
    take_in(workshop)
    return workshop, texts
