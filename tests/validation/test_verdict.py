from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import pytest
from tests.validation.evidences import GOOD, STILL, evidence

from laimark_sidecar.validation.evidence import Evidence
from laimark_sidecar.validation.gate import Gate
from laimark_sidecar.validation.ladder import Answer
from laimark_sidecar.validation.verdict import Verdict, confirmed, judge


def failed(found: Evidence, gate: Gate | None = None) -> list[str]:
    verdict = judge(found, gate or Gate())
    assert verdict.accepted == all(reason.passed for reason in verdict.reasons)
    return [reason.check for reason in verdict.reasons if not reason.passed]


def test_a_candidate_that_gained_and_kept_may_serve() -> None:
    verdict = judge(evidence(), Gate())
    assert verdict.accepted
    assert verdict.summary == "accepted"
    assert [reason.check for reason in verdict.reasons] == [
        "measurable", "enough", "gain", "core", "worst_core", "kl", "entropy_ratio", "logprob_drift",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "check"),
    [
        (evidence(heldout=STILL), "gain"),
        (evidence(steps=[-0.2] * 30), "previous"),
        (evidence(core=[-0.2 + margin for margin in STILL]), "core"),
        (evidence(core=[*STILL[:29], -1.1], heldout=GOOD), "worst_core"),
        (evidence(kl=0.35), "kl"),
        (evidence(entropy_ratio=0.5), "entropy_ratio"),
        (replace(evidence(), sameness_base=0.1, sameness_candidate=0.9), "self_rouge"),
        (evidence(core=[2.5] * 30), "logprob_drift"),
        (evidence(heldout=GOOD[:5]), "enough"),
    ],
    ids=lambda value: value if isinstance(value, str) else "with",
)
def test_each_check_alone_can_reject(found: Evidence, check: str) -> None:
    # one lost ability of thirty also weighs on the mean, which must not hide whether the worst items are looked at
    assert failed(found, Gate(max_core_loss=0.15)) == [check]


def test_a_rejection_says_why_in_a_sentence() -> None:
    summary = judge(evidence(heldout=STILL, kl=0.5), Gate()).summary
    assert "held-out items" in summary
    assert "distance to the base is 0.500 nats/token" in summary
    assert "accepted" not in summary


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_broken_adapter_is_rejected_not_a_crash(value: float) -> None:
    some = evidence()
    broken = replace(some, heldout=(replace(some.heldout[0], candidate=value), *some.heldout[1:]))
    assert failed(broken) == ["measurable"]
    assert failed(replace(some, drift=(replace(some.drift[0], kl=value),) * 9)) == ["measurable"]


def test_no_evidence_at_all_is_not_enough() -> None:
    assert failed(evidence(heldout=(), core=(), prompts=0)) == ["enough"]


def test_beyond_the_hard_stop_no_smaller_scale_is_worth_a_try() -> None:
    assert judge(evidence(kl=0.9), Gate()).hard
    assert not judge(evidence(kl=0.5), Gate()).hard


def test_equal_evidence_gives_an_equal_verdict() -> None:
    assert judge(evidence(), Gate()) == judge(evidence(), Gate())


def test_a_stricter_level_never_accepts_what_a_looser_one_rejects() -> None:
    weak = [0.02 + 0.1 * (-1) ** n for n in range(40)]
    outcomes = [
        judge(evidence(heldout=weak), Gate(alpha=alpha)).accepted for alpha in (0.5, 0.2, 0.05, 0.01, 0.001)
    ]
    assert outcomes == sorted(outcomes, reverse=True)
    assert outcomes[0]
    assert not outcomes[-1]


@pytest.mark.parametrize(
    "found", [evidence(), evidence(steps=[0.1] * 30), evidence(heldout=GOOD[:3])], ids=str
)
def test_a_verdict_survives_json(found: Evidence) -> None:
    verdict = judge(found, Gate(min_items=3))
    assert all(map(math.isfinite, verdict.metrics.values()))
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict


def test_the_metrics_say_what_the_report_needs() -> None:
    metrics = judge(evidence(), Gate()).metrics
    assert metrics["gain"] == pytest.approx(0.49)
    assert 0 < metrics["gain_low"] < metrics["gain"] < metrics["gain_high"]
    assert metrics["kl"] == pytest.approx(0.02)
    assert metrics["entropy_ratio"] == pytest.approx(0.95)
    assert metrics["exact_base"] == 0.0
    assert metrics["exact_candidate"] == pytest.approx(14 / 30)
    assert metrics["heldout_items"] == 30


def test_promotion_set_can_only_turn_a_yes_into_a_no() -> None:
    yes, no = judge(evidence(), Gate()), judge(evidence(heldout=STILL), Gate())
    passed, failed_there = (
        Answer(passed=True, best=0.4, items=300),
        Answer(passed=False, best=0.35, items=300),
    )
    assert confirmed(yes, passed).accepted
    refused = confirmed(yes, failed_there)
    assert not refused.accepted
    assert refused.summary == failed_there.reason.text
    assert not confirmed(no, passed).accepted
    assert refused.metrics == {**yes.metrics, "promotion_items": 300.0, "promotion_best": 0.35}
    assert (yes.sets, refused.sets) == (("screen",), ("screen", "promotion"))


def test_verdict_of_an_earlier_release_is_read_as_one_of_the_screen() -> None:
    old = msgspec.to_builtins(judge(evidence(), Gate()))
    del old["sets"]
    assert msgspec.convert(old, Verdict).sets == ("screen",)
