"""Which prompts stand for what the base can do: shipped ones, and ones that the user asked himself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

SCREEN_SHARE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class CorePrompt:
    """One prompt, and where it is from."""

    id: str
    language: str
    domain: str
    prompt: str
    record: str = ""
    """The exchange in which the user asked it; empty for a shipped one."""

    @property
    def split(self) -> Literal["train", "screen"]:
        """`train` is replayed, `screen` only ever judges: by the hash of the words, so it never changes sides."""
        digest = hashlib.sha256(self.prompt.encode("utf-8", "surrogatepass")).digest()
        return "screen" if digest[0] < SCREEN_SHARE * 256 else "train"


def mixed(
    shipped: Sequence[CorePrompt], own: Iterable[CorePrompt], *, most_own: int
) -> tuple[CorePrompt, ...]:
    """Return the shipped prompts, then the user's own.

    All that are shipped stay, whatever he speaks: with fewer nothing can be shown. Of the same words the first stay. Of too
    many of his own those are taken whose hash is smallest: the same at the next build, as far as they are still there.

    Args:
        shipped: what comes with the program.
        own: what the user asked, screened already.
        most_own: the most of them that are taken.
    """
    words = {_same(one.prompt) for one in shipped}
    fresh: list[CorePrompt] = []
    for one in sorted(own, key=lambda one: hashlib.sha256(one.id.encode()).digest()):
        if _same(one.prompt) not in words:
            words.add(_same(one.prompt))
            fresh.append(one)
    return (*shipped, *fresh[:most_own])


def _same(prompt: str) -> str:
    return " ".join(prompt.lower().split())
