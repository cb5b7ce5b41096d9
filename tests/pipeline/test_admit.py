from __future__ import annotations

import shutil
import typing
from pathlib import Path

import pytest
from tests.support.homes import never, only_version, opened, silent
from tests.training.worker.conftest import moved_of_kind

from laimark_converters.update_distance import update_distances
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.admit import admit, admitted, weights_at
from laimark_sidecar.pipeline.convert import serve
from laimark_sidecar.pipeline.folder import CycleFolder, cycles
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.registry.names import file_name
from laimark_sidecar.training.adapter_kind import AdapterKind
from laimark_sidecar.validation.evidence import decode
from laimark_sidecar.validation.fingerprint import FINGERPRINT_TOKENS, read_fingerprint


def test_second_call_returns_the_same_version(trained_home: Home) -> None:
    workshop = opened(trained_home)
    (cycle,) = cycles(trained_home.cycles)
    plan, judgement = cycle.plan(), cycle.judgement()
    assert plan is not None
    assert judgement is not None
    version = admit(workshop, cycle, plan, judgement, report=silent, should_stop=lambda: True)
    assert version == only_version(workshop) == admitted(workshop, cycle)
    assert admitted(workshop, CycleFolder(root=trained_home.cycles / "other")) is None


def test_version_knows_where_it_comes_from_and_how_it_answers(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    (cycle,) = cycles(trained_home.cycles)
    assert (version.cycle, version.parent, version.verdict) == (cycle.id, "", "accepted")
    assert version.base == workshop.base.identity
    assert {"laimark-sidecar", "torch", "peft"} <= set(version.tools)
    expected = read_fingerprint(version.expected)
    assert 1 <= len(expected.tokens) <= FINGERPRINT_TOKENS
    evidence = workshop.registry.objects.path(version.objects["evidence.json"])
    assert len(decode(evidence.read_bytes()).heldout) == version.metrics["heldout_items"]


@pytest.mark.parametrize("kind", typing.get_args(AdapterKind))
def test_next_cycle_goes_on_from_the_very_update_that_is_served_at_a_smaller_scale(
    ready_home: Home, demo_base_dir: Path, kind: AdapterKind, tmp_path: Path
) -> None:
    workshop = opened(ready_home)
    whole, half = tmp_path / "whole", tmp_path / "half"
    whole.mkdir()
    moved_of_kind(demo_base_dir, kind).save_adapter(whole)
    shutil.copytree(whole, half)
    (half / "adapter_model.safetensors").write_bytes(weights_at(workshop, whole, 0.5))
    serve(whole, workshop.base.gguf, tmp_path / "served.gguf", scale=0.5)
    serve(half, workshop.base.gguf, tmp_path / "next.gguf")
    distances = update_distances(tmp_path / "served.gguf", tmp_path / "next.gguf")
    assert distances
    assert all(one.distance < 1e-3 * one.norm_a for one in distances)


def test_stop_while_admitting_registers_nothing_and_the_same_version_comes_later(trained_home: Home) -> None:
    workshop = opened(trained_home)
    (cycle,) = cycles(trained_home.cycles)
    plan, judgement, before = cycle.plan(), cycle.judgement(), only_version(workshop)
    assert plan is not None
    assert judgement is not None
    (workshop.registry.folder / "versions" / file_name(before.name)).unlink()
    with pytest.raises(Yielded):
        admit(workshop, cycle, plan, judgement, report=silent, should_stop=lambda: True)
    assert workshop.registry.versions() == ()
    after = admit(workshop, cycle, plan, judgement, report=silent, should_stop=never)
    assert (after.name, after.objects, after.expected) == (before.name, before.objects, before.expected)
