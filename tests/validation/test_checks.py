from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tests.validation.evidences import GOOD, evidence

from laimark_sidecar.validation import checks
from laimark_sidecar.validation.gate import Gate
from laimark_sidecar.validation.statistics import Estimate, estimate

GATE = Gate(min_items=20, max_core_loss=0.1)


def found(mean: float, low: float, high: float) -> Estimate:
    return Estimate(mean=mean, low=low, high=high, p=0.01, n=23, confidence=0.95, method="bootstrap")


def test_the_gain_is_told_in_words_with_its_interval() -> None:
    reason = checks.gain(found(0.41, 0.22, 0.61), GATE)
    assert reason.passed
    assert reason.text == "held-out items improved by 0.41 nats/token (95% CI 0.22 to 0.61, n=23)"


def test_a_loss_is_called_a_loss() -> None:
    assert checks.gain(found(-0.2, -0.3, -0.1), GATE).text.startswith("held-out items got worse by 0.20")


@pytest.mark.parametrize(
    ("mean", "low", "min_gain", "passed"),
    [
        (0.4, 0.1, 0.0, True),
        (0.4, 0.0, 0.0, False),
        (0.4, -0.1, 0.0, False),
        (0.4, 0.1, 0.4, False),
        (0.4, 0.1, 0.3, True),
    ],
)
def test_a_gain_must_be_large_enough_and_sure(mean: float, low: float, min_gain: float, passed: bool) -> None:
    assert checks.gain(found(mean, low, 1.0), Gate(min_gain=min_gain)).passed is passed


@pytest.mark.parametrize(("alpha", "passed"), [(0.1, True), (0.07, True), (0.05, False)])
def test_five_items_show_a_gain_only_at_a_level_they_can_reach(alpha: float, passed: bool) -> None:
    gate = Gate(min_items=5, alpha=alpha)
    reason = checks.gain(estimate([0.5, 0.6, 0.7, 0.8, 0.9], alpha=alpha), gate)
    assert reason.passed is passed
    assert passed or "too few for an interval" in reason.text


@pytest.mark.parametrize(("low", "passed"), [(-0.05, True), (-0.1, True), (-0.11, False)])
def test_core_retention_is_judged_by_the_low_end(low: float, passed: bool) -> None:
    assert checks.core(found(0.0, low, 0.1), GATE).passed is passed


def test_one_lost_ability_is_seen_behind_a_good_mean() -> None:
    core = [0.0] * 38 + [-1.5, -0.9]
    reason = checks.worst_core(evidence(core=core), GATE)
    assert reason.value == pytest.approx(-1.2)
    assert not reason.passed
    assert checks.worst_core(evidence(core=[0.0] * 38 + [-1.0, -0.9]), GATE).passed


@pytest.mark.parametrize(
    ("kl", "passed", "hard"),
    [(0.0, True, False), (0.3, True, False), (0.31, False, False), (0.81, False, True)],
)
def test_the_distance_to_the_base_has_an_alarm_and_a_stop(kl: float, passed: bool, hard: bool) -> None:
    reason = checks.kl(evidence(kl=kl), GATE)
    assert reason.passed is passed
    assert ("hard stop" in reason.text) is hard


def test_the_distance_is_a_mean_over_positions() -> None:
    some = evidence(kl=0.1, prompts=2)
    long = replace(some.drift[0], kl=1.0, tokens=32)
    assert checks.kl(replace(some, drift=(long, some.drift[1])), GATE).value == pytest.approx((32 + 0.8) / 40)


@pytest.mark.parametrize(("ratio", "passed"), [(1.5, True), (0.6, True), (0.59, False), (0.0, False)])
def test_collapsed_answers_are_seen_by_their_entropy(ratio: float, passed: bool) -> None:
    assert checks.entropy(evidence(entropy_ratio=ratio), GATE).passed is passed


def test_a_base_without_entropy_has_none_to_lose() -> None:
    some = evidence()
    sure = replace(some, drift=tuple(replace(d, entropy_base=0.0, entropy_candidate=0.0) for d in some.drift))
    assert checks.entropy(sure, GATE).value == 1.0


@pytest.mark.parametrize(
    ("base", "value", "passed"),
    [(0.1, 0.85, True), (0.1, 0.86, False), (0.9, 0.9, True), (0.9, 0.95, False)],
)
def test_answers_may_not_become_one_but_a_base_of_few_words_is_no_collapse(
    base: float, value: float, passed: bool
) -> None:
    reason = checks.self_rouge(replace(evidence(), sameness_base=base, sameness_candidate=value), GATE)
    assert reason is not None
    assert reason.passed is passed
    assert f"{value:.2f} alike" in reason.text


def test_evidence_of_earlier_releases_is_judged_without_free_answers() -> None:
    assert checks.self_rouge(evidence(), GATE) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_core_items_may_not_move_far_either_way(sign: int) -> None:
    assert checks.logprob_drift(evidence(core=[1.9 * sign] * 20), GATE).passed
    assert not checks.logprob_drift(evidence(core=[2.1 * sign] * 20), GATE).passed


def test_the_kind_that_is_shortest_of_its_minimum_is_named() -> None:
    assert checks.enough(evidence(), GATE).passed
    assert (
        checks.enough(evidence(heldout=GOOD[:19]), GATE).text
        == "not enough evidence: 19 of 20 held-out items"
    )
    assert checks.enough(evidence(core=()), GATE).text == "not enough evidence: 0 of 20 core items"
    assert checks.enough(evidence(prompts=7), GATE).text == "not enough evidence: 7 of 8 drift prompts"


def test_a_broken_adapter_is_called_broken() -> None:
    some = evidence()
    broken = replace(some, core=(replace(some.core[0], candidate=math.nan), *some.core[1:]))
    assert checks.measurable(some).passed
    assert "item-0: the adapter is broken" in checks.measurable(broken).text


def test_what_serves_now_must_not_be_significantly_better() -> None:
    worse = checks.previous(evidence(steps=[-0.1 - 0.001 * n for n in range(30)]), GATE)
    noise = checks.previous(evidence(steps=[0.1 * (-1) ** n - 0.01 for n in range(30)]), GATE)
    assert worse is not None
    assert noise is not None
    assert (worse.passed, noise.passed) == (False, True)
    assert worse.text.startswith("worse than the version that serves now (-0.11 nats/token, 95% CI")


def test_without_enough_scores_of_the_previous_version_it_is_not_compared() -> None:
    assert checks.previous(evidence(), GATE) is None
    assert checks.previous(evidence(steps=[-1.0] * 19 + [None] * 11), GATE) is None


def test_an_interval_can_carry_its_mean() -> None:
    assert checks.interval(found(0.4, 0.2, 0.6), shown=True) == "+0.40 nats/token, 95% CI 0.20 to 0.60, n=23"
