"""What every `Runner` must do, over every runner there is."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import pytest
from tests.conformance.conftest import Subject
from tests.support import llama_server
from tests.support.lora import write_lora
from tests.support.processes import wait_until
from tests.support.rest import chat, open_stream

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.logits import log_softmax
from laimark_sidecar.llamacpp.template import REFERENCE_CLOCK, ChatTemplate
from laimark_sidecar.runners.runner import Reply

pytestmark = pytest.mark.timeout(240)  # a process for each name, on a machine that tests other things too

QUESTION = (Message(role="user", content="Complete the code:\n```python\ndef amber_basalt(cedar):\n```"),)
CONVERSATIONS = [
    pytest.param(QUESTION, id="question"),
    pytest.param(
        (
            Message(role="system", content=""),
            Message(role="user", content="Grüße, 世界 🦙\u200d🔥  <|im_end|>\n<|im_start|>system"),
            Message(role="assistant", content="\tint x = 1;\r\n\n"),
            Message(role="user", content=" and\u00a0then? "),
        ),
        id="turns",
    ),
]
TOLERANCE_NATS = 1e-2
"""The same f32 file between two builds of llama.cpp; another adapter differs by tenths and more (runners.md)."""


def ask(subject: Subject, model: str) -> Reply:
    return subject.runner.generate(model, QUESTION, max_tokens=8, logprobs=5)


def distance(one: Reply, other: Reply) -> float:
    """Return the largest difference of log-probs, in nats; infinite where the texts are two."""
    if one.text != other.text:
        return math.inf
    return max(abs(a.logprob - b.logprob) for a, b in zip(one.tokens, other.tokens, strict=True))


def test_all_that_promotion_needs_is_declared(subject: Subject) -> None:
    found = subject.runner.capabilities()
    assert found.logprobs
    assert found.renders


def test_base_is_the_file_that_is_served(subject: Subject, demo_gguf: Path) -> None:
    assert subject.runner.base().sha256 == sha256_file(demo_gguf)


def test_the_bases_file_is_told_and_how_much_it_reads(subject: Subject, demo_gguf: Path) -> None:
    served = subject.runner.served()
    assert sha256_file(served.path) == sha256_file(demo_gguf)
    assert served.context in (0, 1024, 2048)


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_a_conversation_is_rendered_and_tokenised_as_the_gguf_says(
    subject: Subject, demo_gguf: Path, messages: tuple[Message, ...]
) -> None:
    found = subject.runner.render(messages)
    with Base(demo_gguf, context=64, threads=1) as base:
        vocabulary = base.vocabulary
        text = ChatTemplate(base.template, bos=vocabulary.bos, eos=vocabulary.eos).render(messages)
        tokens = vocabulary.tokenize(text)
        assert found.text == text
        if found.tokens is not None:
            assert list(found.tokens) == tokens


def test_what_is_unloaded_is_loaded_again_when_it_is_asked(subject: Subject) -> None:
    before = ask(subject, "me:one"), ask(subject, "demo")
    names = subject.runner.names()
    for _ in range(2):
        subject.runner.unload()
        assert subject.runner.names() == names
    assert (ask(subject, "me:one"), ask(subject, "demo")) == before


def test_unloading_lets_an_answer_in_flight_end(subject: Subject) -> None:
    connection, lines = open_stream(subject.url, "demo", "go on", **_endless(300))
    next(lines)
    unloading = threading.Thread(target=subject.runner.unload, name="unload")
    unloading.start()
    assert _is_whole(list(lines))
    unloading.join(60)
    connection.close()


def test_names_tell_what_answers(subject: Subject) -> None:
    names = subject.runner.names()
    assert names["demo"] == names["base"] == ""
    assert names["me:one"] == "me:one"


def test_unknown_name_is_refused_and_the_served_ones_are_told(subject: Subject) -> None:
    with pytest.raises(RunnerError, match=r"nobody.* served names: .*me:one"):
        ask(subject, "nobody")
    with pytest.raises(RunnerError, match=r"me:never"):
        subject.runner.point("me:lost", "me:never")
    assert "me:lost" not in subject.runner.names()


def test_every_adapter_answers_as_llama_cpp_in_process_does(
    subject: Subject, demo_gguf: Path, adapters: tuple[Path, ...]
) -> None:
    with Base(demo_gguf, context=512, threads=1) as base:
        for name, path in (("demo", None), ("me:one", adapters[0])):
            reply = ask(subject, name)
            assert len(reply.tokens) == 8 or reply.finish == "stop"
            base.clear()
            base.set_adapter(base.load_adapter(path) if path else None)
            template = ChatTemplate(
                base.template, bos=base.vocabulary.bos, eos=base.vocabulary.eos, clock=REFERENCE_CLOCK
            )
            logits_v = base.decode(base.vocabulary.tokenize(template.render(QUESTION)))[0]
            for token in reply.tokens:
                expected_v = log_softmax(logits_v)
                best = int(expected_v.argmax())
                assert token.token == base.vocabulary.text(best)
                assert token.top[0] == (token.token, token.logprob)
                likely = {
                    base.vocabulary.text(int(n)): float(expected_v[n]) for n in expected_v.argsort()[-10:]
                }
                assert len(token.top) == 5
                for text, found in token.top:
                    assert found == pytest.approx(likely[text], abs=TOLERANCE_NATS)
                logits_v = base.decode([best])[0]


def test_the_same_question_has_the_same_answer_whatever_was_asked_before(subject: Subject) -> None:
    first = ask(subject, "me:one")
    ask(subject, "demo")
    assert ask(subject, "me:one") == first
    assert ask(subject, "demo") != first
    assert subject.runner.generate("me:one", QUESTION, max_tokens=8).tokens == ()


def test_registering_again_does_nothing_and_another_adapter_under_the_name_is_refused(
    subject: Subject, adapters: tuple[Path, ...]
) -> None:
    subject.runner.register("me:2026-11-22-aaaa", adapters[1])
    answer = ask(subject, "me:2026-11-22-aaaa")
    subject.runner.register("me:2026-11-22-aaaa", adapters[1])
    with pytest.raises(RunnerError, match="me:2026-11-22-aaaa"):
        subject.runner.register("me:2026-11-22-aaaa", adapters[2])
    assert ask(subject, "me:2026-11-22-aaaa") == answer
    subject.runner.withdraw("me:2026-11-22-aaaa")


def test_names_that_differ_only_in_the_day_are_two(subject: Subject, adapters: tuple[Path, ...]) -> None:
    # llama-server keeps what is behind the last dash only, in capitals.
    days = ("me:2026-11-22-3f9a", "me:2026-11-23-3f9a")
    for day, adapter in zip(days, adapters[1:3], strict=True):
        subject.runner.register(day, adapter)
    assert {day: subject.runner.names()[day] for day in days} == {day: day for day in days}
    assert ask(subject, days[0]) != ask(subject, days[1])
    for day in days:
        subject.runner.withdraw(day)


@pytest.mark.parametrize("fault", ["garbage", "missing", "wrong_shapes", "not_finite"])
def test_a_bad_adapter_is_refused_and_what_was_served_is_served_still(
    subject: Subject, demo_gguf: Path, tmp_path: Path, fault: str
) -> None:
    bad = tmp_path / "bad.gguf"
    if fault == "garbage":
        bad.write_bytes(b"garbage")
    elif fault == "wrong_shapes":
        write_lora(demo_gguf, bad, wrong_shapes=True)
    elif fault == "not_finite":
        write_lora(demo_gguf, bad, value=float("nan"))
    before = subject.runner.names()
    answer = ask(subject, "me:one")
    with pytest.raises(RunnerError, match=r"bad\.gguf"):
        subject.runner.register("me:bad", bad)
    assert subject.runner.names() == before
    assert ask(subject, "me:one") == answer


def test_a_name_points_there_and_back(subject: Subject, adapters: tuple[Path, ...]) -> None:
    runner = subject.runner
    runner.register("me:two", adapters[1])
    for version, same in (("me:one", "me:one"), ("me:two", "me:two"), ("", "demo"), ("me:one", "me:one")):
        runner.point("me:latest", version)
        runner.point("me:latest", version)
        assert runner.names()["me:latest"] == version
        assert ask(subject, "me:latest") == ask(subject, same)
    runner.require_movable("me:latest")
    runner.require_movable("me:never-seen")
    for fixed in ("me:one", "demo"):
        with pytest.raises(RunnerError):
            runner.require_movable(fixed)
    with pytest.raises(RunnerError):
        runner.point("me:one", "me:two")
    with pytest.raises(RunnerError):
        runner.point("demo", "me:two")
    with pytest.raises(RunnerError, match="me:latest"):
        runner.withdraw("me:one")
    runner.withdraw("me:latest")
    runner.withdraw("me:two")


def test_withdrawing_may_be_repeated_and_spares_the_base(
    subject: Subject, adapters: tuple[Path, ...]
) -> None:
    subject.runner.register("me:gone", adapters[1])
    for _ in range(2):
        subject.runner.withdraw("me:gone")
    assert "me:gone" not in subject.runner.names()
    with pytest.raises(RunnerError):
        ask(subject, "me:gone")
    with pytest.raises(RunnerError, match="cannot be withdrawn"):
        subject.runner.withdraw("demo")


def test_withdrawing_lets_an_answer_in_flight_end(subject: Subject, adapters: tuple[Path, ...]) -> None:
    subject.runner.register("me:leaving", adapters[1])
    connection, lines = open_stream(subject.url, "me:leaving", "go on", **_endless(300))
    next(lines)
    withdrawing = threading.Thread(target=subject.runner.withdraw, args=("me:leaving",), name="withdraw")
    withdrawing.start()
    assert _is_whole(list(lines))
    withdrawing.join(60)
    connection.close()
    assert "me:leaving" not in subject.runner.names()


def test_a_stream_in_flight_is_whole_when_a_version_is_registered(
    subject: Subject, adapters: tuple[Path, ...]
) -> None:
    connection, lines = open_stream(subject.url, "demo", "go on", **_endless(200))
    next(lines)
    registering = threading.Thread(
        target=subject.runner.register, args=("me:between", adapters[3]), name="register"
    )
    registering.start()
    assert _is_whole(list(lines))
    registering.join(60)
    connection.close()
    assert "me:between" in subject.runner.names()
    subject.runner.withdraw("me:between")


def test_a_client_that_asks_for_the_moving_name_gets_what_it_points_at(
    subject: Subject, adapters: tuple[Path, ...]
) -> None:
    runner = subject.runner
    runner.register("me:two", adapters[1])
    text = QUESTION[0].content
    # Twice there and back: what was cached under one adapter must not answer under another.
    for version in ("me:one", "me:two", "", "me:two", "me:one"):
        runner.point("me:latest", version)
        answer = chat(subject.url, "me:latest", text, max_tokens=8).json()
        expected = runner.generate(version or "demo", QUESTION, max_tokens=8)
        assert answer["choices"][0]["message"]["content"] == expected.text
    runner.withdraw("me:latest")
    runner.withdraw("me:two")


def test_long_streams_run_on_through_registrations(subject: Subject, adapters: tuple[Path, ...]) -> None:
    if not subject.runner.capabilities().hot_register:
        pytest.skip("it registers between streams, as the test above shows")
    ended = threading.Event()
    whole: list[bool] = []

    def listen(model: str) -> None:
        while not ended.is_set() or not whole:
            connection, lines = open_stream(subject.url, model, "go on for ever", **_endless(100))
            whole.append(_is_whole(list(lines)))
            connection.close()

    listeners = [threading.Thread(target=listen, args=(name,), name=name) for name in ("demo", "me:one")]
    for listener in listeners:
        listener.start()
    names = [f"me:run-{number}" for number in range(3)]
    try:
        for name, adapter in zip(names, adapters[2:], strict=True):
            subject.runner.register(name, adapter)
            subject.runner.point("me:latest", name)
            ask(subject, name)
    finally:
        ended.set()
        for listener in listeners:
            listener.join(120)
    assert len(whole) >= 2
    assert all(whole), f"{whole.count(False)} of {len(whole)} streams were cut"
    subject.runner.withdraw("me:latest")
    for name in names:
        subject.runner.withdraw(name)


def test_long_streams_run_on_through_ten_swaps_of_the_moving_name(
    subject: Subject, adapters: tuple[Path, ...]
) -> None:
    runner = subject.runner
    runner.register("me:two", adapters[1])
    runner.point("me:latest", "me:two")
    ended = threading.Event()
    whole: list[bool] = []

    def listen(model: str, began: threading.Event) -> None:
        connection, lines = open_stream(subject.url, model, "go on for ever", **_endless(100))
        first = next(lines)
        began.set()
        whole.append(_is_whole([first, *lines]))
        connection.close()

    def listen_on(model: str) -> None:
        while not ended.is_set():
            listen(model, threading.Event())

    others = [threading.Thread(target=listen_on, args=(name,), name=name) for name in ("demo", "me:one")]
    for listener in others:
        listener.start()
    try:
        for version in ("me:one", "me:two") * 5:
            # Nobody else is ever quiet, so a swap that waited for them would not end.
            began = threading.Event()
            asking = threading.Thread(target=listen, args=("me:latest", began), name="me:latest")
            asking.start()
            assert began.wait(60)
            runner.point("me:latest", version)
            assert runner.names()["me:latest"] == version
            asking.join(120)
            # While others are answered in the same batch the last bits of a number may differ.
            assert distance(ask(subject, "me:latest"), ask(subject, version)) < TOLERANCE_NATS
    finally:
        ended.set()
        for listener in others:
            listener.join(120)
    assert len(whole) >= 12
    assert all(whole), f"{whole.count(False)} of {len(whole)} streams were cut"
    runner.withdraw("me:latest")
    runner.withdraw("me:two")


def test_activity_is_told_while_one_asks_and_the_quiet_after_it(subject: Subject) -> None:
    runner = subject.runner
    tells_busy = runner.capabilities().tells_busy
    runner.activity()
    with llama_server.kept_busy(subject.url, "demo", streams=2):
        seen = runner.activity()
    if tells_busy:
        assert seen.busy
        assert seen.idle_s == 0
    wait_until(lambda: not runner.activity().busy, "the answer is over")
    quiet = runner.activity()
    assert quiet.served > 0
    wait_until(lambda: runner.activity().idle_s > quiet.idle_s, "the quiet grows")


def _endless(tokens: int) -> dict[str, object]:
    """Ask for so many tokens, whatever the model would say: hot, from all tokens, its end among them forbidden."""
    return {
        "max_tokens": tokens,
        "temperature": 5,
        "top_k": 0,
        "top_p": 1,
        "min_p": 0,
        "seed": 7,
        "ignore_eos": True,
    }


def _is_whole(lines: list[bytes]) -> bool:
    """Say whether a stream came to its proper end."""
    return b"data: [DONE]" in [line.strip() for line in lines] and any(
        b'"finish_reason":"' in line for line in lines
    )
