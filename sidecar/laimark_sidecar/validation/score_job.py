"""The contract between validation and its scoring child: what to score, and the scores. Natural logarithms, nats."""

from __future__ import annotations

from dataclasses import dataclass

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.validation.fingerprint import Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is scored: an adapter at a scale, or a whole merged model. Neither is the base itself."""

    name: str
    adapter_gguf: str = ""
    model_gguf: str = ""
    """Answers in place of the base: the same tokens and template, other weights."""
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreItem:
    """A prompt with the answer whose probability is asked."""

    id: str
    messages: tuple[Message, ...]
    target: str
    """In a KL item it may be empty: the base's own greedy answer stands in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreJob:
    """Everything that decides the scores."""

    base_gguf: str
    candidates: tuple[Candidate, ...]
    items: tuple[ScoreItem, ...] = ()
    kl_items: tuple[ScoreItem, ...] = ()
    answers: tuple[ScoreItem, ...] = ()
    """Prompts that every candidate answers greedily; the target is not looked at."""
    answer_tokens: int = 64
    """Most tokens of such an answer."""
    prompts: str = ""
    """The prompts as the runner itself renders them, where it has a template of its own; empty: the base's template."""
    threads: int = 0
    """0 chooses half of the cores."""
    context: int = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScore:
    """One candidate on one item."""

    id: str
    candidate: str
    logprob: float
    """Sum over the target's tokens and the end of turn, given the prompt."""
    tokens: int
    greedy: bool
    """Every target token is the argmax: greedy decoding would give exactly this answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KlScore:
    """One candidate's distance from the base on one prompt, means over the answer's positions."""

    id: str
    candidate: str
    kl: float
    """KL(base || candidate) over the full vocabulary."""
    base_entropy: float
    entropy: float
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One candidate's greedy answer to one prompt."""

    id: str
    candidate: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The result, candidates inside items in the job's order."""

    items: tuple[ItemScore, ...]
    kl: tuple[KlScore, ...]
    fingerprints: tuple[Fingerprint, ...]
    answers: tuple[Answer, ...] = ()
    left_out: tuple[str, ...] = ()
    """Ids of items that do not fit the context, or that the chat template refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreProgress:
    """One JSON line on the child's stdout."""

    done: int
    total: int
    """Items of all kinds."""
