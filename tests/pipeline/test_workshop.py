from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.homes import opened, reconfigure

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import ConfigError, StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.workshop import open_workshop


def test_home_that_is_not_set_up_names_the_command_that_does_it(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="not set up") as caught:
        open_workshop(Home(root=tmp_path), clock=SystemClock())
    assert "init" in caught.value.hint


def test_bad_setting_is_named(ready_home: Home) -> None:
    reconfigure(ready_home, "training", steps=0)
    with pytest.raises(ConfigError, match=r"training\.steps"):
        opened(ready_home)


def test_refs_are_served_under_the_configured_name(ready_home: Home) -> None:
    reconfigure(ready_home, "promotion", name="ours")
    assert opened(ready_home).ref("latest") == "ours:latest"


def test_each_caller_gets_a_store_of_its_own(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with workshop.store() as one, workshop.store() as other:
        assert one is not other
        assert one.stats() == other.stats()


def test_store_keeps_as_many_near_copies_as_configured(ready_home: Home) -> None:
    kept = []
    for copies in (1, 2):
        reconfigure(ready_home, "replay", near_duplicates=copies)
        with opened(ready_home).store() as store:
            item = next(store.items(split="train"))
            lesson = " ".join(f"word{number}" for number in range(40))
            spans = (replace(item.spans[0], end=len(lesson)),)
            twins = [replace(item, id=f"{copies:016}{n:016}", target=lesson, spans=spans) for n in range(4)]
            store.ingest("test", b"1", (), twins)
            kept.append(sum(one.target == lesson for one in store.items()))
    assert kept == [1, 2]
