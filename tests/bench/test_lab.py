from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from laimark_sidecar.bench.lab import CORE_CHARS, Lab, core_prompts

LabMaker = Callable[[Path], Lab]


def test_core_prompts_are_short_the_same_each_time_and_of_one_split(demo_base_dir: Path) -> None:
    trained = core_prompts(demo_base_dir, split="train", count=40)
    screened = core_prompts(demo_base_dir, split="screen", count=40)
    assert core_prompts(demo_base_dir, split="train", count=40) == trained
    assert core_prompts(demo_base_dir, split="train", count=10) == trained[:10]
    assert not {one.prompt for one in trained} & {one.prompt for one in screened}
    assert all(len(one.prompt) <= CORE_CHARS for one in (*trained, *screened))


def test_what_is_replayed_is_never_what_the_governor_watches(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    assert len(lab.core_replay) == lab.settings.core_replay
    assert len(lab.core_watched) == lab.settings.core_watched
    assert not {q.prompt for q in lab.core_replay} & {q.prompt for q in lab.core_watched}
    assert all(q.base is not None for q in (*lab.core_replay, *lab.core_watched, *lab.core_exam))
    assert [q.prompt for q in lab.core_gold] == [q.prompt for q in lab.core_exam]
