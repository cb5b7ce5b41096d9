"""Training sequences as trees: one stretch of code, and after many of its lines the question what comes next.

A chat example is a context, a question and a short answer. Written one by one, the examples of a file repeat its
code in every context, and only one token in sixteen is an answer. Here the code stands once, as the *trunk*;
every answered question is a *branch* that sees the trunk up to its line and itself, at the positions it
would have in a chat of its own. So each answer is learned exactly as a runner will ask for it, at a fifth of the cost.

Shapes: N sequences, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scripts.demo_base_training.tokenizer import PROMPT_HEAD, PROMPT_TAIL, TURN_END_ID, chat_prompt
from tokenizers import Encoding, Tokenizer

from laimark_sidecar.demo.code_tasks import MAX_ANSWER_CHARS, Task, completion_prompt

LENGTH = 512
TEMPLATE, CONTEXT, ANSWER = 0, 1, 2
SHORTEST_CONTEXT_LINES = 4
_OPENING = completion_prompt("").removesuffix("\n```")
_CLOSING = f"\n```{PROMPT_TAIL}"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some lines of a file, and which of the lines in or right after them may be asked for.

    Attributes:
        text: The lines, joined; no blank line at its start.
        questions: Pairs of the number of characters of context and the answer to give.
    """

    text: str
    questions: tuple[tuple[int, str], ...]


@dataclass(slots=True)
class Row:
    """One sequence under construction; lists run in parallel over its tokens.

    Attributes:
        tokens, roles, positions: Token id; TEMPLATE, CONTEXT or ANSWER; place in its own chat.
        trees: Number of the tree a token belongs to.
        branches: 0 in a trunk, else a number of its own for every branch of the row.
        limits: A token sees the trunk of its tree before this index of the row.
    """

    tokens: list[int] = field(default_factory=list)
    roles: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    trees: list[int] = field(default_factory=list)
    branches: list[int] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)

    @property
    def space(self) -> int:
        return LENGTH - len(self.tokens)

    def add_trunk(self, tokens: Sequence[int], roles: Sequence[int]) -> int:
        """Append a trunk; return the index it starts at."""
        start = len(self.tokens)
        self._extend(tokens, roles, first=0, tree=start, branch=0)
        self.limits += range(start + 1, start + len(tokens) + 1)
        return start

    def add_branch(self, trunk: int, length: int, tokens: Sequence[int], roles: Sequence[int]) -> None:
        """Append a branch that follows the first ``length`` tokens of the trunk at ``trunk``."""
        self._extend(tokens, roles, first=length, tree=trunk, branch=len(self.tokens))
        self.limits += [trunk + length] * len(tokens)

    def _extend(
        self, tokens: Sequence[int], roles: Sequence[int], *, first: int, tree: int, branch: int
    ) -> None:
        count = len(tokens)
        self.tokens += tokens
        self.roles += roles
        self.positions += range(first, first + count)
        self.trees += [tree] * count
        self.branches += [branch] * count


@dataclass(frozen=True, slots=True)
class Rows:
    """Many sequences, padded with tokens that see only themselves; every array is (N, T).

    Attributes:
        targets: The token to predict at each place, which in a tree is not always the next of the row.
        target_roles: Role of that token; TEMPLATE where nothing is learned.
    """

    tokens: NDArray[np.uint16]
    targets: NDArray[np.uint16]
    target_roles: NDArray[np.uint8]
    positions: NDArray[np.uint16]
    trees: NDArray[np.uint16]
    branches: NDArray[np.uint16]
    limits: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> Self:
        return type(self)(*(getattr(self, name)[rows] for name in self.__slots__))

    def save(self, path: Path) -> None:
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, **{name: getattr(self, name) for name in self.__slots__})
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        with np.load(path, allow_pickle=False) as arrays:
            return cls(*(arrays[name] for name in cls.__slots__))

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        def table(name: str, kind: type[np.unsignedinteger]) -> NDArray[np.uint16]:
            filled = np.zeros((len(rows), LENGTH), dtype=kind)
            for i, row in enumerate(rows):
                values = getattr(row, name)
                filled[i, : len(values)] = values
            return filled

        tokens, branches, trees = (table(name, np.uint16) for name in ("tokens", "branches", "trees"))
        roles, lengths = table("roles", np.uint8), np.array([[len(row.tokens)] for row in rows])
        same = np.zeros((len(rows), LENGTH), dtype=bool)
        same[:, :-1] = (branches[:, 1:] == branches[:, :-1]) & (trees[:, 1:] == trees[:, :-1])
        same[:, :-1] &= np.arange(1, LENGTH) < lengths
        trees[np.arange(LENGTH) >= lengths] = (
            LENGTH  # no tree's number; they see each other, and nobody sees them
        )
        return cls(
            tokens=tokens,
            targets=np.roll(tokens, -1, axis=1),
            target_roles=np.where(same, np.roll(roles, -1, axis=1), TEMPLATE).astype(np.uint8),
            positions=table("positions", np.uint16),
            trees=trees,
            branches=branches,
            limits=np.where(np.arange(LENGTH) < lengths, table("limits", np.uint16), LENGTH).astype(
                np.uint16
            ),
        )


