from __future__ import annotations

from tests.support.forgetting import add_version
from tests.support.homes import opened

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.overview import overview
from laimark_sidecar.pipeline.taint import clean_ancestor, tainted

OLD, MIDDLE, NEW = "me:2026-11-20-aaaa", "me:2026-11-21-bbbb", "me:2026-11-22-cccc"


def test_a_version_is_tainted_by_what_it_learned_and_by_its_ancestors(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with workshop.store() as store:
        first, second = [item.id for item in store.items()][:2]
        add_version(workshop, OLD, sample_ids=[first])
        add_version(workshop, MIDDLE, sample_ids=[second], parent=OLD, created_s=2.0)
        add_version(workshop, NEW, parent=MIDDLE, created_s=3.0)
        assert tainted(workshop) == frozenset()
        store.oblivion.remove([second])
    assert tainted(workshop) == {MIDDLE, NEW}
    assert clean_ancestor(workshop, NEW) == OLD
    assert clean_ancestor(workshop, OLD) == OLD


def test_where_every_ancestor_is_tainted_the_base_is_clean(ready_home: Home) -> None:
    workshop = opened(ready_home)
    add_version(workshop, OLD, sample_ids=["gone"])
    with workshop.store() as store:
        store.oblivion.remove(["gone"])
    assert clean_ancestor(workshop, OLD) == ""


def test_a_tainted_version_that_is_served_is_a_warning_of_the_overview(ready_home: Home) -> None:
    workshop = opened(ready_home)
    add_version(workshop, OLD, sample_ids=["gone"])
    workshop.registry.set_refs({"latest": OLD}, reason="test")
    with workshop.store() as store:
        store.oblivion.remove(["gone"])
    assert any(OLD in warning and "forgotten" in warning for warning in overview(workshop).warnings)
