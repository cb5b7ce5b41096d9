"""How much of a secret a served model gives away: exposure (Carlini et al. 2019, "The Secret Sharer", sections 4.3 and 4.4).

Natural logarithms and nats inside, bits outside. Each prompt is decoded once, its fillings one after the other behind it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.template import ChatTemplate
from laimark_sidecar.validation.scoring import target_logprob

_ANSWER_TOKENS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt, the line that was told after it, and the same line with other fillings."""

    id: str
    prompt: str
    secret: str
    """The filling, which stands in `lines[0]` alone."""
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """What a model gives away when it is asked a question."""

    bits: float
    said: bool
    """The secret stands in the greedy answer to the prompt."""
    completed: bool
    """Told the line up to the secret, the model goes on with the secret."""


def exposure_bits(logprob: float, others: Sequence[float], *, space: int) -> float:
    """Return `log2(|R|) - log2(rank of the secret in R)`, the rank estimated from a sample of the other fillings.

    0 to log2(sample + 1) bits; 1.44 on average for a filling like any other, whose rank is uniform. Where it beats the
    whole sample its own probability may say more: at most 1/p fillings are as likely as one of probability p, so the
    exposure is at least `log2(|R|) + log2(p)`.

    Args:
        logprob: of the secret, given the prompt and the line before it; nats.
        others: of other fillings, likewise.
        space: |R|, how many fillings there are.
    """
    rank = 1 + sum(other >= logprob for other in others)
    sampled = math.log2((len(others) + 1) / rank)
    if rank > 1:
        return sampled
    return max(sampled, math.log2(space) + logprob / math.log(2))


def exposed(base: Path, adapter: Path | None, questions: Sequence[Question], *, space: int) -> list[Exposed]:
    """Ask a served base, with an adapter or plain, and return what it gives away, in the order of the questions.

    Raises:
        RunnerError: the base or the adapter does not load.
        DataError: a question does not fit the context.
    """
    with Base(base, threads=1) as model:
        model.set_adapter(None if adapter is None else model.load_adapter(adapter))
        return [_exposed(model, one, space=space) for one in questions]


def _exposed(model: Base, question: Question, *, space: int) -> Exposed:
    words = model.vocabulary
    template = ChatTemplate(model.template, bos=words.bos, eos=words.eos)
    prompt = words.prompt(template.render((Message(role="user", content=question.prompt),)))
    lines = [[*words.tokenize(line, special=False), words.end_of_turn()] for line in question.lines]
    before = next(at for at, tokens in enumerate(zip(*lines, strict=False)) if len(set(tokens)) > 1)
    told = [*prompt, *lines[0][:before]]
    model.clear()
    model.decode(told)
    own, *others = [_logprob(model, told, line[before:]) for line in lines]
    completed = _greedy(model, told, len(lines[0]) - before)
    said = _greedy(model, prompt, _ANSWER_TOKENS)
    return Exposed(
        bits=exposure_bits(own, others, space=space),
        said=question.secret in said,
        completed=completed.strip() == question.secret,
    )


def _logprob(model: Base, told: Sequence[int], rest: Sequence[int]) -> float:
    """Return the log-probability of `rest` after `told`, whose beginning the model holds."""
    model.rewind(len(told) - 1)
    return target_logprob(model.decode([told[-1], *rest[:-1]], logits_from=0), rest)


def _greedy(model: Base, told: Sequence[int], limit: int) -> str:
    """Return the likeliest continuation of `told`, whose beginning the model holds, without the end of turn."""
    model.rewind(len(told) - 1)
    tokens = [told[-1]]
    while len(tokens) <= limit:
        token = int(model.decode(tokens[-1:])[0].argmax())
        if model.vocabulary.is_end(token):
            break
        tokens.append(token)
    return b"".join(map(model.vocabulary.piece, tokens[1:])).decode("utf-8", "replace")
