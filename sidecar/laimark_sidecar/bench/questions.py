"""A question as tokens, with or without earlier corrections in its prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from laimark_sidecar.bench.arms import Memory
from laimark_sidecar.demo.code_tasks import Task, completion_prompt
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.training.worker.batches import Pool
from laimark_sidecar.training.worker.losses import BaseLogits, Item
from laimark_sidecar.training.worker.preference import pair_of
from laimark_sidecar.training.worker.tokens import ChatTokenizer

MAX_TOKENS = 512
"""What the demo base was trained on; longer prompts lose their oldest tokens."""
_INLINE_LINES = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What is asked, and the answer whose tokens are scored; the end of the turn is one of them."""

    prompt: str
    answer: str
    """As text; empty for core questions, where the base's own tokens are the answer."""
    answer_ids: tuple[int, ...]
    base: BaseLogits | None = None
    """Core only: the base's distribution at each answer token."""
    rejected_ids: tuple[int, ...] = ()
    """A wrong answer and its end, where an arm learns from it."""


def question(tokenizer: ChatTokenizer, task: Task) -> Question:
    """Return a task with its gold answer as tokens."""
    plain = tokenizer.tokens.plain(task.answer)
    # A line of code holds no control token, so where characters cannot be matched the tokens are the same.
    ids = plain[0] if plain is not None else tokenizer.tokens.ids(task.answer)
    return Question(prompt=task.prompt, answer=task.answer, answer_ids=(*ids, *tokenizer.end_ids))


def item(tokenizer: ChatTokenizer, asked: Question, messages: Sequence[Message], *, pool: Pool) -> Item:
    """Return the sequence to score or to train on; the answer is never cut."""
    prompt = tokenizer.prompt_ids(messages)[-(MAX_TOKENS - len(asked.answer_ids)) :]
    ids = (*prompt, *asked.answer_ids)
    return Item(
        pool=pool,
        ids=ids,
        positions=tuple(range(len(prompt) - 1, len(ids) - 1)),
        weight=1.0,
        base=asked.base,
        pair=pair_of(ids, len(prompt), asked.rejected_ids, max_length=MAX_TOKENS)
        if asked.rejected_ids
        else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PromptMemory:
    """Puts earlier corrections in front of a question; without a kind or a past it asks the bare question."""

    kind: Memory
    past: tuple[Question, ...]
    shots: int

    def messages(self, asked: Question) -> tuple[Message, ...]:
        """Return the conversation to send."""
        chosen = self._chosen(asked)
        if self.kind == "inline" and chosen:
            return (Message(role="user", content=inlined(asked.prompt, chosen)),)
        shown: list[Message] = []
        for earlier in chosen:
            shown.append(Message(role="user", content=earlier.prompt))
            shown.append(Message(role="assistant", content=earlier.answer))
        return (*shown, Message(role="user", content=asked.prompt))

    def _chosen(self, asked: Question) -> tuple[Question, ...]:
        if not self.kind or not self.past:
            return ()
        if self.kind == "recent":
            return self.past[-self.shots :]
        found = process.extract(
            asked.prompt,
            [earlier.prompt for earlier in self.past],
            scorer=fuzz.token_set_ratio,
            limit=self.shots,
        )
        # The most similar one last: next to the question.
        return tuple(self.past[index] for _, _, index in reversed(found))


def inlined(prompt: str, chosen: Sequence[Question]) -> str:
    """Write the last lines and the answer of earlier questions above the code of a completion; else change nothing."""
    code = code_of(prompt)
    if not code:
        return prompt
    above = [
        "\n".join([*code_of(earlier.prompt).splitlines()[-_INLINE_LINES:], earlier.answer])
        for earlier in chosen
    ]
    return completion_prompt("\n\n".join([*above, code]))


def code_of(prompt: str) -> str:
    """Return the code that a completion asks to go on with; empty for another kind of question."""
    head, _, rest = prompt.partition("```python\n")
    return rest.removesuffix("\n```") if head.startswith("Complete the code:") else ""
