"""What was measured on the served artefact about one candidate: the only input of the verdict.

Kept as JSON in the cycle's folder, so that any verdict can be judged again later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import msgspec

from laimark_sidecar import files
from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScore:
    """How likely the frozen base and the candidate find one item's target.

    Log-probs are sums over the target's tokens, in nats. A broken adapter may give NaN or infinity: that is evidence
    too, and the verdict rejects it.
    """

    id: str
    tokens: int
    base: float
    candidate: float
    previous: float | None = None
    """Of the version that served when this was measured; None where the base did."""
    exact_base: bool = False
    """Greedy decoding of the base gives the target, token by token."""
    exact_candidate: bool = False

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise DataError(f"item {self.id} has {self.tokens} target tokens, expected at least 1")

    @property
    def margin(self) -> float:
        """How much likelier the candidate finds the target than the base does, in nats per token."""
        return (self.candidate - self.base) / self.tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftScore:
    """How far the candidate's next-token distributions are from the base's on one fixed prompt."""

    id: str
    kl: float
    """Mean over the positions of KL(base || candidate), in nats."""
    entropy_base: float
    """Mean entropy of the base's next-token distribution, in nats."""
    entropy_candidate: float
    tokens: int
    """How many positions."""

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise DataError(f"drift prompt {self.id} has {self.tokens} positions, expected at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All measurements of one candidate at one scale."""

    heldout: tuple[ItemScore, ...]
    """The user's items that training never sees."""
    core: tuple[ItemScore, ...]
    """What the base could do and must still be able to do."""
    drift: tuple[DriftScore, ...]
    scale: float
    """Of the line search; 1 is the adapter as trained."""
    core_set: str = ""
    """Digest of the core set that it was measured by; earlier releases do not tell."""
    sameness_base: float | None = None
    """Mean ROUGE-L between the base's own answers to different prompts; None where there are too few, or no such figure."""
    sameness_candidate: float | None = None
    version: int = FORMAT_VERSION


def unmeasurable(evidence: Evidence) -> tuple[str, ...]:
    """Return the ids of the items with a figure that is not finite, in order."""
    measured = [
        *((i.id, (i.base, i.candidate, i.previous or 0.0)) for i in (*evidence.heldout, *evidence.core)),
        *((d.id, (d.kl, d.entropy_base, d.entropy_candidate)) for d in evidence.drift),
    ]
    return tuple(name for name, figures in measured if not all(map(math.isfinite, figures)))


def encode(evidence: Evidence) -> bytes:
    """Return the evidence as JSON. Figures that are not finite become the strings `nan`, `inf`, `-inf`."""
    return msgspec.json.encode(_without_nonfinite(msgspec.to_builtins(evidence)))


def decode(content: bytes) -> Evidence:
    """Parse what `encode` wrote.

    Raises:
        DataError: not JSON, not evidence, or of a newer format.
    """
    try:
        fields = decode_json(content, dict[str, object])
        found = fields.get("version")
        if not isinstance(found, int) or found > FORMAT_VERSION:
            raise DataError(
                f"evidence has format version {found}, this program reads up to {FORMAT_VERSION}",
                hint="upgrade laimark-sidecar",
            )
        return msgspec.convert(fields, type=Evidence, strict=False)  # lax: "nan" is a float
    except (MalformedError, msgspec.ValidationError) as error:
        raise DataError(f"evidence is malformed: {error}") from error


def write(path: Path, evidence: Evidence) -> None:
    """Keep the evidence in `path`; durable when it returns."""
    files.write_atomic(path, encode(evidence))


def read(path: Path) -> Evidence:
    """Read what `write` kept.

    Raises:
        DataError: the file is missing or malformed.
    """
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _without_nonfinite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nonfinite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nonfinite(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
