"""Core prompts: the base's own tasks, for the sidecar to rehearse and to measure what was kept.

``train`` prompts come from files the base was trained on, ``screen`` prompts from held-out files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from random import Random
from typing import Literal

from scripts.demo_base_training.corpus import SourceFile
from scripts.demo_base_training.tokenizer import chat_prompt
from tokenizers import Tokenizer

from laimark_sidecar.demo.code_tasks import Task, completions, docstrings, signatures

KIND_COUNTS = {"complete": 240, "docstring": 30, "signature": 30}
MAX_PROMPT_TOKENS = 300
COMPLETIONS_PER_FILE = 30
PAIRS_PER_FILE = 10


def core_lines(files: Sequence[SourceFile], tokenizer: Tokenizer, *, rng: Random) -> list[str]:
    """Return 600 JSON lines: ``id``, ``split``, ``messages`` and the gold ``reference``.

    Test suites are left out; no file gives more than a few of them.
    """
    library = [file for file in files if not file.is_test]
    return [
        *_split_lines("train", [file for file in library if not file.is_held_out], tokenizer, rng),
        *_split_lines("screen", [file for file in library if file.is_held_out], tokenizer, rng),
    ]


def write_core(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _split_lines(
    split: Literal["train", "screen"], files: Sequence[SourceFile], tokenizer: Tokenizer, rng: Random
) -> list[str]:
    lines = []
    for kind, count in KIND_COUNTS.items():
        tasks = [task for task in _tasks(kind, files, rng) if _fits(task, tokenizer)]
        for number, task in enumerate(rng.sample(tasks, min(count, len(tasks)))):
            record = {
                "id": f"{split}-{kind}-{number:03}",
                "split": split,
                "messages": [{"role": "user", "content": task.prompt}],
                "reference": task.answer,
            }
            lines.append(json.dumps(record, ensure_ascii=False))
    return lines


def _tasks(kind: str, files: Sequence[SourceFile], rng: Random) -> list[Task]:
    """Return different tasks of ``kind``, a few of each file."""
    drawn = chain.from_iterable(_file_tasks(kind, file.text, rng) for file in files)
    return list({task.prompt: task for task in drawn}.values())


def _file_tasks(kind: str, source: str, rng: Random) -> list[Task]:
    if kind == "complete":
        return completions(source, rng=rng, count=COMPLETIONS_PER_FILE)
    build = docstrings if kind == "docstring" else signatures
    return build(source, rng=rng, count=PAIRS_PER_FILE)


def _fits(task: Task, tokenizer: Tokenizer) -> bool:
    return len(tokenizer.encode(chat_prompt(task.prompt)).ids) <= MAX_PROMPT_TOKENS
