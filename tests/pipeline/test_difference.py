from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import damage, only_version, opened, silent

from laimark_sidecar.errors import BaseChangedError, ConversionError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.core import load_core
from laimark_sidecar.pipeline.difference import difference, fixed_prompts


def test_a_trained_version_differs_from_the_base_in_figures_weights_and_answers(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    prompts = fixed_prompts(workshop, 3)
    found = difference(workshop, None, version, prompts=prompts, report=silent)
    assert (found.a, found.b) == ("base", version.name)
    assert found.metrics["gain"] == (None, version.metrics["gain"])
    assert (found.only_a, set(found.only_b), found.both) == ((), set(version.sample_ids), 0)
    assert all(layer.norm_a == 0 < layer.norm_b for layer in found.layers)
    assert [one.prompt for one in found.answers] == list(prompts)
    assert any(one.a != one.b for one in found.answers)


def test_a_version_is_the_same_as_itself(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    found = difference(workshop, version, version, prompts=["Hello?"], report=silent)
    assert (found.only_a, found.only_b, found.both) == ((), (), len(version.sample_ids))
    assert all(layer.distance <= 1e-6 * layer.norm_a for layer in found.layers)
    assert all(one.a == one.b for one in found.answers)


def test_versions_judged_by_different_core_sets_are_told_apart(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    assert version.core == load_core(workshop.base).digest
    for core, same in ((version.core, True), ("0" * 16, False), ("", True)):
        other = replace(version, core=core)  # of an earlier release: nobody knows
        assert difference(workshop, version, other, prompts=(), report=silent).same_core == same


def test_without_prompts_nothing_is_asked(trained_home: Home) -> None:
    workshop = opened(trained_home)
    assert difference(workshop, None, only_version(workshop), prompts=(), report=silent).answers == ()


def test_version_of_another_base_is_refused(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    other = replace(version, base=replace(version.base, sha256="f" * 64))
    with pytest.raises(BaseChangedError):
        difference(workshop, version, other, prompts=(), report=silent)


def test_damaged_adapter_is_told(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    path = damage(workshop, version)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ConversionError):
        difference(workshop, None, version, prompts=(), report=silent)
