"""A cycle's folder: each step publishes one artefact atomically, so what exists *is* the state.

plan.json      what will be learned, from which parent, on which base
result/        the trained adapter (the worker renames it into place)
evidence-*.json  scores of the served artefact at one adapter scale
verdict.json   may it serve, at which scale, and why
closed.json    how it ended; a folder without it is unfinished and is carried on
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import StateError
from laimark_sidecar.files import write_atomic
from laimark_sidecar.pipeline.learned import Learned
from laimark_sidecar.validation.verdict import Verdict

FORMAT_VERSION = 1
Ending = Literal["promoted", "awaiting-review", "rejected", "abandoned"]
_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a cycle set out to do; written once, before anything is trained."""

    id: str
    created_s: float
    seed: int
    parent: str
    """Version to go on from; empty for the base."""
    base_sha256: str
    sample_ids: tuple[str, ...]
    """Replay items used (new and old), for `why` and `forget`."""
    new_ids: tuple[str, ...]
    learned: tuple[Learned, ...] = ()
    """What each of `sample_ids` counted for; plans of earlier releases do not tell."""
    consolidation: str = ""
    """Why it begins at the base with all lessons; `parent` then is what it must not be worse than. Empty: it goes on."""
    core_records: tuple[str, ...] = ()
    """Exchanges whose question is among the core prompts that are replayed."""
    version: int = FORMAT_VERSION

    @property
    def grows_on(self) -> str:
        """Version whose weights training begins with; empty for the base."""
        return "" if self.consolidation else self.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict and the scale it was given at (the last one tried, when rejected)."""

    scale: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """How a cycle ended."""

    ending: Ending
    version: str
    """The version it made; empty if none."""
    reason: str
    closed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleFolder:
    """Paths of one cycle and typed access to its records."""

    root: Path

    @property
    def id(self) -> str:
        return self.root.name

    @property
    def job(self) -> Path:
        return self.root / "job.json"

    @property
    def examples(self) -> Path:
        return self.root / "examples.jsonl"

    @property
    def prompts(self) -> Path:
        """The prompts as the runner renders them, where it has a template of its own."""
        return self.root / "prompts.json"

    @property
    def result(self) -> Path:
        return self.root / "result"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def parent(self) -> Path:
        """The parent version as a PEFT folder, checked out of the registry."""
        return self.root / "parent"

    @property
    def verdict(self) -> Path:
        return self.root / "verdict.json"

    def candidate(self, scale: float) -> Path:
        return self.root / f"candidate-{scale:.2f}.gguf"

    def evidence(self, scale: float) -> Path:
        return self.root / f"evidence-{scale:.2f}.json"

    def plan(self) -> Plan | None:
        return _read(self.root / "plan.json", Plan)

    def judgement(self) -> Judgement | None:
        return _read(self.verdict, Judgement)

    def closed(self) -> Closed | None:
        return _read(self.root / "closed.json", Closed)

    def write_plan(self, plan: Plan) -> None:
        write_atomic(self.root / "plan.json", msgspec.json.encode(plan))

    def write_judgement(self, judgement: Judgement) -> None:
        write_atomic(self.verdict, msgspec.json.encode(judgement))

    def write_closed(self, closed: Closed) -> None:
        write_atomic(self.root / "closed.json", msgspec.json.encode(closed))


def cycles(root: Path) -> tuple[CycleFolder, ...]:
    """Return every cycle, oldest first (their names sort by time)."""
    if not root.is_dir():
        return ()
    return tuple(CycleFolder(root=path) for path in sorted(root.iterdir()) if path.is_dir())


def unfinished(root: Path) -> CycleFolder | None:
    """Return the cycle that a crash or a yield left open: the newest folder without an ending, if it has a plan."""
    for cycle in reversed(cycles(root)):
        if cycle.closed() is None and cycle.plan() is not None:
            return cycle
    return None


def _read(path: Path, kind: type[_Record]) -> _Record | None:
    try:
        return decode_json(path.read_bytes(), kind)
    except FileNotFoundError:
        return None
    except (MalformedError, OSError) as error:
        raise StateError(
            f"{path} is damaged: {error}", hint=f"move {path.parent} away; the cycle is then started anew"
        ) from error
