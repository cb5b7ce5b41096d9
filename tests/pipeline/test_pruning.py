from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.homes import only_version, opened, served

from laimark_sidecar.errors import StateError
from laimark_sidecar.files import exclusive
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.checkup import checkup
from laimark_sidecar.pipeline.folder import cycles
from laimark_sidecar.pipeline.naming import removal, remove
from laimark_sidecar.pipeline.pruning import prune_home
from laimark_sidecar.pipeline.workshop import Workshop


def weights(home: Home) -> list[Path]:
    """Every file below the home that holds weights: of the version, of its training, of the curvature."""
    objects = (path for path in home.registry.joinpath("objects").rglob("??*") if path.is_file())
    return [*objects, *home.cycles.rglob("*.safetensors")]


def without_version(home: Home) -> Workshop:
    workshop = opened(home)
    with served(workshop):
        remove(workshop, removal(workshop, only_version(workshop).name))
    return workshop


def test_what_a_version_needs_stays_and_nothing_else_is_found(trained_home: Home) -> None:
    workshop = opened(trained_home)
    before = weights(trained_home)
    assert prune_home(workshop, dry_run=False).paths == ()
    assert weights(trained_home) == before


def test_of_a_removed_version_no_weights_are_left(trained_home: Home) -> None:
    workshop = without_version(trained_home)
    before = weights(trained_home)
    told = prune_home(workshop)
    assert set(before) <= set(told.paths)
    assert told.size_bytes == sum(path.stat().st_size for path in told.paths)
    assert weights(trained_home) == before
    assert prune_home(workshop, dry_run=False) == replace(told, dry_run=False)
    assert weights(trained_home) == []
    (cycle,) = cycles(trained_home.cycles)
    assert cycle.closed() is not None
    assert cycle.judgement() is not None
    assert checkup(workshop) == ()
    assert prune_home(workshop, dry_run=False).paths == ()


def test_beside_a_daemon_young_objects_stay(trained_home: Home) -> None:
    workshop = without_version(trained_home)
    objects = [path for path in trained_home.registry.joinpath("objects").rglob("??*") if path.is_file()]
    with exclusive(trained_home.daemon_lock, "laimark-sidecar run (pid 1)"):
        done = prune_home(workshop, dry_run=False)
    assert done.young == len(objects) > 0
    assert all(path.exists() for path in objects)
    assert not list(trained_home.cycles.rglob("*.safetensors"))


def test_a_cycle_under_way_keeps_what_it_has_trained(trained_home: Home) -> None:
    (cycle,) = cycles(trained_home.cycles)
    workshop = without_version(trained_home)
    (cycle.root / "closed.json").unlink()
    prune_home(workshop, dry_run=False)
    assert (cycle.result / "adapter" / "adapter_model.safetensors").is_file()


def test_nothing_goes_while_the_end_of_a_cycle_cannot_be_read(trained_home: Home) -> None:
    (cycle,) = cycles(trained_home.cycles)
    workshop = without_version(trained_home)
    (cycle.root / "closed.json").write_bytes(b"{")
    before = weights(trained_home)
    with pytest.raises(StateError, match="damaged"):
        prune_home(workshop, dry_run=False)
    assert weights(trained_home) == before
