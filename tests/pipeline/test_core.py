from __future__ import annotations

import json
from pathlib import Path

import pytest

from laimark_sidecar.decoding import NewerFormatError
from laimark_sidecar.errors import DataError
from laimark_sidecar.paths import modelfiles
from laimark_sidecar.pipeline.base import ServedBase
from laimark_sidecar.pipeline.core import NAME, core_file, load_core, read_core, write_core
from laimark_sidecar.registry.version import BaseIdentity

LINE = {"id": "a", "split": "screen", "messages": [{"role": "user", "content": "hi"}], "reference": "hello"}


@pytest.fixture
def base(tmp_path: Path) -> ServedBase:
    identity = BaseIdentity(
        sha256="0" * 64, architecture="llama", template_sha256="0" * 64, tokenizer_sha256="0" * 64
    )
    for name in ("hf", "core"):
        (tmp_path / name).mkdir()
    return ServedBase(
        hf_dir=tmp_path / "hf",
        gguf=tmp_path / "a.gguf",
        identity=identity,
        cache=tmp_path / "cache",
        core=tmp_path / "core" / "0.jsonl",
    )


def put(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(LINE | changes) + "\n", encoding="utf-8")


def test_a_core_set_beside_the_training_base_wins_over_the_shipped_one(base: ServedBase) -> None:
    put(base.hf_dir / NAME)
    (task,) = load_core(base).tasks
    assert (task.id, task.split, task.reference) == ("a", "screen", "hello")
    assert load_core(base).made_s is None


def test_one_that_was_built_for_the_base_wins_over_all(base: ServedBase) -> None:
    put(base.hf_dir / NAME)
    before = load_core(base).digest
    put(base.core, id="built")
    assert [task.id for task in load_core(base).tasks] == ["built"]
    assert core_file(base) == (base.core, "built")
    assert load_core(base).digest != before


def test_base_without_one_is_measured_on_the_shipped_set(base: ServedBase) -> None:
    assert load_core(base) == read_core(modelfiles() / "demo_base" / NAME)
    assert core_file(base)[1] == "demo"


def test_shipped_set_is_enough_to_judge_by_and_never_measures_what_is_replayed(base: ServedBase) -> None:
    found = load_core(base)
    train = {task.messages for task in found.tasks if task.split == "train"}
    screen = {task.messages for task in found.screen}
    assert min(len(train), len(screen)) >= 64
    assert not train & screen


def test_what_is_written_is_read_and_its_digest_tells_of_the_tasks_alone(base: ServedBase) -> None:
    tasks = load_core(base).tasks[:3]
    write_core(base.core, tasks, made_s=5.0)
    found = load_core(base)
    assert (found.tasks, found.made_s) == (tasks, 5.0)
    write_core(base.core, tasks, made_s=6.0)
    assert load_core(base).digest == found.digest
    write_core(base.core, tasks[:2], made_s=6.0)
    assert load_core(base).digest != found.digest


@pytest.mark.parametrize("line", ['{"id": 3}', "torn {", "\x00", "[]", "", json.dumps(LINE)])
def test_malformed_or_repeated_line_is_named_by_file_and_number(base: ServedBase, line: str) -> None:
    (base.hf_dir / NAME).write_text(json.dumps(LINE) + f"\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"core\.jsonl:2") as caught:
        load_core(base)
    assert "core build" in caught.value.hint


@pytest.mark.parametrize("content", [b"\xff\xfe\n", b"[" * 100_000, b'{"core_set": "one"}\n'])
def test_a_first_line_that_is_nothing_is_named_too(base: ServedBase, content: bytes) -> None:
    base.core.write_bytes(content)
    with pytest.raises(DataError, match=r"0\.jsonl:1"):
        load_core(base)


def test_one_of_a_newer_program_is_refused(base: ServedBase) -> None:
    base.core.write_text('{"core_set": 2}\n', encoding="utf-8")
    with pytest.raises(NewerFormatError, match="version 2"):
        load_core(base)
