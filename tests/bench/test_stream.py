from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.bench.stream import User, divided, is_exam_file, read_user, seen_answers, turns
from laimark_sidecar.demo.code_tasks import Task
from laimark_sidecar.errors import DataError


@pytest.fixture
def code(tmp_path: Path) -> Path:
    for number in range(12):
        lines = [f"value_{number}_{line} = compute_{number}({line}, {line + 1})" for line in range(60)]
        (tmp_path / f"module_{number}.py").write_text("\n".join(lines))
    return tmp_path


def test_work_and_exam_come_from_different_files(code: Path) -> None:
    user = read_user("ada", code, "", seed=0, work=50, exam=20)
    work = {task.answer.split("_")[1] for task in user.work}
    exam = {task.answer.split("_")[1] for task in user.exam}
    assert work
    assert exam
    assert not work & exam
    assert exam <= {str(n) for n in range(12) if is_exam_file(Path(f"module_{n}.py"))}


def test_equal_seeds_give_equal_tasks_and_others_do_not(code: Path) -> None:
    first = read_user("ada", code, "camel", seed=1, work=50, exam=20)
    assert read_user("ada", code, "camel", seed=1, work=50, exam=20) == first
    assert read_user("ada", code, "camel", seed=2, work=50, exam=20) != first


def test_too_little_code_is_told(code: Path) -> None:
    with pytest.raises(DataError, match="for the exam, wanted 50000 and 20"):
        read_user("ada", code, "", seed=0, work=50_000, exam=20)


def test_everybody_comes_once_before_anybody_comes_again() -> None:
    order = turns("abc", cycles=12, stay=2, seed=0)
    assert set(order[:6]) == set("abc")
    assert order[::2] == order[1::2]
    assert order[6:] == order[:6]


def test_a_user_who_comes_again_brings_new_tasks(code: Path) -> None:
    user = read_user("ada", code, "", seed=0, work=20, exam=5)
    stream = divided({"ada": user}, ["ada", "ada"], tasks=10)
    assert stream.cycles[0].tasks + stream.cycles[1].tasks == user.work


def test_an_answer_was_seen_where_it_is_an_answer_of_some_lesson() -> None:
    work, exam = (
        tuple(Task(kind="complete", prompt="", answer=answer) for answer in answers)
        for answers in (("return x", "pass"), ("return  x", "return y"))
    )
    stream = divided({"ada": User(name="ada", work=work, exam=exam)}, ["ada"], tasks=2)
    assert seen_answers(stream) == {"ada": (True, False)}
