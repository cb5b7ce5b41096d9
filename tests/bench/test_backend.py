from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from laimark_sidecar.bench.lab import Lab

LabMaker = Callable[[Path], Lab]


def test_answers_in_one_batch_are_those_given_one_by_one(make_lab: LabMaker, tmp_path: Path) -> None:
    backend = make_lab(tmp_path).backend
    prompts = [[5, 6, 7], [9, 10, 11, 12, 13, 14, 15], [3]]
    together = backend.answers(prompts, end_id=-1, max_new_tokens=6)
    apart = [backend.answers([prompt], end_id=-1, max_new_tokens=6)[0] for prompt in prompts]
    assert together == apart
    assert [len(answer) for answer in together] == [6, 6, 6]


def test_an_answer_ends_before_its_end_token(make_lab: LabMaker, tmp_path: Path) -> None:
    backend = make_lab(tmp_path).backend
    (whole,) = backend.answers([[5, 6, 7]], end_id=-1, max_new_tokens=6)
    (cut,) = backend.answers([[5, 6, 7]], end_id=whole[3], max_new_tokens=6)
    assert cut == whole[: whole.index(whole[3])]
