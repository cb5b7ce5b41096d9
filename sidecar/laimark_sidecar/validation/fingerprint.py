"""The post-condition of serving: a served version must answer a fixed prompt as its artefact did when it was validated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError

FINGERPRINT_PROMPT = "Describe in one short sentence what you can do."
FINGERPRINT_TOKENS = 8
FINGERPRINT_TOP = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerprintToken:
    """One greedy token with the likeliest alternatives, most likely first."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What the served artefact answers to a fixed prompt: the post-condition of serving it."""

    candidate: str
    prompt: str
    """The one user message."""
    tokens: tuple[FingerprintToken, ...]


class ScoredToken(Protocol):
    """A token as any runner reports it."""

    @property
    def token(self) -> str: ...
    @property
    def top(self) -> tuple[tuple[str, float], ...]: ...


def fingerprint_json(value: Fingerprint) -> str:
    """Return the fingerprint as the text that a version keeps (`Version.expected`)."""
    return msgspec.json.encode(value).decode()


def read_fingerprint(text: str) -> Fingerprint:
    """Return the fingerprint that `fingerprint_json` wrote; raises DataError on anything else."""
    try:
        return decode_json(text, Fingerprint)
    except MalformedError as error:
        raise DataError(f"not a fingerprint: {error}") from error


def distance(expected: Fingerprint, tokens: Sequence[ScoredToken]) -> float:
    """Return how far a served answer is from the fingerprint: the largest log-prob difference of shared alternatives.

    Compared up to and including the first token that differs: after a near tie fell the other way the rest has another
    context. Infinite where the answers share too few alternatives (less than half) or one is cut short.
    Reference (design of runners): about 0.004 for a right f16 artefact, above 4 for a wrong one.
    """
    worst = 0.0
    for here, there in zip(expected.tokens, tokens, strict=False):
        ours, theirs = dict(here.top), dict(there.top)
        shared = ours.keys() & theirs.keys()
        if not shared or 2 * len(shared) < len(ours):
            return float("inf")
        worst = max(worst, *(abs(ours[token] - theirs[token]) for token in shared))
        if here.token != there.token:
            return worst
    return worst if len(tokens) == len(expected.tokens) else float("inf")
