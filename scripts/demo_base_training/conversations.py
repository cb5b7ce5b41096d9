"""Conversations as token arrays: pre-tokenised once, then drawn in batches of nearly equal length.

One conversation is one row, so attention and positions are those of inference; rows of a batch are padded to
a common width from a short list, so little is wasted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from scripts.demo_base_training.corpus import SourceFile
from scripts.demo_base_training.tokenizer import PROMPT_HEAD, chat_answer, chat_prompt
from tokenizers import Encoding, Tokenizer

from laimark_sidecar.demo.code_tasks import Task, completions, docstrings, signatures

WIDTHS = (64, 96, 128, 160, 192, 224, 256, 288, 384, 512, 768)
TEMPLATE, CONTEXT, ANSWER = 0, 1, 2
LONG_CONTEXT_SHARE = 0.06
TEST_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class Conversations:
    """Token ids of many conversations end to end.

    Attributes:
        tokens: All ids.
        roles: For every id: TEMPLATE, CONTEXT or ANSWER.
        starts: Where each conversation begins, and after the last one the length.
    """

    tokens: NDArray[np.uint16]
    roles: NDArray[np.uint8]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    def save(self, path: Path) -> None:
        np.savez(path, tokens=self.tokens, roles=self.roles, starts=self.starts)

    @staticmethod
    def load(path: Path) -> Conversations:
        with np.load(path, allow_pickle=False) as arrays:
            return Conversations(arrays["tokens"], arrays["roles"], arrays["starts"])


def draw_tasks(file: SourceFile, *, rng: Random, share: float) -> list[Task]:
    """Draw ``share`` of the possible tasks of a file: lines to complete, docstrings, signatures."""
    all_lines = file.text.count("\n")
    long_count = round(LONG_CONTEXT_SHARE * share * all_lines / 4)
    tasks = completions(file.text, rng=rng, count=10**9)
    tasks = tasks[: round(share * len(tasks))]
    tasks += completions(file.text, rng=rng, count=long_count, context_lines=(30, 70), max_context_chars=2300)
    for build in (docstrings, signatures):
        pairs = build(file.text, rng=rng, count=10**9)
        tasks += pairs[: round(share * len(pairs))]
    return tasks


def training_tasks(files: Sequence[SourceFile], *, rng: Random) -> Iterator[Task]:
    """Yield the tasks of all files; test suites give a smaller share of theirs."""
    for file in files:
        yield from draw_tasks(file, rng=rng, share=TEST_SHARE if file.is_test else 1.0)


def tokenised(tasks: Iterable[Task], tokenizer: Tokenizer, *, longest: int = WIDTHS[-1]) -> Conversations:
    """Tokenise tasks; those of more than ``longest`` tokens are dropped."""
    tokens: list[NDArray[np.uint16]] = []
    roles: list[NDArray[np.uint8]] = []
    iterator = iter(tasks)
    while chunk := list(islice(iterator, 4096)):
        prompts = tokenizer.encode_batch([chat_prompt(task.prompt) for task in chunk])
        answers = tokenizer.encode_batch([chat_answer(task.answer) for task in chunk])
        for task, prompt, answer in zip(chunk, prompts, answers, strict=True):
            if len(prompt.ids) + len(answer.ids) <= longest:
                tokens.append(np.array(prompt.ids + answer.ids, dtype=np.uint16))
                answer_roles = [ANSWER] * (len(answer.ids) - 1) + [TEMPLATE]  # no loss on the last line end
                roles.append(np.array(_prompt_roles(task, prompt) + answer_roles, dtype=np.uint8))
    starts = np.cumsum([0, *map(len, tokens)], dtype=np.int64)
    return Conversations(np.concatenate(tokens), np.concatenate(roles), starts)


def _prompt_roles(task: Task, prompt: Encoding) -> list[int]:
    """Mark as CONTEXT the tokens of the user's code, as TEMPLATE the question around it."""
    opening, closing = ('"""', '"""') if task.kind == "signature" else ("```python\n", "\n```")
    start = len(PROMPT_HEAD) + task.prompt.index(opening) + len(opening)
    end = len(PROMPT_HEAD) + len(task.prompt) - len(closing)
    return [CONTEXT if start <= a and b <= end else TEMPLATE for a, b in prompt.offsets]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one width: ids (B, T) padded with 0, roles (B, T) padded with TEMPLATE."""

    tokens: NDArray[np.int64]
    roles: NDArray[np.uint8]


def batch_order(conversations: Conversations, *, batch_tokens: int, seed: int) -> list[NDArray[np.int64]]:
    """Return one epoch of batches as row numbers: rows of like length together, batches in random order."""
    rng = np.random.default_rng(seed)
    width_index = np.searchsorted(np.array(WIDTHS), conversations.lengths())
    batches: list[NDArray[np.int64]] = []
    for index, width in enumerate(WIDTHS):
        rows = rng.permutation(np.flatnonzero(width_index == index))
        size = max(1, batch_tokens // width)
        batches += [rows[i : i + size] for i in range(0, len(rows), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def collate(conversations: Conversations, rows: NDArray[np.int64]) -> Batch:
    """Pad the given conversations to the narrowest common width of the list."""
    longest = int(conversations.lengths()[rows].max())
    width = next(width for width in WIDTHS if width >= longest)
    tokens = np.zeros((len(rows), width), dtype=np.int64)
    roles = np.zeros((len(rows), width), dtype=np.uint8)
    for i, row in enumerate(rows):
        start, end = conversations.starts[row], conversations.starts[row + 1]
        tokens[i, : end - start] = conversations.tokens[start:end]
        roles[i, : end - start] = conversations.roles[start:end]
    return Batch(tokens, roles)
