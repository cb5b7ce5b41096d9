"""What the demo does before and around its sessions; a whole run is `scripts/demo`."""

from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.config.load import load
from laimark_sidecar.demo.play import TUNED, demo_settings, play
from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.initialise import initialise


def silent(what: str, share: float) -> None:
    """Tell nobody."""


def test_the_demos_settings_make_a_valid_configuration_that_learns_at_once(tmp_path: Path) -> None:
    home = Home(root=tmp_path / "home")
    assert initialise(home, record=True, settings=demo_settings(4321))
    config = load(home.config)
    assert (config.runner.port, config.promotion.mode, config.journal.record) == (4321, "auto", True)
    assert config.replay.quarantine_hours == 0
    assert f"{config.promotion.name}:latest" == TUNED


def test_an_existing_home_is_refused_untouched(tmp_path: Path) -> None:
    home = Home(root=tmp_path / "home")
    initialise(home, record=False)
    before = home.config.read_bytes()
    with pytest.raises(StateError, match="holds a home already") as caught:
        play(code=None, out=home.root, rounds=2, asks=60, exam=60, say=silent)
    assert "demo --out DIR" in caught.value.hint
    assert home.config.read_bytes() == before


def test_too_little_code_is_refused_before_a_home_is_made(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    with pytest.raises(DataError, match="too few"):
        play(code=tmp_path / "code", out=tmp_path / "out", rounds=2, asks=60, exam=60, say=silent)
    assert not (tmp_path / "out").exists()
