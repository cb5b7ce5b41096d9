from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.errors import ConfigError
from laimark_sidecar.scheduler.decide import Decision, Kind, Policy, Situation, decide, retry_wait_s

POLICY = Policy(idle_s=120, requested_idle_s=5, min_new=32, min_interval_s=3600, retry_s=60, retry_max_s=1800)
READY = Situation(
    paused=False,
    runner_reachable=True,
    busy=False,
    idle_s=300,
    new_items=40,
    cycle_unfinished=False,
    train_requested=False,
    training_now=False,
    last_cycle_end_s=None,
    now_s=1_000_000,
)

seconds = st.floats(0, 1e7)
situations = st.builds(
    Situation,
    paused=st.booleans(),
    runner_reachable=st.booleans(),
    busy=st.booleans(),
    idle_s=seconds,
    new_items=st.integers(0, 100),
    cycle_unfinished=st.booleans(),
    train_requested=st.booleans(),
    training_now=st.booleans(),
    last_cycle_end_s=st.none() | seconds,
    now_s=seconds,
    failures=st.integers(0, 50),
)
policies = st.builds(
    Policy,
    idle_s=st.floats(0, 1000),
    requested_idle_s=st.floats(0, 1000),
    min_new=st.integers(0, 60),
    min_interval_s=st.floats(0, 1e5),
    retry_s=st.floats(0, 1000),
    retry_max_s=st.floats(0, 1e5),
)


@pytest.mark.parametrize(
    ("situation", "kind", "reason"),
    [
        (READY, "start", "40 new items and 300 s of quiet"),
        (replace(READY, paused=True), "wait", "paused"),
        (replace(READY, runner_reachable=False), "wait", "the runner cannot be reached"),
        (replace(READY, busy=True, idle_s=0), "wait", "the runner is busy"),
        (replace(READY, idle_s=119), "wait", "119 of 120 s of quiet"),
        (replace(READY, new_items=31), "wait", "31 of 32 new items"),
        (replace(READY, last_cycle_end_s=999_000), "wait", "the next cycle is due in 2600 s"),
        (replace(READY, last_cycle_end_s=996_400), "start", ""),
        (replace(READY, cycle_unfinished=True), "continue", "unfinished"),
        (replace(READY, cycle_unfinished=True, new_items=0, last_cycle_end_s=999_999), "continue", ""),
        (replace(READY, cycle_unfinished=True, idle_s=60), "wait", "60 of 120 s"),
        (replace(READY, cycle_unfinished=True, paused=True), "wait", "paused"),
        (
            replace(READY, train_requested=True, new_items=0, last_cycle_end_s=999_999, idle_s=6),
            "start",
            "requested",
        ),
        (replace(READY, train_requested=True, idle_s=4), "wait", "4 of 5 s of quiet"),
        (replace(READY, train_requested=True, paused=True), "wait", "paused"),
        (replace(READY, train_requested=True, busy=True), "wait", "the runner is busy"),
        (replace(READY, train_requested=True, cycle_unfinished=True, idle_s=6), "continue", ""),
        (replace(READY, training_now=True, idle_s=1), "continue", "training"),
        (replace(READY, training_now=True, new_items=0, last_cycle_end_s=999_999), "continue", ""),
        (replace(READY, training_now=True, busy=True), "yield", "the runner is busy"),
        (replace(READY, training_now=True, paused=True), "yield", "paused"),
        (replace(READY, training_now=True, runner_reachable=False), "yield", "cannot be reached"),
        (replace(READY, training_now=True, train_requested=True, busy=True), "yield", ""),
        (replace(READY, failures=3, last_cycle_end_s=999_900), "wait", "attempt 3 failed; the next in 140 s"),
        (replace(READY, failures=3, last_cycle_end_s=999_700, cycle_unfinished=True), "continue", ""),
        (replace(READY, failures=9, last_cycle_end_s=999_930, train_requested=True), "start", "requested"),
        (
            replace(READY, failures=9, last_cycle_end_s=999_950, train_requested=True),
            "wait",
            "the next in 10 s",
        ),
        (replace(READY, last_cycle_end_s=9_999_999), "wait", "due in 3600 s"),  # the clock was set back
    ],
)
def test_every_situation_has_its_decision(situation: Situation, kind: Kind, reason: str) -> None:
    decision = decide(situation, POLICY)
    assert decision.kind == kind
    assert reason in decision.reason


