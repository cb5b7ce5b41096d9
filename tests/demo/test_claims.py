"""Each claim of the demo can fail, alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.demo.courses import BASE_MARKS, FOURS, WORSE, course_in, margin_of, round_in, version_of

from laimark_sidecar.demo.claims import claims, nats, points
from laimark_sidecar.demo.exam import Marks
from laimark_sidecar.demo.scenario import Course
from laimark_sidecar.registry.version import Version
from laimark_sidecar.validation.statistics import Estimate

PROMOTED, LIKELIER, ANSWERS, CORE, ROLLBACK, CHECK = range(6)
GOOD = margin_of(0.1)


def failing(
    course: Course,
    version: Version | None,
    *,
    margin: Estimate | None = GOOD,
    kl_alarm: float = 0.3,
    rolled_back: bool = True,
    problems: int = 0,
) -> set[int]:
    found = claims(course, version, margin, kl_alarm=kl_alarm, rolled_back=rolled_back, problems=problems)
    return {number for number, claim in enumerate(found) if not claim.holds}


def test_all_hold_when_all_went_well(course: Course, version: Version) -> None:
    assert failing(course, version) == set()


def test_a_course_without_a_promotion_fails_what_needs_one(tmp_path: Path) -> None:
    course = course_in(tmp_path, round_in(tmp_path, 1, ending="rejected", marks=BASE_MARKS))
    assert failing(course, None, margin=None, rolled_back=False) == {PROMOTED, LIKELIER, CORE, ROLLBACK}
    found = claims(course, None, None, kl_alarm=0.3, rolled_back=False, problems=0)
    assert found[PROMOTED].seen == "0 of 1 cycles"
    assert found[CORE].seen == found[ROLLBACK].seen == "nothing was promoted"


def test_only_the_last_exam_counts(tmp_path: Path, version: Version) -> None:
    course = course_in(tmp_path, round_in(tmp_path, 1), round_in(tmp_path, 2, marks=WORSE))
    assert failing(course, version) == {ANSWERS}


def test_fewer_exact_matches_fail_even_where_answers_came_closer(tmp_path: Path, version: Version) -> None:
    closer = Marks(exact=(0.0,) * 4 * FOURS, similarity=(0.9, 0.9, 0.9, 0.9999) * FOURS)
    found = claims(
        course_in(tmp_path, round_in(tmp_path, 1, marks=closer)),
        version,
        GOOD,
        kl_alarm=0.3,
        rolled_back=True,
        problems=0,
    )
    assert not found[ANSWERS].holds
    assert "-25.0 points" in found[ANSWERS].seen


def test_a_margin_that_may_be_zero_fails(course: Course, version: Version) -> None:
    assert failing(course, version, margin=margin_of(0.0)) == {LIKELIER}
    assert nats(margin_of(0.0)) == "+0.300 nats/token (95% CI +0.000 to +0.500, n=40)"


def test_drift_beyond_the_alarm_fails(course: Course) -> None:
    assert failing(course, version_of(kl=0.3, core=0.0)) == {CORE}
    assert failing(course, version_of(kl=0.29, core=0.0)) == set()


def test_other_answers_after_the_rollback_fail(course: Course, version: Version) -> None:
    assert failing(course, version, rolled_back=False) == {ROLLBACK}


def test_a_problem_found_by_check_fails(course: Course, version: Version) -> None:
    assert failing(course, version, problems=1) == {CHECK}


@pytest.mark.parametrize(
    ("low", "text"),
    [(0.0125, "+5.0 points (95% CI +1.2 to +9.0, n=40)"), (-0.02, "+5.0 points (95% CI -2.0 to +9.0, n=40)")],
)
def test_gains_are_shown_in_points_with_their_interval(low: float, text: str) -> None:
    gain = Estimate(mean=0.05, low=low, high=0.09, p=0.01, n=40, confidence=0.95, method="bootstrap")
    assert points(gain) == text
