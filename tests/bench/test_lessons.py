from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from laimark_sidecar.bench.arms import chosen
from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.bench.lessons import lessons_of

LabMaker = Callable[[Path], Lab]


def pools(lab: Lab, name: str, cycle: int) -> Counter[str]:
    past = tuple(asked for done in lab.cycles[: cycle - 1] for asked in done)
    return Counter(item.pool for item in lessons_of(lab, chosen(name)[0], cycle, past).items)


def test_what_an_arm_draws_from_is_what_its_definition_says(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    assert pools(lab, "plain", 3) == {"new": 3}
    assert pools(lab, "replay", 3) == {"new": 3, "user": 6, "core": 3}
    assert pools(lab, "joint", 3) == {"new": 9, "core": 3}


def test_every_arm_replays_the_same_reservoir(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    lab = replace(lab, settings=replace(lab.settings, reservoir=2))
    past = (*lab.cycles[0], *lab.cycles[1])
    replayed = [
        [item.ids for item in lessons_of(lab, chosen(name)[0], 3, past).items if item.pool == "user"]
        for name in ("replay", "replay+input")
    ]
    assert replayed[0] == replayed[1]
    assert len(replayed[0]) == 2


def test_only_arms_that_are_governed_watch_the_core(make_lab: LabMaker, tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    watched = {
        name: lessons_of(lab, chosen(name)[0], 1, ()).kl_items for name in ("plain", "input", "replay")
    }
    assert {name: len(items) for name, items in watched.items()} == {"plain": 0, "input": 2, "replay": 2}
