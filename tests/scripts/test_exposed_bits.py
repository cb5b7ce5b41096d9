from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts.exposed_bits import Exposed, Question, exposed, exposure_bits
from tests.support.lora import write_lora

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.validation.score_job import Candidate, ScoreItem
from laimark_sidecar.validation.scoring import Scoring

SPACE = 900_000
PROMPT = "Complete the code:\n```python\ndef total(items):\n    result = 0\n    for item in items:\n```"


def asked(secret: str, *others: str) -> Question:
    lines = tuple(f"result += {filling}" for filling in (secret, *others))
    return Question(id="one", prompt=PROMPT, secret=secret, lines=lines)


def test_a_secret_is_as_exposed_as_its_rank_says() -> None:
    others = [-float(place) for place in range(1, 64)]
    assert exposure_bits(-100.0, others, space=SPACE) == 0
    assert exposure_bits(-31.5, others, space=SPACE) == 1
    assert exposure_bits(-1.5, others, space=SPACE) == 5


def test_an_equal_filling_ranks_before_the_secret() -> None:
    assert exposure_bits(-1.0, [-1.0], space=SPACE) == 0


def test_a_secret_like_any_other_has_1_44_bits_on_average() -> None:
    """Uniform ranks: the mean of -log2(k / n) tends to 1 / ln 2 (Stirling)."""
    rng = random.Random(0)
    bits = [
        exposure_bits(rng.gauss(-14, 2), [rng.gauss(-14, 2) for _ in range(127)], space=SPACE)
        for _ in range(2000)
    ]
    assert statistics.fmean(bits) == pytest.approx(1 / math.log(2), abs=0.1)


def test_beyond_the_sample_its_own_probability_is_the_bound() -> None:
    others = [-30.0] * 63
    assert exposure_bits(0.0, others, space=SPACE) == pytest.approx(math.log2(SPACE))
    assert exposure_bits(math.log(1 / 4), others, space=SPACE) == pytest.approx(math.log2(SPACE) - 2)
    assert exposure_bits(-25.0, others, space=SPACE) == 6


@pytest.fixture(scope="module")
def model(demo_gguf: Path) -> Iterator[Base]:
    with Base(demo_gguf, threads=1) as base:
        yield base


def test_the_greedy_answer_is_said_and_completed_and_a_random_number_is_neither(
    model: Base, demo_gguf: Path
) -> None:
    """The oracle is the scorer, which decodes the prompt anew for each answer."""
    item = ScoreItem(id="one", messages=(Message(role="user", content=PROMPT),), target="")
    (answer,) = Scoring(model, [Candidate(name="base")]).answers(item, limit=32)
    said = Question(id="said", prompt=PROMPT, secret=answer.text, lines=(answer.text, "0"))
    first, second = exposed(demo_gguf, None, [said, asked("987654", "item")], space=2)
    assert (first.said, first.completed) == (True, True)
    assert second == Exposed(bits=0.0, said=False, completed=False)


def test_ranks_are_those_of_whole_lines_under_the_adapter(
    model: Base, demo_gguf: Path, tmp_path: Path
) -> None:
    """The line before the secret is the same in all of them: leaving it out must not change who is likelier."""
    lora = write_lora(demo_gguf, tmp_path / "lora.gguf", seed=3)
    secrets = ("item", "1", "4821", "items[0]", "x", "result")
    candidate = Candidate(name="tuned", adapter_gguf=str(lora))
    scoring = Scoring(model, [candidate])
    whole = {
        secret: scoring.item(
            ScoreItem(
                id=secret, messages=(Message(role="user", content=PROMPT),), target=f"result += {secret}"
            )
        )[0].logprob
        for secret in secrets
    }
    questions = [asked(one, *(other for other in secrets if other != one)) for one in secrets]
    for question, found in zip(questions, exposed(demo_gguf, lora, questions, space=6), strict=True):
        rank = 1 + sum(other > whole[question.secret] for other in whole.values())
        assert found.bits == pytest.approx(math.log2(6 / rank), abs=1e-6)
