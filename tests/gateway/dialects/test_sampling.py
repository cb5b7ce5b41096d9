"""Options have one name each, and only values that the journal can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from laimark_sidecar.decoding import decode_json
from laimark_sidecar.gateway.dialects.dialect import Options
from laimark_sidecar.gateway.dialects.sampling import Sampled, is_probe, options_of


def options(request: Mapping[str, object], more: Mapping[str, object] | None = None) -> Options:
    return options_of(decode_json(json.dumps(request), Sampled), more)


@pytest.mark.parametrize(
    "name", ["max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict", "n_predict"]
)
def test_limit_of_the_answer_has_one_name(name: str) -> None:
    assert options({name: 7}) == {"max_tokens": 7}
    assert options({name: 7}, {"num_predict": 8}) == {"max_tokens": 8}


@pytest.mark.parametrize("value", ["hot", None, [1], {"a": 1}, True, 2**63, -(2**70), 1e300])
def test_value_that_is_no_plain_number_is_left_out(value: object) -> None:
    assert options({"temperature": value}, {"top_k": value}) == {}


def test_other_options_are_left_out() -> None:
    assert options({"top": 3}, {"num_gpu": 3, "stop": ["x"]}) == {}


@pytest.mark.parametrize(
    "bound",
    [
        {"format": "json"},
        {"format": {"type": "object"}},
        {"response_format": {"type": "json_schema"}},
        {"grammar": "root ::= x"},
        {"json_schema": {"type": "object"}},
    ],
)
def test_answer_bound_to_a_grammar_is_told(bound: dict[str, object]) -> None:
    assert options(bound) == {"grammar": True}


@pytest.mark.parametrize("free", [{"format": ""}, {"response_format": {"type": "text"}}, {"format": None}])
def test_answer_that_is_not_bound_is_not(free: dict[str, object]) -> None:
    assert options(free) == {}


@pytest.mark.parametrize(("think", "kept"), [(True, True), (False, False), ("high", "high")])
def test_wish_to_think_is_kept(think: object, kept: object) -> None:
    assert options({"think": think}) == {"think": kept}
    assert options({"think": {"a": 1}}) == options({"think": "x" * 21}) == {}


@pytest.mark.parametrize(("most", "probe"), [(0, True), (1, True), (2, False), (-1, False)])
def test_probe_asks_for_one_token_at_most(most: int, probe: bool) -> None:
    assert is_probe(options({"max_tokens": most})) is probe
    assert not is_probe({})
