from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import only_version, open_sets, opened, silent

from laimark_sidecar.errors import BaseChangedError, RunnerError, StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.readiness import judges
from laimark_sidecar.pipeline.vault import look_into_vault


def test_each_look_is_told_and_counted_and_on_record(trained_home: Home) -> None:
    open_sets(trained_home)
    workshop = opened(trained_home)
    version = only_version(workshop)
    looks = [look_into_vault(workshop, version, report=silent) for _ in range(2)]
    with workshop.store() as store:
        held = len(judges(workshop, store, limit=999, of="vault"))
    assert [one.looks_before for one in looks] == [0, 1]
    assert looks[0].gain == looks[1].gain
    assert looks[0].gain.n == held > 0
    assert looks[0].gain.mean > 0  # the idiom was learned
    notes = [entry.reason for entry in workshop.registry.history() if not entry.moves]
    assert notes == [f"looked into the vault for {version.name} ({held} items)"] * 2
    assert only_version(workshop) == version


def test_empty_vault_says_when_it_fills_and_nothing_is_recorded(trained_home: Home) -> None:
    workshop = opened(trained_home)
    with pytest.raises(StateError, match="the vault is empty") as caught:
        look_into_vault(workshop, only_version(workshop), report=silent)
    assert "first 200" in caught.value.hint
    assert workshop.registry.history() == ()


def test_version_of_another_base_is_refused(trained_home: Home) -> None:
    open_sets(trained_home)
    workshop = opened(trained_home)
    version = only_version(workshop)
    with pytest.raises(BaseChangedError):
        look_into_vault(
            workshop, replace(version, base=replace(version.base, sha256="f" * 64)), report=silent
        )


def test_a_look_that_fails_is_on_record_all_the_same(trained_home: Home) -> None:
    open_sets(trained_home)
    workshop = opened(trained_home)
    version = only_version(workshop)
    gguf = workshop.registry.objects.path(version.objects["adapter.gguf"])
    gguf.chmod(0o600)
    gguf.write_bytes(gguf.read_bytes()[:4000])
    with pytest.raises(RunnerError):
        look_into_vault(workshop, version, report=silent)
    assert len(workshop.registry.history()) == 1
