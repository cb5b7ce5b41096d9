"""Which examples make up each step: decided once from the seed, so a position is all that a resume needs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Pool = Literal["new", "user", "core"]
POOLS: tuple[Pool, ...] = ("new", "user", "core")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How much each pool gets."""

    new: float
    user: float
    core: float

    def of(self, pool: Pool) -> float:
        """Return the share of one pool."""
        return {"new": self.new, "user": self.user, "core": self.core}[pool]


def effective_shares(pools: Sequence[Pool], shares: Shares) -> Shares:
    """Return the shares over the pools that occur in `pools`, summing to 1; all 0 if none may be drawn."""
    present = {pool: shares.of(pool) if pool in pools else 0.0 for pool in POOLS}
    total = sum(present.values())
    scaled = {pool: share / total if total > 0 else 0.0 for pool, share in present.items()}
    return Shares(new=scaled["new"], user=scaled["user"], core=scaled["core"])


def draw(
    pools: Sequence[Pool], shares: Shares, *, steps: int, batch_size: int, seed: int
) -> tuple[tuple[int, ...], ...]:
    """Return for each step the indices into `pools` to train on.

    Every pool is walked in shuffled epochs, so no example comes a second time before all came once. Shares that
    do not divide the batch are carried over to the next step, so they hold over the job.
    """
    share = effective_shares(pools, shares)
    walks = {pool: _Walk([i for i, p in enumerate(pools) if p == pool], f"{seed}:{pool}") for pool in POOLS}
    credit = dict.fromkeys(POOLS, 0.0)
    plan: list[tuple[int, ...]] = []
    for _ in range(steps):
        for pool in POOLS:
            credit[pool] += share.of(pool) * batch_size
        step: list[int] = []
        for _ in range(batch_size if any(share.of(pool) > 0 for pool in POOLS) else 0):
            pool = max((p for p in POOLS if share.of(p) > 0), key=lambda p: credit[p])
            credit[pool] -= 1.0
            step.append(walks[pool].next())
        plan.append(tuple(step))
    return tuple(plan)


def step_shares(pools: Sequence[Pool], plan: Sequence[Sequence[int]], shares: Shares) -> Shares:
    """Return what each pool counts in a step that it occurs in, so that over the job it counts its share.

    Formula: `share / (steps that the pool occurs in / steps)`. A batch too small for every pool leaves one out now and
    then; its plain share would then count twice, in how often it comes and in how much it weighs.
    """
    seen = dict.fromkeys(POOLS, 0)
    for step in plan:
        for pool in {pools[index] for index in step}:
            seen[pool] += 1
    scaled = {pool: shares.of(pool) * (len(plan) / count) if count else 0.0 for pool, count in seen.items()}
    return Shares(new=scaled["new"], user=scaled["user"], core=scaled["core"])


def micro_batches(
    indices: Sequence[int], lengths: Sequence[int], *, size: int, widths: Sequence[int] = ()
) -> tuple[tuple[int, ...], ...]:
    """Split a step into micro-batches of similar length, longest first: little padding, and memory fails early.

    Args:
        indices: of the step.
        lengths: tokens of each example's longest sequence, by index.
        size: most sequences of a micro-batch; an example that alone has more is one by itself.
        widths: sequences of each example, by index; one each where not given.
    """
    batches: list[list[int]] = []
    room = 0
    for index in sorted(indices, key=lambda i: (-lengths[i], i)):
        width = widths[index] if widths else 1
        if not batches or width > room:
            batches.append([])
            room = size
        batches[-1].append(index)
        room -= width
    return tuple(map(tuple, batches))


class _Walk:
    def __init__(self, members: list[int], seed: str) -> None:
        self._members = members
        self._random = random.Random(seed)
        self._left: list[int] = []

    def next(self) -> int:
        if not self._left:
            self._left = list(self._members)
            self._random.shuffle(self._left)
        return self._left.pop()
