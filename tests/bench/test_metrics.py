from __future__ import annotations

import pytest

from laimark_sidecar.bench.metrics import (
    nats_differences,
    prequential,
    score_differences,
    split_gains,
    standing,
)
from laimark_sidecar.bench.results import CellResult
from laimark_sidecar.bench.scoring import Scores


def scores(nll: tuple[float, ...], right: tuple[float, ...], kl: tuple[float, ...] = ()) -> Scores:
    return Scores(nll=nll, right=right, exact=tuple(float(r == 1.0) for r in right), kl=kl)


def cell(cycle: int, user: str, exams: dict[str, Scores], core: Scores, before: Scores) -> CellResult:
    return CellResult(
        seed=0,
        arm="x",
        cycle=cycle,
        user=user,
        prequential=before,
        similarity=(0.5 + 0.1 * cycle,),
        greedy_exact=(0.0,),
        exams=exams,
        core=core,
        core_gold=scores(core.nll, (core.right[0] - 0.5,)),
    )


FLAT = scores((2.0, 2.0), (0.5, 0.5))
CORE = scores((0.5,), (1.0,), (0.0,))
BASE = (
    cell(1, "ada", {"ada": FLAT}, CORE, FLAT),
    cell(2, "bob", {"ada": FLAT, "bob": FLAT}, CORE, FLAT),
)
ARM = (
    cell(1, "ada", {"ada": scores((1.0, 1.0), (1.0, 0.5))}, scores((0.6,), (0.9,), (0.02,)), FLAT),
    cell(
        2,
        "bob",
        {"ada": scores((1.5, 1.3), (0.5, 0.5)), "bob": scores((1.9, 1.7), (0.75, 0.25))},
        scores((0.8,), (0.7,), (0.1,)),
        scores((1.8, 2.4), (0.5, 0.75)),
    ),
)


def test_the_definitions_on_numbers_made_by_hand() -> None:
    found = standing(ARM, BASE, 2)
    assert found.personal_gain == pytest.approx((0.6 + 0.2) / 2)
    assert found.token_gain == pytest.approx(0.0)
    assert found.exact_gain == 0.0
    assert found.core_margin == pytest.approx(-0.3)
    assert found.kl == pytest.approx(0.1)
    assert found.backward_transfer == pytest.approx(0.6 - 1.0)
    assert found.score == pytest.approx((0.5 + 0.2) / 2)
    assert found.core_kept == pytest.approx(0.7)
    assert found.core_token_gain == pytest.approx(0.2 - 0.5)
    assert found.score_nats == pytest.approx((0.4 - 0.3) / 2)


def test_nothing_can_be_transferred_back_while_the_first_user_works() -> None:
    found = standing(ARM, BASE, 1)
    assert found.backward_transfer is None
    assert found.exact_gain == pytest.approx(0.5)


def test_the_first_cycle_is_not_prequential_for_there_was_nothing_before() -> None:
    found = prequential(ARM, BASE)
    assert found is not None
    assert found.gain == pytest.approx((0.2 - 0.4) / 2)
    assert found.token_gain == pytest.approx(0.125)
    assert found.similarity_gain == pytest.approx(0.0)


def test_the_mean_of_paired_differences_is_the_difference_of_the_scores() -> None:
    mine, theirs = standing(ARM, BASE, 2), standing(BASE, BASE, 2)
    found = score_differences(ARM[1], BASE[1])
    assert sum(found) / len(found) == pytest.approx(mine.score - theirs.score)
    found = nats_differences(ARM[1], BASE[1])
    assert sum(found) / len(found) == pytest.approx(mine.score_nats - theirs.score_nats)


def test_gains_on_lines_of_the_lessons_are_told_apart_from_all_others() -> None:
    found = split_gains(ARM[1], BASE[1], {"ada": (True, False), "bob": (False, False)})
    assert found["personal_gain_seen"] == pytest.approx(0.5)
    assert found["personal_gain_unseen"] == pytest.approx((0.7 + 0.1 + 0.3) / 3)
