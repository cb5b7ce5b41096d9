"""What the model answered wrongly to a cycle's tasks before it learned them: the rejected half of each correction.

As in the product it is the answer of whoever served when the task came, the adapter of the cycle before, kept from then on.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.bench.lessons import bare_items
from laimark_sidecar.bench.questions import Question
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.demo.code_tasks import Task
from laimark_sidecar.demo.exam import mark
from laimark_sidecar.errors import StateError
from laimark_sidecar.files import write_atomic

_MOST_TOKENS = 40
_AT_ONCE = 64


def with_rejected(lab: Lab, cycle: int, folder: Path) -> Lab:
    """Return the laboratory whose tasks up to `cycle` know what was answered wrongly to them.

    This cycle's are asked of the model as it stands, if they were not yet; durable when it returns.

    Raises:
        StateError: what was kept of an earlier cycle is damaged.
    """
    path = _path(folder, cycle)
    if not path.is_file():
        write_atomic(path, msgspec.json.encode(_asked(lab, lab.cycles[cycle - 1])))
    told = tuple(
        tuple(
            replace(question, rejected_ids=ids)
            for question, ids in zip(asked, _read(folder, number), strict=True)
        )
        for number, asked in enumerate(lab.cycles[:cycle], start=1)
    )
    return replace(lab, cycles=(*told, *lab.cycles[cycle:]))


def _asked(lab: Lab, questions: tuple[Question, ...]) -> list[tuple[int, ...]]:
    """Return the greedy answer to each question with its end; empty where it is right, or does not come to an end."""
    found: list[tuple[int, ...]] = []
    for start in range(0, len(questions), _AT_ONCE):
        some = questions[start : start + _AT_ONCE]
        prompts = [
            one.ids[: -len(asked.answer_ids)]
            for one, asked in zip(bare_items(lab, some, "new"), some, strict=True)
        ]
        answers = lab.backend.answers(prompts, end_id=lab.tokenizer.end_ids[-1], max_new_tokens=_MOST_TOKENS)
        tasks = [Task(kind="complete", prompt=asked.prompt, answer=asked.answer) for asked in some]
        right = mark(tasks, [lab.text_of(answer) for answer in answers]).exact
        found += (
            () if exact or len(answer) == _MOST_TOKENS else (*answer, *lab.tokenizer.end_ids)
            for answer, exact in zip(answers, right, strict=True)
        )
    return found


def _path(folder: Path, cycle: int) -> Path:
    return folder / f"rejected-{cycle:04}.json"


def _read(folder: Path, cycle: int) -> list[tuple[int, ...]]:
    path = _path(folder, cycle)
    try:
        return decode_json(path.read_bytes(), list[tuple[int, ...]])
    except MalformedError as error:
        # The adapter that answered is gone: the arm has to begin again.
        raise StateError(
            f"{path} is damaged: {error}", hint=f"delete {folder} to run the arm again"
        ) from error