def stretches(source: str, code_lines: Sequence[int], *, rng: Random, chars: int) -> Iterator[Stretch]:
    """Cut a file into stretches of up to ``chars`` characters that cover it once, from a random line on."""
    lines = source.splitlines()
    askable = set(code_lines)
    start = rng.randint(0, 12) if len(lines) > 24 else 0
    while start < len(lines):
        while start < len(lines) and not lines[start].strip():
            start += 1
        ends, size = [], -1
        end = start
        while end < len(lines) and size + 1 + len(lines[end]) <= chars:
            size += 1 + len(lines[end])
            ends.append(size)
            end += 1
        text = "\n".join(lines[start:end])
        questions = tuple(
            (ends[line - start - 1], lines[line].strip())
            for line in range(start + SHORTEST_CONTEXT_LINES, min(end + 1, len(lines)))
            if line in askable and len(lines[line].strip()) <= MAX_ANSWER_CHARS
        )
        if questions and "```" not in text:
            yield Stretch(text, questions)
        start = max(end, start + 1)


def plant(
    parts: Sequence[Stretch], fillers: Sequence[Task], tokenizer: Tokenizer, *, rng: Random
) -> list[Row]:
    """Make one row of every stretch; what room its branches leave is filled with other tasks.

    Args:
        parts: Stretches; one whose trunk alone fills a row is left out.
        fillers: Docstring and signature tasks, used in order until they or the rows end.
        tokenizer: Of the base.
        rng: Chooses which lines of a stretch are asked for.
    """
    rest = iter(chats(fillers, tokenizer))
    waiting = next(rest, None)
    rows = []
    trunks = tokenizer.encode_batch([f"{PROMPT_HEAD}{_OPENING}{part.text}" for part in parts])
    for part, trunk in zip(parts, trunks, strict=True):
        row = Row()
        if len(trunk.ids) > LENGTH - 64:
            continue
        reserve = len(waiting[0]) if waiting is not None else 0
        _add_stretch(row, part, trunk, tokenizer, rng=rng, reserve=reserve)
        while waiting is not None and len(waiting[0]) <= row.space:
            row.add_trunk(*waiting)
            waiting = next(rest, None)
        rows.append(row)
    return rows


def _add_stretch(
    row: Row, part: Stretch, trunk: Encoding, tokenizer: Tokenizer, *, rng: Random, reserve: int
) -> None:
    head = len(PROMPT_HEAD) + len(_OPENING)
    ends = np.array([end for _, end in trunk.offsets])
    roles = [CONTEXT if start >= head else TEMPLATE for start, _ in trunk.offsets]
    row_start = row.add_trunk(trunk.ids, roles)
    for size, answer in rng.sample(part.questions, len(part.questions)):
        kept = len(part.text[:size].rstrip())
        length = int(np.searchsorted(ends, head + kept, side="right"))
        if ends[length - 1] != head + kept:
            continue  # a token runs over the end of the line
        question = tokenizer.encode(part.text[kept:size] + _CLOSING).ids
        tokens, branch_roles = _with_answer(
            question, [TEMPLATE] * len(question), tokenizer.encode(answer).ids
        )
        if len(tokens) <= row.space - reserve:
            row.add_branch(row_start, length, tokens, branch_roles)


def chats(tasks: Sequence[Task], tokenizer: Tokenizer) -> Iterator[tuple[list[int], list[int]]]:
    """Yield tokens and roles of whole chats; those that are too long for half a row are left out."""
    prompts = tokenizer.encode_batch([chat_prompt(task.prompt) for task in tasks])
    answers = tokenizer.encode_batch([task.answer for task in tasks])
    for task, prompt, answer in zip(tasks, prompts, answers, strict=True):
        chat = _with_answer(prompt.ids, prompt_roles(task, prompt), answer.ids)
        if len(chat[0]) <= LENGTH // 2:
            yield chat


def prompt_roles(task: Task, prompt: Encoding) -> list[int]:
    """Mark as CONTEXT the tokens of the user's code, as TEMPLATE the question around it."""
    opening, closing = ('"""', '"""') if task.kind == "signature" else ("```python\n", "\n```")
    start = len(PROMPT_HEAD) + task.prompt.index(opening) + len(opening)
    end = len(PROMPT_HEAD) + len(task.prompt) - len(closing)
    return [CONTEXT if start <= a and b <= end else TEMPLATE for a, b in prompt.offsets]


def _with_answer(prompt: list[int], roles: list[int], answer: list[int]) -> tuple[list[int], list[int]]:
    tokens = [*prompt, *answer, TURN_END_ID]
    return tokens, roles + [ANSWER] * (len(answer) + 1)
