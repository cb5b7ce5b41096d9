"""Scores of an exported base on held-out files, read back through transformers as a user would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import torch
from scripts.demo_base_training.tokenizer import chat_prompt
from scripts.demo_base_training.trees import ANSWER, CONTEXT, chats
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from transformers import AutoModelForCausalLM, AutoTokenizer

from laimark_sidecar.demo.code_tasks import Task

BATCH = 16
MAX_NEW_TOKENS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Scores on tasks of one kind.

    Attributes:
        n: Number of tasks.
        exact_match: Share of greedy answers equal to the gold answer, white space apart.
        edit_similarity: Mean ``difflib.SequenceMatcher.ratio`` of the greedy and the gold answer.
        answer_nll: Mean negative log likelihood, in nats, of a token of the gold answer (its end included).
        context_nll: The same of a token of the user's code.
    """

    n: int
    exact_match: float
    edit_similarity: float
    answer_nll: float
    context_nll: float


class ExportedBase:
    """The base in ``folder``, for greedy answers and likelihoods in 32-bit floats on the CPU."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.tokenizer.padding_side = "left"
        self.network: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    @torch.no_grad()
    def answers(self, prompts: Sequence[str]) -> list[str]:
        """Return greedy answers, in the order of ``prompts``."""
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        found: dict[int, str] = {}
        for start in range(0, len(order), BATCH):
            group = order[start : start + BATCH]
            inputs = self.tokenizer(
                [chat_prompt(prompts[i]) for i in group], return_tensors="pt", padding=True
            )
            output = self.network.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
            texts = self.tokenizer.batch_decode(
                output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
            )
            found |= dict(zip(group, texts, strict=True))
        return [found[i] for i in range(len(prompts))]

    @torch.no_grad()
    def mean_nll(self, tasks: Sequence[Task]) -> tuple[float, float]:
        """Return the mean negative log likelihood of context tokens and of answer tokens, in nats."""
        tokenizer = self.tokenizer.backend_tokenizer
        tokenizer.no_padding()  # answering a batch leaves padding switched on
        sums, counts = [0.0] * 3, [0] * 3
        for ids, roles in chats(tasks, tokenizer):
            tokens = torch.tensor(ids)
            losses: Tensor = F.cross_entropy(
                self.network(tokens[None, :-1]).logits[0], tokens[1:], reduction="none"
            )
            for role in (CONTEXT, ANSWER):
                wanted = torch.tensor(roles[1:]) == role
                sums[role] += losses[wanted].sum().item()
                counts[role] += int(wanted.sum())
        return sums[CONTEXT] / max(1, counts[CONTEXT]), sums[ANSWER] / max(1, counts[ANSWER])

    def score(self, tasks: Sequence[Task]) -> Score:
        """Score the greedy answers to ``tasks`` and the likelihood of their gold answers."""
        answers = self.answers([task.prompt for task in tasks])
        context_nll, answer_nll = self.mean_nll(tasks)
        pairs = [
            (normalised(answer), normalised(task.answer)) for answer, task in zip(answers, tasks, strict=True)
        ]
        return Score(
            n=len(tasks),
            exact_match=_mean([float(answer == gold) for answer, gold in pairs]),
            edit_similarity=_mean(
                [SequenceMatcher(None, gold, answer, autojunk=False).ratio() for answer, gold in pairs]
            ),
            answer_nll=round(answer_nll, 4),
            context_nll=round(context_nll, 4),
        )


def normalised(text: str) -> str:
    """Return ``text`` with every run of white space as one blank and none around it."""
    return " ".join(text.split())


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / max(1, len(values)), 4)
