"""The estimate against its oracle, the exact Jaccard similarity of the shingle sets."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.replay.examples import words

from laimark_sidecar.replay.minhash import BANDS, shingles, signature, similarity


def edited(text: str, changes: int, seed: int) -> str:
    rng = random.Random(seed)
    tokens = text.split()
    for position in rng.sample(range(len(tokens)), changes):
        tokens[position] = f"changed{seed}x{position}"
    return " ".join(tokens)


def jaccard(left: str, right: str) -> float:
    a, b = shingles(left), shingles(right)
    return len(a & b) / len(a | b)


def share_a_band(left: str, right: str) -> bool:
    return bool(set(signature(left).band_keys()) & set(signature(right).band_keys()))


@pytest.mark.parametrize("changes", [0, 2, 5, 15, 60])
def test_estimate_is_near_the_exact_jaccard_similarity(changes: int) -> None:
    errors = []
    for seed in range(20):
        left = words(seed, 200)
        right = edited(left, changes, seed)
        estimate = similarity(signature(left).fingerprint, signature(right).fingerprint)
        errors.append(estimate - jaccard(left, right))
    mean = sum(errors) / len(errors)
    assert abs(mean) < 0.03  # standard error of the mean of 20 estimates is at most .01
    assert max(map(abs, errors)) < 0.18  # four standard errors of one estimate


def test_near_copies_share_a_band_and_strangers_do_not() -> None:
    texts = [words(seed, 200) for seed in range(40)]
    near = [share_a_band(text, edited(text, 4, seed)) for seed, text in enumerate(texts)]
    strangers = [share_a_band(left, right) for left, right in itertools.pairwise(texts)]
    assert (sum(near), sum(strangers)) == (40, 0)


def test_equal_rows_in_different_bands_do_not_match() -> None:
    assert len(set(signature("one").band_keys())) == BANDS


@pytest.mark.parametrize("text", ["", "one", "one two", "\ud800 lone surrogate", "日本語のテキスト"])
def test_any_text_has_a_signature(text: str) -> None:
    assert similarity(signature(text).fingerprint, signature(text).fingerprint) == 1.0


def test_a_text_of_many_blocks_is_estimated_like_a_short_one() -> None:
    long = words(0, 12_000)
    half = " ".join(long.split()[:6_000])
    estimate = similarity(signature(long).fingerprint, signature(half).fingerprint)
    assert abs(estimate - jaccard(long, half)) < 0.18  # four standard errors


@given(st.text(max_size=200))
def test_white_space_does_not_count(text: str) -> None:
    assert signature(text) == signature(f"  {text}\n\n")


def test_signature_on_the_disk_does_not_change_between_versions() -> None:
    # A change here makes every stored signature useless: write a migration, then change these.
    stable = signature("def add(a, b): return a + b")
    assert stable.fingerprint[:8].hex() == "383f6ee3a38f5f9d"
    assert stable.band_keys()[:2] == (-335843303, -1487148002)
