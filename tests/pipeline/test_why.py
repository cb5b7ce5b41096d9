from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import only_version, opened

from laimark_sidecar.errors import StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.why import why


def test_every_lesson_is_told_with_its_signal_weight_and_words(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    found = why(workshop, version)
    assert {one.id for one in found.lessons} == set(version.sample_ids)
    assert all(
        (one.pool, one.signal, one.whereabouts, one.source) == ("new", "correction", "held", "embedded")
        for one in found.lessons
    )
    assert all(0 < one.weight <= 1 and one.prompt and one.target for one in found.lessons)
    assert [one.weight for one in found.lessons] == sorted(
        (one.weight for one in found.lessons), reverse=True
    )


def test_the_gate_s_reasons_are_those_of_the_day(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    reasons = {reason.check: reason for reason in why(workshop, version).reasons}
    assert all(reason.passed for reason in reasons.values())
    assert reasons["gain"].value == version.metrics["gain"]


def test_forgotten_words_are_not_told_and_signal_and_weight_stay(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    before = why(workshop, version).lessons[0]
    with workshop.store() as store:
        assert store.oblivion.remove([before.id]) == 1
    after = next(one for one in why(workshop, version).lessons if one.id == before.id)
    assert after == replace(before, whereabouts="forgotten", prompt="", target="", source="")


def test_version_of_an_earlier_release_is_told_by_its_ids(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    kept = {
        role: sha for role, sha in version.objects.items() if role not in ("learned.json", "verdict.json")
    }
    found = why(workshop, replace(version, objects=kept))
    assert found.reasons == ()
    assert {one.id for one in found.lessons} == set(version.sample_ids)
    assert all((one.pool, one.signal, one.weight) == ("", "correction", 0.0) for one in found.lessons)


@pytest.mark.parametrize("role", ["learned.json", "verdict.json"])
def test_damaged_or_missing_grounds_are_told(trained_home: Home, role: str) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    path = workshop.registry.objects.path(version.objects[role])
    path.chmod(0o600)
    path.write_bytes(b"{")
    with pytest.raises(StateError, match=rf"{role} of {version.name} is damaged"):
        why(workshop, version)
    path.unlink()
    with pytest.raises(StateError, match="is missing"):
        why(workshop, version)
