from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from laimark_sidecar.bench.arms import chosen
from laimark_sidecar.bench.plan import ARMS, IS_NOT, UNSEEN_UNKNOWN, Plan, described, held_plan, keep_plan
from laimark_sidecar.bench.settings import Settings
from laimark_sidecar.errors import StateError

PLAN = Plan(arms=("base", "replay"), seeds=2, core="shipped", unseen=True)


def test_what_was_asked_is_kept_for_the_next_time(tmp_path: Path) -> None:
    assert held_plan(tmp_path) is None
    keep_plan(tmp_path, PLAN)
    assert held_plan(tmp_path) == PLAN
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(StateError, match=r"plan\.json is damaged"):
        held_plan(tmp_path)


def test_the_plan_says_what_is_run_and_what_it_is_not() -> None:
    settings, arms = Settings(base="/bases/tiny", cycles=6, stay=3), chosen("base,replay")
    text = described(settings, PLAN, arms, Path("/runs/one"), cells=24)
    assert text.startswith("tiny on cpu: 6 cycles of 192 tasks")
    assert "2 ways to learn, 2 seeds each, 24 cells to run: base, replay" in text
    assert "shipped core prompts" in text
    assert IS_NOT in text
    assert UNSEEN_UNKNOWN not in text
    unknown = described(settings, replace(PLAN, unseen=False), arms, Path("/runs/one"), cells=24)
    assert unknown.endswith(UNSEEN_UNKNOWN)


def test_the_arms_of_an_evening_are_there() -> None:
    assert ",".join(arm.name for arm in chosen(ARMS)).count(",") == ARMS.count(",")
