from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.support.homes import never, opened, reconfigure, silent

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.core import core_file, load_core
from laimark_sidecar.pipeline.core_first import ensure_core, is_first
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.pipeline.workshop import Workshop


def bare(home: Home, folder: Path) -> Workshop:
    """Open a home whose training base has no core set beside it."""
    shutil.copytree(opened(home).base.hf_dir, folder, ignore=shutil.ignore_patterns("core.jsonl"))
    reconfigure(home, "base", hf=str(folder))
    return opened(home)


def test_a_base_without_a_core_set_gets_one_of_the_shipped_prompts_and_keeps_it(
    ready_home: Home, tmp_path: Path
) -> None:
    workshop = bare(ready_home, tmp_path / "bare")
    assert is_first(workshop)
    with pytest.raises(Yielded):
        ensure_core(workshop, report=silent, should_stop=lambda: True)
    assert core_file(workshop.base)[1] == "demo"
    ensure_core(workshop, report=silent, should_stop=never)
    assert core_file(workshop.base)[1] == "built"
    assert len({task.language for task in load_core(workshop.base).tasks}) >= 8
    assert not any(task.record for task in load_core(workshop.base).tasks)
    made = workshop.base.core.stat().st_mtime_ns
    ensure_core(workshop, report=silent, should_stop=never)
    assert workshop.base.core.stat().st_mtime_ns == made


def test_a_base_that_was_judged_keeps_its_yardstick(trained_home: Home, tmp_path: Path) -> None:
    workshop = bare(trained_home, tmp_path / "bare")
    assert not is_first(workshop)
    ensure_core(workshop, report=silent, should_stop=never)
    assert core_file(workshop.base)[1] == "demo"


def test_one_that_lies_beside_the_base_is_its_own(ready_home: Home) -> None:
    assert not is_first(opened(ready_home))
