from __future__ import annotations

import dataclasses
import math

import pytest

from laimark_sidecar.errors import DataError
from laimark_sidecar.validation.fingerprint import (
    Fingerprint,
    FingerprintToken,
    distance,
    fingerprint_json,
    read_fingerprint,
)


def _token(chosen: str, **top: float) -> FingerprintToken:
    ordered = tuple(sorted(top.items(), key=lambda pair: -pair[1]))
    return FingerprintToken(token=chosen, logprob=top[chosen], top=ordered)


EXPECTED = Fingerprint(
    candidate="me:1",
    prompt="who?",
    tokens=(
        _token("a", a=-0.1, b=-3.0, c=-4.0),
        _token("b", b=-0.70, c=-0.71, d=-5.0),
        _token("d", d=-0.2, a=-2.0),
    ),
)


def _changed(index: int, token: FingerprintToken) -> list[FingerprintToken]:
    return [*EXPECTED.tokens[:index], token, *EXPECTED.tokens[index + 1 :]]


def test_the_same_answer_has_distance_zero() -> None:
    assert distance(EXPECTED, EXPECTED.tokens) == 0


def test_distance_is_the_largest_difference_of_shared_alternatives() -> None:
    assert distance(EXPECTED, _changed(0, _token("a", a=-0.1, b=-3.25, z=-4.0))) == pytest.approx(0.25)


def test_near_tie_that_fell_the_other_way_is_near_and_ends_the_comparison() -> None:
    flipped = _changed(1, _token("c", b=-0.71, c=-0.70, d=-5.0))
    flipped[2] = _token("q", q=-0.1)
    assert distance(EXPECTED, flipped) == pytest.approx(0.01)


@pytest.mark.parametrize("tokens", [(), EXPECTED.tokens[:2], (*EXPECTED.tokens, EXPECTED.tokens[0])])
def test_answer_of_another_length_is_infinitely_far(tokens: tuple[FingerprintToken, ...]) -> None:
    assert distance(EXPECTED, tokens) == math.inf


def test_answer_with_other_alternatives_is_infinitely_far() -> None:
    assert distance(EXPECTED, _changed(0, _token("x", x=-0.1, y=-3.0, z=-4.0))) == math.inf
    assert distance(EXPECTED, _changed(0, _token("a", a=-0.1, y=-3.0, z=-4.0))) == math.inf


def test_fingerprint_survives_its_json() -> None:
    assert read_fingerprint(fingerprint_json(EXPECTED)) == EXPECTED
    changed = dataclasses.replace(EXPECTED, candidate="é")
    assert read_fingerprint(fingerprint_json(changed)) == changed


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", "\ud800", '{"x": ' + "[" * 100_000])
def test_other_text_is_no_fingerprint(text: str) -> None:
    with pytest.raises(DataError, match="not a fingerprint"):
        read_fingerprint(text)
