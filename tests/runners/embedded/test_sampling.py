from __future__ import annotations

import numpy as np
import pytest

from laimark_sidecar.runners.embedded.sampling import Sampling, choose, generator

LOGITS = np.log(np.array([0.4, 0.3, 0.2, 0.1], dtype=np.float32))


def _draw(sampling: Sampling, count: int = 400) -> list[int]:
    random = generator(sampling)
    return [choose(LOGITS, sampling, random) for _ in range(count)]


def test_temperature_zero_is_the_argmax() -> None:
    assert set(_draw(Sampling(max_tokens=1, temperature=0))) == {0}


def test_equal_seeds_give_equal_draws_and_no_seed_gives_new_ones() -> None:
    seeded = Sampling(max_tokens=1, temperature=1, seed=-7)
    assert _draw(seeded) == _draw(seeded)
    free = Sampling(max_tokens=1, temperature=1, top_p=1, top_k=0)
    assert _draw(free) != _draw(free)


def test_frequencies_are_the_probabilities() -> None:
    drawn = _draw(Sampling(max_tokens=1, temperature=1, top_p=1, top_k=0, seed=1), 4000)
    frequencies = np.bincount(drawn, minlength=4) / len(drawn)
    assert frequencies == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=0.03)


@pytest.mark.parametrize(
    ("changes", "possible"),
    [
        ({"top_k": 2, "top_p": 1.0}, {0, 1}),
        ({"top_k": 1, "top_p": 1.0}, {0}),
        ({"top_k": 99, "top_p": 1.0}, {0, 1, 2, 3}),
        ({"top_k": 0, "top_p": 0.6}, {0, 1}),
        ({"top_k": 0, "top_p": 0.01}, {0}),
    ],
)
def test_only_the_nucleus_is_drawn_from(changes: dict[str, float], possible: set[int]) -> None:
    sampling = Sampling(max_tokens=1, temperature=1, seed=3, **changes)  # type: ignore[arg-type]
    assert set(_draw(sampling)) == possible


@pytest.mark.parametrize("temperature", [1e-320, 5e-324, 1e-300, 9e-7])
def test_temperature_too_small_to_divide_by_is_greedy(temperature: float) -> None:
    assert set(_draw(Sampling(max_tokens=1, temperature=temperature, seed=0), 20)) == {0}


def test_tiny_temperature_does_not_overflow() -> None:
    logits = np.array([1e4, 0, -1e4], dtype=np.float32)
    sampling = Sampling(max_tokens=1, temperature=1e-6, seed=0)
    assert choose(logits, sampling, generator(sampling)) == 0
