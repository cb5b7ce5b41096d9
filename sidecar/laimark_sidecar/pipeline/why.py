"""Why is a version as it is: the lessons it was made from, and the reasons for which the gate let it through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import StateError
from laimark_sidecar.pipeline.folder import Judgement
from laimark_sidecar.pipeline.learned import Learned, decode_learned
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.validation.checks import Reason

Whereabouts = Literal["held", "gone", "forgotten"]
"""In the buffer; evicted from it; taken out of it by the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonNow:
    """A lesson of a version as it stands today."""

    id: str
    pool: str
    """`new` or `user` (replayed); empty for versions of earlier releases."""
    signal: str
    weight: float
    """What its loss counted; 0 where it is not known any more."""
    whereabouts: Whereabouts
    prompt: str = ""
    """The user's last words before the answer; empty unless held."""
    target: str = ""
    """What was learned to answer; empty unless held."""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """The grounds of one version."""

    version: str
    parent: str
    consolidation: str
    """Why it began at the base although another version served; empty otherwise."""
    cycle: str
    scale: float
    reasons: tuple[Reason, ...]
    """The gate's, as they were; empty for versions of earlier releases."""
    lessons: tuple[LessonNow, ...]
    """New ones first, then by what they counted."""


def why(workshop: Workshop, version: Version) -> Why:
    """Return the grounds of a version. Texts come from the buffer: what was forgotten there is not told here.

    Raises:
        StateError: an object of the version is damaged or missing.
    """
    with workshop.store() as store:
        forgotten = set(store.oblivion.forgotten(set(version.sample_ids)))
        lessons = [_now(store, one, forgotten) for one in _learned(workshop, version)]
    lessons.sort(key=lambda one: (one.pool != "new", -one.weight, one.id))
    return Why(
        version=version.name,
        parent=version.parent,
        consolidation=version.consolidation,
        cycle=version.cycle,
        scale=version.scale,
        reasons=_reasons(workshop, version),
        lessons=tuple(lessons),
    )


def _learned(workshop: Workshop, version: Version) -> tuple[Learned | str, ...]:
    """Return the lessons, or their bare ids where the version is older than the record of them."""
    content = _object(workshop, version, "learned.json")
    known = decode_learned(content, of=version.name) if content else ()
    return known or version.sample_ids


def _now(store: ReplayStore, one: Learned | str, forgotten: set[str]) -> LessonNow:
    item_id = one if isinstance(one, str) else one.id
    held = store.get(item_id)
    told = _told(held) if held else {}
    where: Whereabouts = "held" if held else "forgotten" if item_id in forgotten else "gone"
    if isinstance(one, str):
        signal = held.signal if held else ""
        return LessonNow(id=item_id, pool="", signal=signal, weight=0.0, whereabouts=where, **told)
    return LessonNow(
        id=item_id, pool=one.pool, signal=one.signal, weight=one.weight, whereabouts=where, **told
    )


def _told(item: Item) -> dict[str, str]:
    return {"prompt": item.messages[-1].content, "target": item.target, "source": item.source}


def _reasons(workshop: Workshop, version: Version) -> tuple[Reason, ...]:
    content = _object(workshop, version, "verdict.json")
    try:
        return decode_json(content, Judgement).verdict.reasons if content else ()
    except MalformedError as error:
        raise StateError(
            f"verdict.json of {version.name} is damaged: {error}",
            hint="see what is wrong: laimark-sidecar check",
        ) from error


def _object(workshop: Workshop, version: Version, role: str) -> bytes:
    sha256 = version.objects.get(role)
    return workshop.registry.objects.path(sha256).read_bytes() if sha256 else b""
