from __future__ import annotations

import stat
from pathlib import Path

from laimark_sidecar.config.load import load
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.initialise import initialise


def test_home_is_owner_only_and_holds_what_was_chosen(tmp_path: Path) -> None:
    home = Home(root=tmp_path / "home")
    assert initialise(home, record=False, settings={"runner": {"port": 12345}, "gate": {"min_gain": 0.5}})
    config = load(home.config)
    assert (config.runner.port, config.gate.min_gain, config.journal.record) == (12345, 0.5, False)
    assert [path for path in home.root.rglob("*") if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700


def test_second_time_changes_nothing(tmp_path: Path) -> None:
    home = Home(root=tmp_path / "home")
    initialise(home, record=True)
    before = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}
    assert not initialise(home, record=False, settings={"runner": {"port": 1}})
    assert {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()} == before


def test_interrupted_one_is_completed_and_keeps_its_token(tmp_path: Path) -> None:
    home = Home(root=tmp_path / "home")
    initialise(home, record=True)
    home.config.unlink()  # it comes last: without it nothing was promised
    token = home.runner_token.read_bytes()
    assert initialise(home, record=True)
    assert home.runner_token.read_bytes() == token


def test_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    root = tmp_path / "home"
    root.mkdir(mode=0o755)
    initialise(Home(root=root), record=True)
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
