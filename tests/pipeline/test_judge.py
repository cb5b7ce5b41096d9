from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.support.homes import SCREEN_PROMPTS, never, only_version, opened, reconfigure, silent

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import judge as module
from laimark_sidecar.pipeline.folder import CycleFolder, Plan, cycles
from laimark_sidecar.pipeline.judge import converted, gate_of, gather, hopeless, judged, measure
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.validation import evidence as evidence_file
from laimark_sidecar.validation.checks import Reason
from laimark_sidecar.validation.verdict import Verdict


def only_cycle(home: Home) -> tuple[CycleFolder, Plan]:
    (cycle,) = cycles(home.cycles)
    plan = cycle.plan()
    assert plan is not None
    return cycle, plan


def rejudge(workshop: Workshop, cycle: CycleFolder, plan: Plan) -> tuple[float, bool]:
    with workshop.store() as store:
        found = judged(workshop, store, cycle, plan, report=silent, should_stop=never)
    return found.scale, found.verdict.accepted


def test_judgement_is_made_once(trained_home: Home) -> None:
    cycle, plan = only_cycle(trained_home)
    reconfigure(trained_home, "gate", min_gain=50.0)
    assert rejudge(opened(trained_home), cycle, plan) == (1.0, True)


def test_free_answers_are_compared_and_their_likeness_alone_is_kept(trained_home: Home) -> None:
    cycle, _ = only_cycle(trained_home)
    found = evidence_file.read(cycle.evidence(1.0))
    assert found.sameness_base is not None
    assert found.sameness_candidate is not None
    assert 0.0 < found.sameness_base < 0.5  # a sound base says different things to different questions
    verdict = cycle.judgement()
    assert verdict is not None
    assert verdict.verdict.metrics["self_rouge"] == found.sameness_candidate


def test_evidence_that_is_there_is_judged_without_scoring_again(trained_home: Home) -> None:
    cycle, plan = only_cycle(trained_home)
    (cycle.root / "verdict.json").unlink()
    shutil.rmtree(cycle.result)
    assert rejudge(opened(trained_home), cycle, plan) == (1.0, True)


def test_smaller_scales_are_tried_until_none_is_left(trained_home: Home) -> None:
    cycle, plan = only_cycle(trained_home)
    (cycle.root / "verdict.json").unlink()
    for name in ("0.75", "0.50", "0.25"):
        shutil.copy(cycle.evidence(1.0), cycle.root / f"evidence-{name}.json")
    reconfigure(trained_home, "gate", min_gain=50.0)
    assert rejudge(opened(trained_home), cycle, plan) == (0.25, False)


def test_no_smaller_scale_is_tried_where_it_cannot_help() -> None:
    soft = Reason(check="gain", passed=False, value=0.0, threshold=0.0, text="")
    few = Reason(check="enough", passed=False, value=0.0, threshold=0.0, text="")
    assert not hopeless(Verdict(accepted=False, reasons=(soft,), metrics={}))
    worse = Reason(check="previous", passed=False, value=-0.1, threshold=0.0, text="")
    better = Reason(check="previous", passed=True, value=0.1, threshold=0.0, text="")
    assert hopeless(Verdict(accepted=False, reasons=(soft, worse), metrics={}))
    assert not hopeless(Verdict(accepted=False, reasons=(soft, better), metrics={}))
    assert hopeless(Verdict(accepted=False, reasons=(few,), metrics={}))
    assert hopeless(Verdict(accepted=False, reasons=(soft,), metrics={}, hard=True))


def test_level_is_spent_over_the_versions_accepted_so_far(ready_home: Home, trained_home: Home) -> None:
    first, second = gate_of(opened(ready_home)), gate_of(opened(trained_home))
    assert 0 < second.alpha < first.alpha < 0.05
    assert (first.min_items, first.kl_stop) == (4, 6.0)


def test_registered_file_is_the_one_that_was_scored(trained_home: Home) -> None:
    workshop = opened(trained_home)
    cycle, plan = only_cycle(trained_home)
    version = only_version(workshop)
    again = converted(workshop, cycle, plan, 1.0)
    assert again.read_bytes() == workshop.registry.objects.path(version.objects["adapter.gguf"]).read_bytes()


def test_version_before_is_measured_beside_the_candidate(trained_home: Home, tmp_path: Path) -> None:
    workshop = opened(trained_home)
    gguf = workshop.registry.objects.path(only_version(workshop).objects["adapter.gguf"])
    with workshop.store() as store:
        held = list(store.items(split="heldout", limit=2))
    found = measure(
        workshop, held, gguf, gguf, work=tmp_path / "w", scale=1.0, report=silent, should_stop=never
    )
    assert [item.id for item in found.heldout] == [item.id for item in held]
    assert all(item.previous == item.candidate != item.base for item in found.heldout)
    assert (len(found.core), len(found.drift)) == (SCREEN_PROMPTS, SCREEN_PROMPTS)


def test_newest_held_out_items_judge(trained_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HELDOUT", 2)
    workshop = opened(trained_home)
    cycle, plan = only_cycle(trained_home)
    with workshop.store() as store:
        newest = [item.id for item in store.items(split="heldout")][-2:]
        found = gather(workshop, store, cycle, plan, 0.5, report=silent, should_stop=never)
    assert [item.id for item in found.heldout] == newest


def test_stop_keeps_no_half_evidence(trained_home: Home) -> None:
    workshop = opened(trained_home)
    cycle, plan = only_cycle(trained_home)
    with workshop.store() as store, pytest.raises(Yielded):
        gather(workshop, store, cycle, plan, 0.5, report=silent, should_stop=lambda: True)
    assert not cycle.evidence(0.5).exists()
