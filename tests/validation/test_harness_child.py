from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from laimark_sidecar.validation.harness_child import is_absent, metrics, number, refusal


@pytest.mark.parametrize(
    ("value", "expected"), [(True, 1.0), (3, 3.0), (np.float64(0.25), 0.25), (np.bool_(False), 0.0)]
)
def test_numbers_and_truth_values_of_any_library_are_scores(value: object, expected: float) -> None:
    assert number(value) == expected


@pytest.mark.parametrize("value", [None, "0.5", (1, 2), [0.5], {"a": 1}, object()])
def test_nothing_else_is_a_score(value: object) -> None:
    assert number(value) is None


def test_every_metric_under_every_filter_comes_with_its_questions_scores_and_without_their_texts() -> None:
    asked = {"doc": "secret", "resps": ["secret"]}
    results = {
        "results": {
            "toy": {
                "alias": "toy",
                "exact_match,strict": 0.5,
                "exact_match_stderr,strict": 0.5,
                "bleu,loose": 12.5,
            }
        },
        "higher_is_better": {"toy": {"exact_match": True}},
        "samples": {
            "toy": [
                {"doc_id": 0, "filter": "strict", "exact_match": True, **asked},
                {"doc_id": 1, "filter": "strict", "exact_match": 0.0, **asked},
                {"doc_id": 0, "filter": "loose", "bleu": ("a", "b"), **asked},
            ]
        },
    }
    strict, loose = metrics("toy", results)
    assert strict == {
        "task": "toy",
        "metric": "exact_match",
        "filter": "strict",
        "value": 0.5,
        "higher_is_better": True,
        "questions": [0, 1],
        "scores": [1.0, 0.0],
    }
    assert (loose["value"], loose["questions"], loose["scores"]) == (12.5, [0], [])
    assert "secret" not in repr((strict, loose))


def test_data_that_is_not_there_is_told_from_a_bug_by_whatever_caused_it() -> None:
    gone = ConnectionError("Couldn't reach 'openai/gsm8k' on the Hub")
    wrapped = RuntimeError("no data")
    wrapped.__cause__ = gone
    assert is_absent(gone)
    assert is_absent(wrapped)
    assert is_absent(FileNotFoundError("items.jsonl"))
    assert not is_absent(KeyError("question"))


def test_a_refusal_is_in_the_server_s_own_words() -> None:
    said = {"error": {"message": "the prompt has 21 tokens; the context holds 16"}}
    error = SimpleNamespace(response=SimpleNamespace(json=lambda: said))
    assert refusal(error) == "the prompt has 21 tokens; the context holds 16"
