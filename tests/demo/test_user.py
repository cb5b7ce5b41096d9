"""The scripted user against a small runner that answers by rule."""

from __future__ import annotations

from typing import Any

import pytest
from tests.demo.courses import runner, says, task

from laimark_sidecar.demo.user import Client, Session, examine, normalised, work
from laimark_sidecar.errors import RunnerError
from laimark_sidecar.experience.signals import classify


def always(text: str) -> Any:
    return lambda body: says(text)


def silent(number: int) -> None:
    """Tell nobody."""


@pytest.mark.parametrize(
    ("line", "normal"), [("  a  =\t1 \n", "a = 1"), ("", ""), ("\n \n", ""), ("a=1", "a=1")]
)
def test_white_space_is_normalised_and_nothing_else(line: str, normal: str) -> None:
    assert normalised(line) == normal


def test_answers_are_asked_for_greedily_under_the_given_name() -> None:
    with runner(always("x")) as (url, heard):
        assert Client(url).chat("me:latest", [{"role": "user", "content": "hi"}]) == "x"
    (body,) = heard.bodies
    assert (body["model"], body["temperature"], body["messages"][0]["content"]) == ("me:latest", 0, "hi")
    assert "x-laimark-record" not in heard.headers[0]


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with runner(always("x")) as (url, _):
        assert Client(url).chat("m", []) == "x"


def test_a_wrong_answer_is_corrected_in_words_that_the_sidecar_understands() -> None:
    with runner(always("return 1")) as (url, heard):
        session = work(Client(url), "me:latest", [task("return a + b")], done=silent)
    assert session == Session(asked=1, right=0, corrected=1)
    asked, told = (body["messages"] for body in heard.bodies)
    assert told[:2] == [*asked, {"role": "assistant", "content": "return 1"}]
    turn = classify(told[2]["content"], "return 1", prompt=asked[0]["content"])
    assert (turn.kind, turn.content.strip()) == ("correction", "return a + b")


def test_a_right_answer_is_accepted_in_words_that_the_sidecar_understands() -> None:
    with runner(always(" return  a + b\n")) as (url, heard):
        session = work(Client(url), "m", [task("return a + b")], done=silent)
    assert session == Session(asked=1, right=1, corrected=0)
    reaction = heard.bodies[1]["messages"][2]["content"]
    assert classify(reaction, "return  a + b", prompt="next line?").kind == "accept"


def test_an_exam_is_neither_corrected_nor_recorded() -> None:
    told: list[int] = []
    tasks = [task("a", prompt="one"), task("b", prompt="two")]
    with runner(lambda body: says(body["messages"][0]["content"])) as (url, heard):
        assert examine(Client(url, record=False), "base", tasks, done=told.append) == ("one", "two")
    assert told == [1, 2]
    assert len(heard.bodies) == 2
    assert all(headers["x-laimark-record"] == "off" for headers in heard.headers)


def test_a_refusal_is_quoted() -> None:
    with (
        runner(lambda body: (503, b"the adapter is gone")) as (url, _),
        pytest.raises(RunnerError, match="answered 503: the adapter is gone"),
    ):
        Client(url).chat("m", [])


def test_a_runner_that_is_gone_is_named() -> None:
    with runner(always("x")) as (url, _):
        pass
    with pytest.raises(RunnerError, match=f"the runner at {url} does not answer"):
        Client(url).chat("m", [])
