from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.bench.options import LIBRARY, read, run_name, settings_of
from laimark_sidecar.bench.settings import Settings


def test_what_is_given_counts_then_what_the_folder_holds_then_what_is_usual(demo_base_dir: Path) -> None:
    asked = read(["--cycles", "4", "--no-autocast"])
    fresh = settings_of(asked, None, device="cpu")
    assert (fresh.cycles, fresh.autocast, fresh.library, fresh.tasks) == (4, False, LIBRARY, 192)
    assert fresh.base == str(demo_base_dir)
    held = Settings(base="/other", cycles=30, tasks=8, device="cuda")
    on = settings_of(asked, held, device="cpu")
    assert (on.base, on.cycles, on.tasks, on.device) == ("/other", 4, 8, "cuda")


def test_of_a_base_that_says_nothing_of_its_training_no_library_lines_are_asked(tmp_path: Path) -> None:
    assert settings_of(read(["--base", str(tmp_path)]), None, device="cpu").library == 0


def test_equal_settings_of_equal_weights_have_one_folder_wherever_the_base_lies() -> None:
    here, there = Settings(base="/a/tiny"), Settings(base="/b/tiny")
    assert run_name(here, weights="1" * 64) == run_name(there, weights="1" * 64)
    assert run_name(here, weights="1" * 64).startswith("tiny-12-")
    others = {
        run_name(here, weights="2" * 64),
        run_name(Settings(base="/a/tiny", steps=25), weights="1" * 64),
        run_name(here, weights="1" * 64),
    }
    assert len(others) == 3


def test_a_field_that_is_no_number_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read(["--cycles", "many"])
    assert caught.value.code == 2
    assert "invalid int value: 'many'" in capsys.readouterr().err