def test_the_kind_follows_from_the_flags_in_every_combination() -> None:
    """Oracle: the rules in words, for all 2^6 combinations in which quiet, items and time suffice."""
    for paused, reachable, busy, unfinished, requested, training in itertools.product(
        [False, True], repeat=6
    ):
        allowed = reachable and not paused and not busy
        expected: Kind
        if training:
            expected = "continue" if allowed else "yield"
        elif not allowed:
            expected = "wait"
        else:
            expected = "continue" if unfinished else "start"
        situation = replace(
            READY,
            paused=paused,
            runner_reachable=reachable,
            busy=busy,
            cycle_unfinished=unfinished,
            train_requested=requested,
            training_now=training,
        )
        assert decide(situation, POLICY).kind == expected


@given(situations, policies)
def test_training_never_runs_while_paused_busy_or_blind(situation: Situation, policy: Policy) -> None:
    if situation.paused or situation.busy or not situation.runner_reachable:
        assert decide(situation, policy).kind in {"wait", "yield"}


@given(situations, policies)
def test_only_what_runs_yields_and_only_what_does_not_run_starts(
    situation: Situation, policy: Policy
) -> None:
    kind = decide(situation, policy).kind
    assert kind in ({"continue", "yield"} if situation.training_now else {"wait", "start", "continue"})


@given(situations, policies)
def test_a_new_cycle_never_starts_over_an_unfinished_one(situation: Situation, policy: Policy) -> None:
    if situation.cycle_unfinished:
        assert decide(situation, policy).kind != "start"


@given(situations, policies)
def test_nothing_begins_before_the_quiet_that_the_policy_asks_for(
    situation: Situation, policy: Policy
) -> None:
    quiet_s = min(policy.idle_s, policy.requested_idle_s) if situation.train_requested else policy.idle_s
    if not situation.training_now and situation.idle_s < quiet_s:
        assert decide(situation, policy).kind == "wait"


@given(situations, policies)
def test_a_request_never_makes_it_wait_longer(situation: Situation, policy: Policy) -> None:
    unasked = decide(replace(situation, train_requested=False), policy).kind
    asked = decide(replace(situation, train_requested=True), policy).kind
    assert unasked in {asked, "wait"}


@given(situations, policies)
def test_what_starts_keeps_running_until_something_happens(situation: Situation, policy: Policy) -> None:
    if decide(situation, policy).kind in {"start", "continue"}:
        assert decide(replace(situation, training_now=True, idle_s=0.0), policy).kind == "continue"


@given(situations, policies)
def test_without_new_items_nothing_starts_unasked(situation: Situation, policy: Policy) -> None:
    if situation.new_items == 0 and not situation.train_requested:
        assert decide(situation, policy).kind != "start"


@given(situations, policies)
def test_every_decision_has_a_reason_and_is_repeatable(situation: Situation, policy: Policy) -> None:
    decision = decide(situation, policy)
    assert decision.reason
    assert decide(situation, policy) == Decision(kind=decision.kind, reason=decision.reason)


def test_the_wait_after_failures_doubles_up_to_its_bound() -> None:
    waits = [retry_wait_s(failures, POLICY) for failures in (0, 1, 2, 3, 5, 6, 10_000)]
    assert waits == [0, 60, 120, 240, 960, 1800, 1800]


@pytest.mark.parametrize("name", ["idle_s", "min_new", "min_interval_s", "retry_s"])
@pytest.mark.parametrize("value", [-1, float("nan")])
def test_a_policy_with_a_negative_figure_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"scheduler.{name}"):
        replace(POLICY, **{name: value})  # type: ignore[arg-type]
