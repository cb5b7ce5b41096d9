"""Which prompts stand for what the base can do: shipped ones, and ones that the user asked himself."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.replay.minhash import Signature, signature, similarity
from laimark_sidecar.replay.near_duplicates import THRESHOLD

SCREEN_SHARE = 0.3
Split = Literal["train", "screen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorePrompt:
    """One prompt, and where it is from."""

    id: str
    split: Split
    """`train` is replayed, `screen` only ever judges."""
    language: str
    """ISO 639-1; empty where it cannot be told."""
    domain: str
    prompt: str
    reference: str = ""
    """A good answer by people, of one that judges; empty: the frozen base's own answer is what is scored."""
    record: str = ""
    """The exchange in which the user asked it; empty for a shipped one."""


def split_of_words(prompt: str) -> Split:
    """Return on which side a question is: by the hash of its words, so it never changes sides."""
    return "screen" if _hash(_plain(prompt))[0] < SCREEN_SHARE * 256 else "train"


def mixed(
    shipped: Sequence[CorePrompt], own: Iterable[CorePrompt], *, most_own: int
) -> tuple[CorePrompt, ...]:
    """Return all shipped prompts and a sample of the user's own, in an order of chance that is the same every time.

    All that are shipped stay, whatever he speaks: with fewer nothing can be shown. Near copies are left out: one question
    asked daily must not be the core, and a copy of what judges must not be replayed. Of too many those are taken whose
    hash is smallest: the same at the next build, as far as they are still there. Whoever takes the first of the result
    takes a mixture.

    Args:
        shipped: what comes with the program.
        own: what the user asked, screened already.
        most_own: the most of them that are taken.
    """
    known = _Known()
    for one in shipped:
        known.add(one.prompt)
    fresh: list[CorePrompt] = []
    for one in sorted(own, key=lambda one: _hash(one.id)):
        if len(fresh) == most_own:
            break
        if known.add(one.prompt):
            fresh.append(one)
    return tuple(sorted((*shipped, *fresh), key=lambda one: _hash(one.prompt)))


class _Known:
    """The prompts so far, to find near copies among them."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._bands: defaultdict[int, list[Signature]] = defaultdict(list)

    def add(self, prompt: str) -> bool:
        """Add a prompt and return True, unless a near copy of it is there."""
        words = _plain(prompt)
        if words in self._words:
            return False
        found = signature(words)
        near = (other for key in found.band_keys() for other in self._bands[key])
        if any(similarity(found.fingerprint, other.fingerprint) >= THRESHOLD for other in near):
            return False
        self._words.add(words)
        for key in found.band_keys():
            self._bands[key].append(found)
        return True


def _plain(prompt: str) -> str:
    return " ".join(prompt.lower().split())


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
