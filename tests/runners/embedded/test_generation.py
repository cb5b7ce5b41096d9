from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.support.lora import write_lora

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.runners.embedded.generation import Delta, Done, Event, generate
from laimark_sidecar.runners.embedded.sampling import Sampling

GREEDY = Sampling(max_tokens=10, temperature=0, logprobs=3)


def _run(base: Base, text: str = "def add(", sampling: Sampling = GREEDY) -> list[Event]:
    return list(generate(base, None, base.vocabulary.tokenize(text), sampling, lambda: False))


def _deltas(events: list[Event]) -> list[Delta]:
    return [event for event in events if isinstance(event, Delta)]


def _text(events: list[Event]) -> str:
    return "".join(delta.text for delta in _deltas(events))


def test_greedy_answer_is_the_same_every_time_whatever_was_asked_between(base: Base) -> None:
    first = _run(base)
    _run(base, "something else entirely")
    assert _run(base) == first


def test_greedy_token_is_the_likeliest_and_log_probs_are_ordered(base: Base) -> None:
    for delta in _deltas(_run(base)):
        assert delta.logprob is not None
        values = [value for _, value in delta.logprob.top]
        assert len(values) == 3
        assert values == sorted(values, reverse=True)
        assert delta.logprob.logprob == values[0] <= 0


def test_limit_of_tokens_ends_with_length(base: Base) -> None:
    events = _run(base, sampling=Sampling(max_tokens=4, temperature=0))
    assert isinstance(events[-1], Done)
    assert events[-1].answer_tokens <= 4
    if events[-1].answer_tokens == 4:
        assert events[-1].finish == "length"


def test_answer_never_outgrows_the_context(base: Base) -> None:
    prompt = (base.vocabulary.tokenize("x = 1\n") * 400)[: base.context - 2]
    events = list(generate(base, None, prompt, Sampling(max_tokens=100, temperature=0), lambda: False))
    assert isinstance(events[-1], Done)
    assert events[-1].answer_tokens <= 2


def test_stop_string_ends_the_answer_before_it(base: Base) -> None:
    # Near uniform: whatever the weights are, thirty tokens are text to stop in.
    free = Sampling(max_tokens=30, temperature=10, seed=0, top_k=0, top_p=1)
    whole = _text(_run(base, sampling=free))
    stop = whole[5:8]
    assert len(stop) == 3
    events = _run(base, sampling=dataclasses.replace(free, stops=(stop,)))
    assert _text(events) == whole[: whole.find(stop)]
    assert isinstance(events[-1], Done)
    assert events[-1].finish == "stop"


def test_cancelled_answer_ends_as_aborted(base: Base) -> None:
    asked = iter([False, False, False])
    free = Sampling(max_tokens=10, temperature=10, seed=0, top_k=0, top_p=1)
    events = list(generate(base, None, base.vocabulary.tokenize("abc"), free, lambda: next(asked, True)))
    assert events[-1] == Done(finish="aborted", answer_tokens=2)


def test_cancelled_before_the_prompt_was_read_says_nothing(base: Base) -> None:
    events = list(generate(base, None, base.vocabulary.tokenize("abc"), GREEDY, lambda: True))
    assert events == [Done(finish="aborted", answer_tokens=0)]


def test_end_of_turn_is_reported_in_log_probs_without_text(base: Base) -> None:
    vocabulary = base.vocabulary
    ends = {vocabulary.text(token) for token in range(vocabulary.size) if vocabulary.is_end(token)}
    for seed in range(40):
        sampling = Sampling(max_tokens=200, temperature=1, seed=seed, logprobs=0, top_k=0, top_p=1)
        events = list(generate(base, None, vocabulary.tokenize("hi"), sampling, lambda: False))
        assert isinstance(events[-1], Done)
        if events[-1].finish == "stop":
            scored = [delta for delta in _deltas(events) if delta.logprob]
            assert scored[-1].text == ""
            assert scored[-1].logprob is not None
            assert scored[-1].logprob.token in ends
            return
    pytest.fail("no answer ended by itself in 40 draws")


def test_damaged_adapter_is_an_error_and_leaves_no_trace(base: Base, demo_gguf: Path, tmp_path: Path) -> None:
    clean = _run(base)
    adapter = base.load_adapter(write_lora(demo_gguf, tmp_path / "nan.gguf", value=float("nan")))
    with pytest.raises(RunnerError, match="not finite"):
        list(generate(base, adapter, base.vocabulary.tokenize("def add("), GREEDY, lambda: False))
    base.unload(adapter)
    assert _run(base) == clean
