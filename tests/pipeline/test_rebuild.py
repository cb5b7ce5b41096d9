from __future__ import annotations

from tests.support.forgetting import add_version
from tests.support.homes import opened, served

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.naming import removal, remove
from laimark_sidecar.pipeline.rebuild import Rebuilding, step_back, unlearn

CLEAN, DIRTY = "me:2026-11-21-aaaa", "me:2026-11-22-bbbb"


def test_the_clean_ancestor_is_served_and_what_only_the_tainted_one_learned_is_new_again(
    ready_home: Home,
) -> None:
    workshop = opened(ready_home)
    with workshop.store() as store:
        first, second, third = [item.id for item in store.new_items(3)]
        add_version(workshop, DIRTY, sample_ids=[first, second, third])
        store.mark_trained([first, second, third], "cycle-bbbb")
        with served(workshop):
            workshop.registry.set_refs({"latest": DIRTY}, reason="test")
            store.oblivion.remove([first])
            assert step_back(workshop) == Rebuilding(serves="", lessons=2)
        assert workshop.registry.refs()["latest"] == ""
        assert {second, third} <= {item.id for item in store.new_items(100)}


def test_without_taint_nothing_moves(ready_home: Home) -> None:
    workshop = opened(ready_home)
    add_version(workshop, CLEAN)
    workshop.registry.set_refs({"latest": CLEAN}, reason="test")
    assert step_back(workshop) == Rebuilding(serves=CLEAN, lessons=0)
    assert workshop.registry.refs()["latest"] == CLEAN


def test_what_a_version_that_stays_has_learned_stays_learned(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with workshop.store() as store:
        first, second = [item.id for item in store.new_items(2)]
        add_version(workshop, CLEAN, sample_ids=[first])
        add_version(workshop, DIRTY, sample_ids=[first, second])
        store.mark_trained([first, second], "cycle-bbbb")
    assert unlearn(workshop, {DIRTY}) == 1


def test_what_only_a_removed_version_learned_is_new_again(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with workshop.store() as store, served(workshop):
        (first,) = [item.id for item in store.new_items(1)]
        add_version(workshop, DIRTY, sample_ids=[first])
        store.mark_trained([first], "cycle-bbbb")
        assert first not in {item.id for item in store.new_items(100)}
        remove(workshop, removal(workshop, DIRTY))
        assert first in {item.id for item in store.new_items(100)}
