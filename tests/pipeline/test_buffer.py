from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import add_twin, only_version, opened

from laimark_sidecar.errors import DataError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.buffer import SHORTEST_PREFIX, find, versions_that_saw


def test_item_is_found_by_its_id_or_an_unambiguous_beginning(ready_home: Home) -> None:
    with opened(ready_home).store() as store:
        item = next(store.items())
        assert find(store, item.id) == item
        assert find(store, item.id[:12]) == item


@pytest.mark.parametrize("name", ["", "a", "zzzzzzzz"])
def test_what_names_no_item_or_is_too_short_is_refused(ready_home: Home, name: str) -> None:
    with opened(ready_home).store() as store, pytest.raises(DataError, match="names no items"):
        find(store, name)


def test_ambiguous_beginning_says_how_many(ready_home: Home) -> None:
    with opened(ready_home).store() as store:
        item = next(store.items())
        twin = replace(item, id=item.id[:-1] + ("0" if item.id[-1] != "0" else "1"), target="other words")
        twin = replace(twin, spans=(replace(item.spans[0], end=len(twin.target)),))
        store.ingest("test", b"", (), [twin])
        with pytest.raises(DataError, match="names 2 items"):
            find(store, item.id[:SHORTEST_PREFIX])


def test_descendants_of_a_version_that_saw_an_item_saw_it_too(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    child = add_twin(
        workshop, replace(version, sample_ids=()), name="me:2026-11-22-fffe", parent=version.name
    )
    add_twin(workshop, replace(version, sample_ids=()), name="me:2026-11-22-ffff")
    assert set(versions_that_saw(workshop, {version.sample_ids[0]})) == {child.name, version.name}
    assert versions_that_saw(workshop, {"unknown"}) == ()
