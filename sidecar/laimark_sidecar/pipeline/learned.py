"""What a version learned from, without a word of it: ids and weights stay with the version for good.

The texts are the buffer's, where they can be forgotten; an immutable version must never hold them.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from laimark_sidecar.curriculum.lesson import Pool
from laimark_sidecar.decoding import decode_versioned
from laimark_sidecar.replay.item import Signal

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """One lesson of a cycle."""

    id: str
    pool: Pool
    """`new`: no version had learned it; `user`: replayed."""
    signal: Signal
    weight: float
    """What its loss counted: signal weight times importance weight, in (0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    learned: tuple[Learned, ...]
    version: int = FORMAT_VERSION


def encode_learned(learned: tuple[Learned, ...]) -> bytes:
    """Return the object `learned.json` of a version."""
    return msgspec.json.encode(_File(learned=learned))


def decode_learned(content: bytes, *, of: str) -> tuple[Learned, ...]:
    """Parse what `encode_learned` made.

    Raises:
        StateError: it is damaged or newer; `of` names the version.
    """
    return decode_versioned(
        content,
        _File,
        newest=FORMAT_VERSION,
        what=f"learned.json of {of}",
        hint="see what is wrong: laimark-sidecar check",
    ).learned
