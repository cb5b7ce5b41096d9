from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runners.embedded.conftest import Running
from tests.support.lora import write_lora
from tests.support.rest import call, chat

from laimark_sidecar.journal.exchange import Feedback
from laimark_sidecar.runners.embedded.recorder import LONGEST_TEXT_BYTES
from laimark_sidecar.runners.embedded.serve import serving
from laimark_sidecar.runners.embedded.settings import ServeSettings


def test_state_tells_identity_names_and_activity(server: Running) -> None:
    state = call(server.url, "GET", "/laimark/state", headers=server.admin).json()
    assert state["base"]["name"] == "demo"
    assert state["names"]["me:one"] == "me:one"
    assert state["pid"] == os.getpid()
    assert state["recording"] is True
    assert not state["busy"]
    assert state["idle_s"] >= 0


def test_names_may_hold_slashes_and_spaces_are_refused(server: Running, adapters: tuple[Path, Path]) -> None:
    answer = call(server.url, "PUT", "/laimark/names/team/me:latest", {"version": "me:one"}, server.admin)
    assert answer.status == 200
    assert chat(server.url, "team/me:latest", "hi").status == 200
    assert call(server.url, "DELETE", "/laimark/names/team/me:latest", headers=server.admin).status == 200
    assert call(server.url, "PUT", "/laimark/names/a%20b", {"version": ""}, server.admin).status == 400


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"path": "relative.gguf"}, 400, "absolute"),
        ({}, 400, "path"),
        ({"path": "/nowhere/at/all.gguf"}, 422, "cannot be read"),
    ],
)
def test_unusable_registration_is_refused(
    server: Running, body: dict[str, str], status: int, says: str
) -> None:
    answer = call(server.url, "PUT", "/laimark/adapters/me:new", body, server.admin)
    assert answer.status == status
    assert says in answer.error()
    assert "me:new" not in server.runner.names()


def test_other_content_than_promised_is_refused(server: Running, adapters: tuple[Path, Path]) -> None:
    body = {"path": str(adapters[1]), "sha256": "0" * 64}
    answer = call(server.url, "PUT", "/laimark/adapters/me:new", body, server.admin)
    assert answer.status == 422
    assert "expected 000000000000" in answer.error()


def test_adapter_that_would_abort_the_server_does_not(
    server: Running, demo_gguf: Path, tmp_path: Path
) -> None:
    bad = write_lora(demo_gguf, tmp_path / "embeddings.gguf", embeddings=True)
    answer = call(server.url, "PUT", "/laimark/adapters/me:new", {"path": str(bad)}, server.admin)
    assert answer.status == 422
    assert "SIGABRT" in answer.error()
    assert chat(server.url, "demo", "hi").status == 200


def test_a_prompt_is_told_to_the_administrator_alone(server: Running) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}]}
    told = call(server.url, "POST", "/laimark/render", body, server.admin).json()
    assert told["text"] == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert len(told["tokens"]) > 3
    assert call(server.url, "POST", "/laimark/render", body).status == 401
    assert call(server.url, "POST", "/laimark/render", {"messages": []}, server.admin).status == 400


def test_feedback_needs_no_token_and_names_the_exchange(server: Running) -> None:
    completion = chat(server.url, "demo", "hi").json()["id"]
    for body in ({"kind": "accept"}, {"kind": "edit", "text": "better"}):
        answer = call(server.url, "POST", "/laimark/feedback", {"id": completion} | body)
        assert answer.json() == {"recorded": True}
    recorded = [record for record in server.records() if isinstance(record, Feedback)]
    ours = [record for record in recorded if record.exchange_id == completion.removeprefix("chatcmpl-")]
    assert [(record.kind, record.text) for record in ours] == [("accept", ""), ("edit", "better")]


@pytest.mark.parametrize(
    "body",
    [
        {"id": "chatcmpl-x", "kind": "accept"},
        {"id": "a" * 32, "kind": "love"},
        {"id": "a" * 32, "kind": "edit"},
        {"kind": "accept"},
    ],
)
def test_malformed_feedback_is_a_400(server: Running, body: dict[str, str]) -> None:
    assert call(server.url, "POST", "/laimark/feedback", body).status == 400


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"kind": "accept"}, 404, "no exchange"),
        ({"kind": "edit", "text": "x" * (LONGEST_TEXT_BYTES + 1)}, 413, "no edit of an answer"),
    ],
)
def test_feedback_on_nothing_or_of_too_many_words_is_refused(
    server: Running, body: dict[str, str], status: int, says: str
) -> None:
    answer = call(server.url, "POST", "/laimark/feedback", {"id": "a" * 32} | body)
    assert answer.status == status
    assert says in answer.error()


def test_lost_journal_does_not_break_a_chat_but_feedback_on_it_is_refused(
    settings: Callable[..., ServeSettings], tmp_path: Path
) -> None:
    blocked = tmp_path / "journal"
    blocked.write_text("a file where the folder should be")
    with serving(settings(journal_folder=blocked)) as url:
        answer = chat(url, "demo", "hi")
        assert answer.status == 200
        feedback = call(url, "POST", "/laimark/feedback", {"id": answer.json()["id"], "kind": "accept"})
    assert feedback.status == 404
    assert "was recorded here" in feedback.error()
