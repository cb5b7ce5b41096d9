"""The oracle for log-probabilities is decoding token by token, as generation does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.lora import write_lora

from laimark_converters.merged_gguf import merge
from laimark_sidecar.errors import DataError, RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.logits import log_softmax
from laimark_sidecar.llamacpp.template import ChatTemplate
from laimark_sidecar.validation.fingerprint import distance
from laimark_sidecar.validation.score_job import Candidate, ScoreItem, ScoreJob, ScoreProgress
from laimark_sidecar.validation.scoring import Scoring, run, target_logprob

MESSAGES = (Message(role="user", content="Write a function that adds."),)


@pytest.fixture(scope="module")
def base(demo_gguf: Path) -> Iterator[Base]:
    with Base(demo_gguf, context=512, threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def lora(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_lora(demo_gguf, tmp_path_factory.mktemp("lora") / "a.gguf", seed=3))


@pytest.fixture(scope="module")
def scoring(base: Base, lora: str) -> Scoring:
    candidates = (
        Candidate(name="base"),
        Candidate(name="half", adapter_gguf=lora, scale=0.5),
        Candidate(name="full", adapter_gguf=lora),
    )
    return Scoring(base, candidates)


def _prompt(base: Base) -> list[int]:
    template = ChatTemplate(base.template, bos=base.vocabulary.bos, eos=base.vocabulary.eos)
    return base.vocabulary.tokenize(template.render(MESSAGES))


def _one_by_one(base: Base, tokens: list[int]) -> float:
    base.clear()
    base.set_adapter(None)
    total, logits = 0.0, base.decode(_prompt(base))[0]
    for token in tokens:
        total += float(log_softmax(logits)[token])
        logits = base.decode([token])[0]
    return total


def test_log_prob_is_what_token_by_token_decoding_gives(base: Base, scoring: Scoring) -> None:
    target = "def add(a, b):\n    return a + b"
    score = scoring.item(ScoreItem(id="x", messages=MESSAGES, target=target))[0]
    tokens = [*base.vocabulary.tokenize(target, special=False), base.vocabulary.end_of_turn()]
    assert score.tokens == len(tokens)
    assert score.logprob == pytest.approx(_one_by_one(base, tokens), rel=1e-3)  # f16 KV cache


def test_greedy_flag_means_that_every_argmax_is_the_target(base: Base, scoring: Scoring) -> None:
    base.clear()
    base.set_adapter(None)
    logits, tokens = base.decode(_prompt(base))[0], []
    for _ in range(6):
        tokens.append(int(logits.argmax()))
        logits = base.decode([tokens[-1]])[0]
    forced = scoring._target_logits(None, _prompt(base), tokens)
    assert (forced.argmax(axis=-1) == tokens).all()
    assert not scoring.item(ScoreItem(id="x", messages=MESSAGES, target="zqxj"))[0].greedy


def test_candidates_differ_and_the_base_is_the_base(scoring: Scoring) -> None:
    item = ScoreItem(id="x", messages=MESSAGES, target="def add(a, b): return a + b")
    first, again = scoring.item(item), scoring.item(item)
    assert first == again
    assert [score.candidate for score in first] == ["base", "half", "full"]
    assert len({score.logprob for score in first}) == 3


def test_kl_of_the_base_to_itself_is_zero_and_grows_with_the_adapter(scoring: Scoring) -> None:
    for target in ("", "def add(a, b): return a + b"):
        base, half, full = scoring.kl_item(ScoreItem(id="k", messages=MESSAGES, target=target))
        assert base.kl == 0
        assert base.entropy == base.base_entropy > 0
        assert 0 < half.kl < full.kl
        assert full.base_entropy == base.base_entropy


def test_empty_target_is_answered_by_the_base_within_its_limit(scoring: Scoring) -> None:
    (score, *_) = scoring.kl_item(ScoreItem(id="k", messages=MESSAGES, target=""))
    assert 1 <= score.tokens <= 48


def test_every_candidate_answers_a_prompt_greedily_within_the_limit(base: Base, scoring: Scoring) -> None:
    of_base, _, of_full = scoring.answers(ScoreItem(id="a", messages=MESSAGES, target=""), limit=12)
    base.clear()
    base.set_adapter(None)
    logits, said = base.decode(_prompt(base))[0], b""
    for _ in range(12):
        token = int(logits.argmax())
        if base.vocabulary.is_end(token):
            break
        said += base.vocabulary.piece(token)
        logits = base.decode([token])[0]
    assert (of_base.candidate, of_base.text) == ("base", said.decode())
    assert of_full.text != of_base.text


def test_item_that_does_not_fit_is_left_out(scoring: Scoring) -> None:
    long = "word " * 600
    assert scoring.item(ScoreItem(id="x", messages=MESSAGES, target=long)) == []
    assert scoring.kl_item(ScoreItem(id="x", messages=MESSAGES, target=long)) == []
    asked = ScoreItem(id="x", messages=(Message(role="user", content=long),), target="")
    assert scoring.kl_item(asked) == []
    assert scoring.answers(asked, limit=4) == []


def test_control_words_in_a_target_are_plain_text(base: Base, scoring: Scoring) -> None:
    score = scoring.item(ScoreItem(id="x", messages=MESSAGES, target=base.vocabulary.eos))[0]
    assert score.tokens > 2


def test_fingerprint_is_greedy_with_ordered_alternatives(scoring: Scoring) -> None:
    prints = [
        scoring.fingerprint(candidate) for candidate in (Candidate(name="base"), Candidate(name="base"))
    ]
    assert prints[0] == prints[1]
    assert 1 <= len(prints[0].tokens) <= 8
    for token in prints[0].tokens:
        assert len(token.top) == 20
        assert token.logprob == token.top[0][1]


def test_chunks_do_not_change_a_sum() -> None:
    logits = np.random.default_rng(0).normal(size=(150, 7)).astype(np.float32)
    target = [position % 7 for position in range(150)]
    whole = log_softmax(logits)
    expected = sum(float(whole[position, token]) for position, token in enumerate(target))
    assert target_logprob(logits, target) == pytest.approx(expected)


def test_bad_adapter_fails_before_anything_is_scored(demo_gguf: Path, tmp_path: Path) -> None:
    bad = write_lora(demo_gguf, tmp_path / "bad.gguf", wrong_shapes=True)
    seen: list[ScoreProgress] = []
    job = ScoreJob(
        base_gguf=str(demo_gguf),
        candidates=(Candidate(name="base"), Candidate(name="bad", adapter_gguf=str(bad))),
        items=(ScoreItem(id="x", messages=MESSAGES, target="a"),),
        threads=1,
    )
    with pytest.raises(RunnerError, match="incorrect shape"):
        run(job, seen.append)
    assert seen == []


def test_template_that_renders_nothing_fails_before_anything_is_scored(base: Base) -> None:
    template = ChatTemplate("{{ 'x' * (10 ** 13) }}")
    with pytest.raises(DataError, match="makes a value of"):
        Scoring(base, (Candidate(name="base"),), prompts=template)


def test_an_item_that_the_template_refuses_is_left_out_and_the_others_are_scored(
    base: Base, scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = ChatTemplate("{% if messages[0].role != 'user' %}{{ raise_exception('no') }}{% endif %}x")
    monkeypatch.setattr(scoring, "_template", strict)
    refused = ScoreItem(id="r", messages=(Message(role="system", content="s"), *MESSAGES), target="a")
    assert scoring.item(refused) == []
    assert scoring.kl_item(refused) == []
    assert scoring.item(ScoreItem(id="x", messages=MESSAGES, target="a")) != []


def test_a_merged_model_scores_as_its_adapter_beside_the_base(
    demo_gguf: Path, lora: str, tmp_path: Path
) -> None:
    merged = tmp_path / "merged.gguf"
    merge(demo_gguf, Path(lora), merged, touched="f32")
    job = ScoreJob(
        base_gguf=str(demo_gguf),
        candidates=(
            Candidate(name="beside", adapter_gguf=lora),
            Candidate(name="merged", model_gguf=str(merged)),
        ),
        items=(ScoreItem(id="x", messages=MESSAGES, target="def add(a, b): return a + b"),),
        kl_items=(ScoreItem(id="y", messages=MESSAGES, target=""),),
        threads=1,
        context=512,
    )
    scores = run(job, lambda _progress: None)
    beside, alone = scores.items
    assert alone.logprob == pytest.approx(beside.logprob, abs=0.05)
    assert [one.kl for one in scores.kl][1] == pytest.approx(scores.kl[0].kl, abs=1e-3)
    assert scores.kl[1].kl > 1e-3
    assert distance(scores.fingerprints[0], scores.fingerprints[1].tokens) < 0.05
