"""What the user works on, and what only ever measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.demo.code_base import own_sources, read_code
from laimark_sidecar.errors import DataError

FILES = 40


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A code base in which every line names its file."""
    for number in range(FILES):
        lines = "".join(f"value_{line} = compute(file_{number:02}, {line})\n" for line in range(30))
        (tmp_path / f"module_{number:02}.py").write_text(lines)
    return tmp_path


def files_of(tasks: tuple[object, ...]) -> set[str]:
    return {str(task).split("file_", 1)[1][:2] for task in tasks}


def test_no_file_is_both_worked_on_and_asked_about(root: Path) -> None:
    code = read_code(root, rounds=2, asks=200, exam=200)
    assert files_of(code.work)
    assert files_of(code.exam)
    assert not files_of(code.work) & files_of(code.exam)
    assert code.work_files + code.exam_files == FILES


def test_the_same_folder_gives_the_same_tasks_wherever_it_lies(root: Path, tmp_path: Path) -> None:
    first = read_code(root, rounds=2, asks=50, exam=50)
    root.rename(tmp_path.with_name("moved"))
    second = read_code(tmp_path.with_name("moved"), rounds=2, asks=50, exam=50)
    assert (first.work, first.exam) == (second.work, second.exam)


def test_another_seed_asks_other_lines_of_the_same_files(root: Path) -> None:
    first, second = (read_code(root, rounds=1, asks=50, exam=50, seed=seed) for seed in (0, 1))
    assert first.work != second.work
    assert not files_of(first.work + second.work) & files_of(first.exam + second.exam)


def test_as_many_tasks_as_asked_for(root: Path) -> None:
    code = read_code(root, rounds=3, asks=20, exam=30)
    assert (len(code.work), len(code.exam)) == (60, 30)


def test_too_little_code_is_refused_with_its_numbers(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("".join(f"x_{n} = {n}\n" for n in range(40)))
    with pytest.raises(DataError, match=r"lines to work on and \d+ to ask about are too few") as caught:
        read_code(tmp_path, rounds=2, asks=60, exam=60)
    assert str(tmp_path) in str(caught.value)
    assert "demo --code DIR" in caught.value.hint


def test_what_is_no_python_text_is_passed_over(root: Path) -> None:
    before = read_code(root, rounds=1, asks=50, exam=50)
    (root / "binary.py").write_bytes(b"\xff\xfe\x00" * 400)
    (root / "short.py").write_text("x = 1\n")
    (root / "folder.py").mkdir()
    assert read_code(root, rounds=1, asks=50, exam=50).work == before.work


def test_the_packages_own_sources_are_enough_for_the_default_demo() -> None:
    code = read_code(own_sources(), rounds=3, asks=120, exam=200)
    assert (len(code.work), len(code.exam)) == (360, 200)
