from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.homes import never, only_version, open_sets, opened, silent

from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline import confirm as module
from laimark_sidecar.pipeline.confirm import best_so_far, confirm, refused_so_far
from laimark_sidecar.pipeline.folder import CycleFolder, Judgement, cycles
from laimark_sidecar.pipeline.judge import gate_of, judged
from laimark_sidecar.pipeline.readiness import judges
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.validation.gate import Gate
from laimark_sidecar.validation.ladder import answer


@pytest.fixture
def asked_home(trained_home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A trained home with a promotion set that is large enough."""
    open_sets(trained_home)
    monkeypatch.setattr(module, "MIN_PROMOTION", 8)
    return trained_home


def only_cycle(home: Home) -> CycleFolder:
    (cycle,) = cycles(home.cycles)
    return cycle


def asked(workshop: Workshop, gate: Gate, work: Path, *, stop: bool = False) -> Judgement:
    screened = only_cycle(workshop.home).judgement()
    assert screened is not None
    gguf = workshop.registry.objects.path(only_version(workshop).objects["adapter.gguf"])
    with workshop.store() as store:
        return confirm(
            workshop,
            store,
            screened,
            gate,
            lambda: gguf,
            gguf,
            work=work,
            report=silent,
            should_stop=lambda: stop,
        )


def test_a_candidate_that_learned_holds_up_and_the_verdict_says_what_was_asked(
    asked_home: Home, tmp_path: Path
) -> None:
    workshop = opened(asked_home)
    verdict = asked(workshop, gate_of(workshop), tmp_path / "w").verdict
    with workshop.store() as store:
        count = len(judges(workshop, store, limit=999, of="promotion"))
    assert verdict.accepted
    assert verdict.sets == ("screen", "promotion")
    assert verdict.metrics["promotion_items"] == count >= 8
    assert verdict.metrics["promotion_best"] > 0
    assert verdict.reasons[-1].check == "promotion"


def test_a_refusal_there_is_one_and_tells_no_figure(asked_home: Home, tmp_path: Path) -> None:
    workshop = opened(asked_home)
    verdict = asked(workshop, replace(gate_of(workshop), min_gain=50.0), tmp_path / "w").verdict
    assert not verdict.accepted
    assert not verdict.hard
    assert verdict.summary.startswith("does not hold up on the ")
    assert verdict.metrics["promotion_best"] == 0.0


def test_no_scale_is_tried_again_and_the_scores_are_not_kept(
    asked_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop, cycle = opened(asked_home), only_cycle(asked_home)
    plan = cycle.plan()
    assert plan is not None
    (cycle.root / "verdict.json").unlink()
    monkeypatch.setattr(module, "answer", lambda items, gate, **known: answer(items, STRICT, **known))
    with workshop.store() as store:
        found = judged(workshop, store, cycle, plan, report=silent, should_stop=never)
        promotion = judges(workshop, store, limit=999, of="promotion")
    assert (found.scale, found.verdict.accepted) == (1.0, False)
    assert [path.name for path in cycle.root.glob("evidence-*.json")] == ["evidence-1.00.json"]
    kept = b"".join(
        path.read_bytes()
        for path in cycle.root.rglob("*")
        if path.is_file() and "scoring" not in path.parts  # goes when the cycle is closed
    )
    assert refused_so_far(workshop) == 1
    assert promotion
    assert not any(item.id.encode() in kept for item in promotion)


STRICT = Gate(min_gain=50.0)


def test_sets_share_no_item_and_hold_all(asked_home: Home) -> None:
    workshop = opened(asked_home)
    with workshop.store() as store:
        sets = {
            of: {item.id for item in judges(workshop, store, limit=999, of=of)}
            for of in ("screen", "promotion", "vault")
        }
        everything = {item.id for item in store.items(split="heldout")}
    assert sum(map(len, sets.values())) == len(everything)
    assert set().union(*sets.values()) == everything
    assert sets["vault"]


def test_a_set_that_is_too_small_is_not_asked(trained_home: Home, tmp_path: Path) -> None:
    open_sets(trained_home, more=range(100, 110))
    workshop = opened(trained_home)
    assert asked(workshop, Gate(min_gain=50.0), tmp_path / "w") == only_cycle(trained_home).judgement()
    assert not (tmp_path / "w").exists()


def test_stop_leaves_nothing_known(asked_home: Home, tmp_path: Path) -> None:
    workshop = opened(asked_home)
    with pytest.raises(Yielded):
        asked(workshop, gate_of(workshop), tmp_path / "w", stop=True)


def test_best_is_what_versions_for_this_base_were_told(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    assert best_so_far(workshop) == 0.0
    for name, best, sha256 in (
        ("fff1", 0.2, version.base.sha256),
        ("fff2", 0.15, version.base.sha256),
        ("fff3", 0.9, "f" * 64),
    ):
        workshop.registry.add(
            replace(
                version,
                name=f"me:2026-11-22-{name}",
                base=replace(version.base, sha256=sha256),
                metrics={**version.metrics, "promotion_best": best},
            )
        )
    assert best_so_far(workshop) == 0.2
