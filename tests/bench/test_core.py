from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from laimark_sidecar.bench.core import CORE_CHARS, core_of, kept_core
from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.pipeline.core import CoreTask, write_core


def task(number: int, split: str, *, record: str = "", reference: str = "yes") -> CoreTask:
    return CoreTask(
        id=str(number),
        split="train" if split == "train" else "screen",
        messages=(Message(role="user", content=f"Question {number}?"),),
        reference=reference,
        record=record,
    )


def built(path: Path) -> Path:
    tasks = [task(0, "train"), task(1, "train"), task(2, "screen"), task(3, "screen", reference="")]
    write_core(path, [*tasks, task(4, "train", record="mine"), task(5, "screen", record="mine")], made_s=1.0)
    return path


def test_prompts_are_short_the_same_each_time_and_no_split_shares_one(demo_base_dir: Path) -> None:
    core = core_of(demo_base_dir, built=None)
    assert core == core_of(demo_base_dir, built=None)
    assert core.origin == "beside"
    assert not {one.prompt for one in core.train} & {one.prompt for one in core.screen}
    assert all(len(one.prompt) <= CORE_CHARS for one in (*core.train, *core.screen))


def test_a_base_without_a_core_takes_the_shipped_prompts_that_have_an_answer(tmp_path: Path) -> None:
    core = core_of(tmp_path, built=None)
    assert core.origin == "shipped"
    assert len(core.train) > 120
    assert len(core.screen) > 40
    assert all(one.gold for one in core.screen)


def test_a_set_that_was_built_is_taken_without_the_questions_of_the_user(tmp_path: Path) -> None:
    core = core_of(tmp_path, built=built(tmp_path / "built.jsonl"))
    assert core.origin == "built"
    assert {one.prompt for one in core.train} == {"Question 0?", "Question 1?"}
    assert [one.prompt for one in core.screen] == ["Question 2?"]


def test_a_run_keeps_the_core_that_it_began_with(tmp_path: Path) -> None:
    path = built(tmp_path / "built.jsonl")
    first = kept_core(tmp_path / "run", tmp_path, built=path, watched=1)
    path.unlink()
    assert kept_core(tmp_path / "run", tmp_path, built=None, watched=1) == first


def test_a_core_with_nothing_left_to_replay_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 short prompts to replay, of which 2 are only watched"):
        kept_core(tmp_path / "run", tmp_path, built=built(tmp_path / "built.jsonl"), watched=2)


def test_damage_is_named(tmp_path: Path, demo_base_dir: Path) -> None:
    shutil.copy(demo_base_dir / "core.jsonl", tmp_path)
    with (tmp_path / "core.jsonl").open("a") as file:
        file.write("{half a line")
    with pytest.raises(DataError, match=r"core\.jsonl:601"):
        core_of(tmp_path, built=None)
    (tmp_path / "core.json").write_text("[]")
    with pytest.raises(StateError, match=r"core\.json is damaged"):
        kept_core(tmp_path, tmp_path, built=None, watched=1)
