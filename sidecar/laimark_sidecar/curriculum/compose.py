"""Which lessons of the user make up the next cycle: new ones, and past ones to see again.

A pure function of its arguments: equal arguments and `rng` states give equal cycles.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from laimark_sidecar.curriculum.lesson import Lesson, SourceLimits
from laimark_sidecar.errors import DataError
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.sampling import Drawn

_STRANGERS = "*"
REPLAY_PER_NEW = 0.5
"""Past lessons for each new one. What they weigh within a step is the trainer's business."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    lesson: Lesson
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    new: list[_Candidate]
    user: list[_Candidate]

    @property
    def total(self) -> int:
        return len(self.new) + len(self.user)


def replay_count(new_count: int) -> int:
    """Return how many past lessons go beside this many new ones, rounded up: what protects the old is never less."""
    return math.ceil(new_count * REPLAY_PER_NEW)


def compose(
    *,
    new: Sequence[Item],
    replay: Sequence[Drawn],
    limits: SourceLimits,
    rng: random.Random,
) -> tuple[Lesson, ...]:
    """Return a cycle's lessons in random order.

    The new lessons set the size: of the past ones the first `replay_count` are taken, as far as there are any. What
    carries no loss (weight 0, or no span to learn) is left out. An item that comes twice is taken once, as new
    before as replay. The sources that are not trusted get at most `limits.share` of the finished cycle and at most
    `limits.items` lessons, all of them together, new and replay too; the first ones offered stay.

    Raises:
        DataError: a held-out item came in, or the spans of an item do not cover its target.
    """
    for item in (*new, *(drawn.item for drawn in replay)):
        _verify(item)
    new_candidates = _distinct((_candidate_new(item) for item in new if _teaches(item)), taken=set())
    taken = {candidate.lesson.id for candidate in new_candidates}
    user_candidates = _distinct(
        (_candidate_user(drawn) for drawn in replay if _teaches(drawn.item)), taken=taken
    )
    choice = _limited(new_candidates, user_candidates, limits)
    lessons = [candidate.lesson for candidate in (*choice.new, *choice.user)]
    rng.shuffle(lessons)
    return tuple(lessons)


def _verify(item: Item) -> None:
    if item.split != "train":
        raise DataError(
            f"item {item.id} is {item.split} and must never be trained on",
            hint="this is a fault of the program: nothing was trained; please report it",
        )
    bounds = [0, *(bound for span in item.spans for bound in (span.start, span.end)), len(item.target)]
    gapless = all(bounds[index] == bounds[index + 1] for index in range(0, len(bounds), 2))
    if not gapless or any(span.start > span.end for span in item.spans):
        raise DataError(
            f"the spans of item {item.id} do not cover its target of {len(item.target)} characters"
        )


def _teaches(item: Item) -> bool:
    return item.weight > 0 and any(span.learn and span.end > span.start for span in item.spans)


def _candidate_new(item: Item) -> _Candidate:
    lesson = Lesson(
        id=item.id,
        pool="new",
        signal=item.signal,
        messages=item.messages,
        target=item.target,
        spans=item.spans,
        weight=item.weight,
        rejected=item.rejected,
    )
    return _Candidate(lesson=lesson, source=item.source)


def _candidate_user(drawn: Drawn) -> _Candidate:
    item = drawn.item
    lesson = Lesson(
        id=item.id,
        pool="user",
        signal=item.signal,
        messages=item.messages,
        target=item.target,
        spans=item.spans,
        weight=item.weight * drawn.importance_weight,
        rejected=item.rejected,
    )
    return _Candidate(lesson=lesson, source=item.source)


def _distinct(candidates: Iterable[_Candidate], *, taken: set[str]) -> list[_Candidate]:
    seen = set(taken)
    kept = []
    for candidate in candidates:
        if candidate.lesson.id not in seen:
            seen.add(candidate.lesson.id)
            kept.append(candidate)
    return kept


def _limited(new: list[_Candidate], user: list[_Candidate], limits: SourceLimits) -> _Choice:
    """Return the largest choice that keeps the limits.

    A limit is a share of the whole, and cutting a source makes the whole smaller: repeat until that changes
    nothing. Sizes only fall, so it ends.
    """
    choice = _proportioned(new, user)
    while True:
        most = limits.most(choice.total)
        counts: Counter[str] = Counter()
        new = [candidate for candidate in new if _within(candidate.source, counts, most, limits)]
        user = [candidate for candidate in user if _within(candidate.source, counts, most, limits)]
        smaller = _proportioned(new, user)
        if smaller.total == choice.total:
            return smaller
        choice = smaller


def _proportioned(new: list[_Candidate], user: list[_Candidate]) -> _Choice:
    return _Choice(new=new, user=user[: replay_count(len(new))])


def _within(source: str, counts: Counter[str], most: int, limits: SourceLimits) -> bool:
    # Each line of a log names its own source: a limit for each name would be none.
    key = source if source in limits.trusted else _STRANGERS
    counts[key] += 1
    return key in limits.trusted or counts[key] <= most
