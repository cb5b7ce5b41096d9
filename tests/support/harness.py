"""Tests with the real lm-eval: where it is, and tasks of our own for it.

It is an optional extra with packages enough to fill an environment of its own: LAIMARK_LM_EVAL_PYTHON may name that one's
interpreter.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

LM_EVAL_PYTHON = os.environ.get("LAIMARK_LM_EVAL_PYTHON", sys.executable)
needs_lm_eval = pytest.mark.skipif(
    sys.executable == LM_EVAL_PYTHON and find_spec("lm_eval") is None, reason="lm_eval is not installed"
)
LM_EVAL_S = 180
"""lm-eval imports scipy, pandas and datasets first; on a busy machine that alone takes longer than most tests may."""

_TASK = """\
task: {name}
dataset_path: json
dataset_kwargs:
  data_files: {data}
test_split: train
output_type: {kind}
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
{more}
metric_list:
  - metric: {metric}
    aggregation: mean
    higher_is_better: true
"""
_WRITES = 'generation_kwargs:\n  until: ["\\n\\n"]\n  max_gen_toks: {tokens}'


def write_task(folder: Path, name: str, pairs: Sequence[tuple[str, str]], *, tokens: int) -> None:
    """Write a task that lets the model write at most `tokens` and compares with the answer."""
    data = _data(folder, name, pairs)
    text = _TASK.format(
        name=name,
        data=data,
        kind="generate_until",
        more=_WRITES.format(tokens=tokens),
        metric="exact_match",
    )
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def write_choice_task(folder: Path, name: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Write a task that asks how likely given answers are."""
    data = _data(folder, name, pairs)
    text = _TASK.format(
        name=name, data=data, kind="multiple_choice", more='doc_to_choice: ["pass", "fail"]', metric="acc"
    )
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def _data(folder: Path, name: str, pairs: Sequence[tuple[str, str]]) -> Path:
    folder.mkdir(exist_ok=True)
    data = folder / f"{name}.jsonl"
    lines = [json.dumps({"question": question, "answer": answer}) for question, answer in pairs]
    data.write_text("\n".join(lines), encoding="utf-8")
    return data
