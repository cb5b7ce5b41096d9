from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import CONVERSATIONS, opened, reconfigure

from laimark_sidecar.clock import iso
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.readiness import Readiness, eligible, judges, readiness

READY = Readiness(
    new=3,
    judges=8,
    judges_needed=8,
    quarantined=0,
    quarantined_heldout=0,
    quarantine_until_s=0.0,
    heldout_share=0.2,
)
UNTIL_S = 1_795_000_000.0


def test_counting_stops_where_the_scheduler_has_seen_enough(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with workshop.store() as store:
        assert len(eligible(workshop, store, limit=3)) == 3
        assert eligible(workshop, store, limit=3) == eligible(workshop, store)[:3]


def test_held_out_items_of_strangers_are_a_twentieth_of_the_judges_at_most(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with workshop.store() as store:
        own = list(store.items(split="heldout"))
        copies = [
            replace(own[n % len(own)], id=f"{n:032x}", target=f"{n}{own[n % len(own)].target[1:]}")
            for n in range(60)
        ]
        foreign = [replace(item, source=f"stranger-{n}") for n, item in enumerate(copies[:30])]
        assert store.ingest("stranger", b"1", (), foreign).added > 10
        assert len(own) < 19
        assert judges(workshop, store, limit=999) == tuple(own)
        added = store.ingest("more", b"1", (), copies[30:]).added
        found = judges(workshop, store, limit=999)
        strangers = [item for item in found if item.source.startswith("stranger")]
        assert len(own) + added >= 19
        assert len(strangers) == (len(own) + added) // 19
        assert len(found) == len(own) + added + len(strangers)
        newest = judges(workshop, store, limit=20)
        assert len(newest) == 20
        assert sum(item.source.startswith("stranger") for item in newest) <= 1


def test_a_home_that_can_learn_lacks_nothing(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with workshop.store() as store:
        found = readiness(workshop, store)
        assert found.new == len(eligible(workshop, store))
    assert (found.lacking, found.judges_lacking) == ((), "")
    assert (found.quarantined, found.quarantine_until, found.judges) == (0, "", found.judges_needed)


def test_what_waits_in_quarantine_is_counted_and_dated(ready_home: Home) -> None:
    reconfigure(ready_home, "replay", quarantine_hours=24.0)
    workshop = opened(ready_home)
    with workshop.store() as store:
        found = readiness(workshop, store)
        splits = store.stats().by_split
    assert (found.new, found.judges) == (0, 0)
    assert (found.quarantined, found.quarantined_heldout) == (splits["train"], splits["heldout"])
    assert found.quarantined + found.quarantined_heldout == CONVERSATIONS
    day_s = found.quarantine_until_s - workshop.clock.now_s()
    assert 23 * 3600 < day_s <= 24 * 3600
    assert found.quarantine_until == iso(found.quarantine_until_s)


@pytest.mark.parametrize(
    ("found", "lacking", "hint"),
    [
        (READY, (), "see: laimark-sidecar buffer stats"),
        (replace(READY, new=0), ("nothing new to learn",), "see: laimark-sidecar buffer stats"),
        (
            replace(READY, new=0, quarantined=1, quarantine_until_s=UNTIL_S),
            (f"nothing new to learn (1 lesson waits in quarantine until {iso(UNTIL_S)})",),
            "wait, or set replay.quarantine_hours in config.toml",
        ),
        (
            replace(READY, judges=3),
            ("3 of 8 held-out examples to judge a version by",),
            "it takes about 40 corrections (replay.heldout_share), or a smaller gate.min_items",
        ),
        (
            replace(READY, judges=3, quarantined_heldout=5, quarantine_until_s=UNTIL_S),
            (
                f"3 of 8 held-out examples to judge a version by (5 more wait in quarantine until {iso(UNTIL_S)})",
            ),
            "wait, or set replay.quarantine_hours in config.toml; "
            "it takes about 40 corrections (replay.heldout_share), or a smaller gate.min_items",
        ),
    ],
)
def test_what_is_lacking_is_said_with_what_to_do(
    found: Readiness, lacking: tuple[str, ...], hint: str
) -> None:
    assert found.lacking == lacking
    assert found.hint == hint


def test_what_nobody_has_accepted_is_held_back_and_the_hint_says_where(ready_home: Home) -> None:
    reconfigure(ready_home, "replay", review="all")
    workshop = opened(ready_home)
    with workshop.store() as store:
        found = readiness(workshop, store)
        assert (found.new, found.judges, found.unreviewed) == (0, 0, store.stats().items)
        assert "buffer review" in found.hint
        for item in list(store.items()):
            store.review.accept(item.id)
        found = readiness(workshop, store)
        assert found.unreviewed == 0
        assert found.new > 0
        assert "buffer review" not in found.hint
