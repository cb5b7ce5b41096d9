"""What commands open, and what they keep to themselves meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from laimark_sidecar.cli.opening import alone, version_named, workshop
from laimark_sidecar.errors import LockedError, StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.initialise import initialise


@pytest.fixture
def home(tmp_path: Path, demo_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("LAIMARK_HOME", str(tmp_path))
    made = Home(root=tmp_path)
    initialise(made, record=False, settings={"base": {"gguf": str(demo_gguf)}})
    return made


def test_the_home_of_the_environment_is_opened(home: Home) -> None:
    assert workshop().home == home


def test_a_home_that_is_not_set_up_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAIMARK_HOME", str(tmp_path / "none"))
    with pytest.raises(StateError, match="is not set up") as caught:
        workshop()
    assert caught.value.hint == "run: laimark-sidecar init"


def test_who_works_alone_is_named_to_others_and_lets_go(home: Home) -> None:
    with (
        alone("train"),
        pytest.raises(LockedError, match=rf"laimark-sidecar train \(pid {os.getpid()}\)"),
        alone("use"),
    ):
        raise AssertionError
    with alone("use"):
        pass


def test_the_served_version_of_a_home_that_promoted_nothing_is_the_base(home: Home) -> None:
    with pytest.raises(StateError, match="me:latest is the base, which has no adapter"):
        version_named(workshop(), "latest")


def test_other_names_are_resolved_as_the_registry_does(home: Home) -> None:
    with pytest.raises(StateError, match="no version is named 'zzz'"):
        version_named(workshop(), "zzz")
