from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from tests.runners.ollama.conftest import BASE, QUESTION, Starter, expected, runner_at
from tests.support.processes import wait_until

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.ollama.connection import Connection, OllamaRefusedError


def test_blob_is_sent_once(start: Starter, demo_gguf: Path) -> None:
    server = start()
    digest = server.api.put_blob(demo_gguf)
    assert server.api.put_blob(demo_gguf) == digest
    assert server.events().count("blob") == 1
    assert server.api.has_blob(digest)
    assert not server.api.has_blob("sha256:" + "0" * 64)


def test_blob_whose_answer_was_lost_is_there_all_the_same(
    start: Starter, demo_gguf: Path, tmp_path: Path
) -> None:
    server = start()
    other = tmp_path / "other.gguf"
    other.write_bytes(demo_gguf.read_bytes() + b"\0")
    server.fail_next("/api/blobs", "lost-after")
    assert server.api.has_blob(server.api.put_blob(other))
    other.write_bytes(demo_gguf.read_bytes() + b"\1")
    server.fail_next("/api/blobs", "lost")
    with pytest.raises(RunnerError, match="does not answer"):
        server.api.put_blob(other)


def test_blob_that_cannot_be_read_is_told(start: Starter, tmp_path: Path) -> None:
    server = start()
    for digest in ("", "0" * 64):
        with pytest.raises(RunnerError, match="absent cannot be read"):
            server.api.put_blob(tmp_path / "absent", sha256=digest)


def test_error_in_a_stream_is_an_error_though_its_status_is_200(start: Starter) -> None:
    server = start()
    with pytest.raises(OllamaRefusedError, match="pull model manifest") as caught:
        Connection(server.url).call("POST", "/api/create", {"model": "x", "from": "absent"})
    assert caught.value.status == 200


def test_adapter_in_place_of_a_model_is_refused_from_0_34_1_on(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start("0.34.1")
    digest = server.api.put_blob(loras[0])
    with pytest.raises(OllamaRefusedError, match=r"no longer supported: one\.gguf is a LoRA") as caught:
        server.api.create("x", {"files": {"one.gguf": digest}})
    assert caught.value.status == 400


@pytest.mark.timeout(30)  # twenty times the usual silence would be longer
def test_server_that_hangs_in_a_small_write_is_given_up_after_the_usual_silence(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start()
    api = OllamaApi(Connection(server.url, timeout_s=2))
    adapters = {"one.gguf": api.put_blob(loras[0])}
    server.fail_next("/api/create", "stall")
    with pytest.raises(RunnerError, match="does not answer: timed out"):
        api.create("x", {"from": BASE, "adapters": adapters})
    server.fail_next("/api/copy", "stall")
    with pytest.raises(RunnerError, match="does not answer: timed out"):
        api.copy(BASE, "x")
    server.release()


def test_server_that_is_slow_is_told_about_on_the_log(
    start: Starter, demo_gguf: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = start()
    other = tmp_path / "other.gguf"
    other.write_bytes(demo_gguf.read_bytes() + b"\0")
    api = OllamaApi(Connection(server.url), patience_s=0.01)
    caplog.set_level("INFO")

    def told(line: str) -> bool:
        return line in caplog.messages

    calls: dict[str, tuple[str, Callable[[], object]]] = {
        "create x (30 s at most)": ("/api/create", partial(api.create, "x", {"from": BASE})),
        "create y (600 s at most)": ("/api/create", partial(api.create, "y", {"files": {}})),
        "copy x to z (30 s at most)": ("/api/copy", partial(api.copy, "x", "z")),
        "take other.gguf (600 s at most)": ("/api/blobs", partial(api.put_blob, other)),
        f"answer as {BASE} (600 s at most)": ("/api/chat", partial(api.chat, BASE, QUESTION, max_tokens=1)),
    }
    with ThreadPoolExecutor(1) as threads:
        for what, (path, ask) in calls.items():
            server.fail_next(path, "stall")
            asked = threads.submit(ask)
            line = f"waiting for Ollama at {server.url} to {what}"
            wait_until(partial(told, line), line)
            server.release()
            assert isinstance(asked.exception(), RunnerError)
    assert {record.__dict__["action"] for record in caplog.records} == {"ollama.waiting"}


def test_answer_tells_its_text_its_end_and_the_prompts_size(start: Starter, demo_gguf: Path) -> None:
    answer = start().api.chat(BASE, QUESTION, max_tokens=8)
    assert answer.message.content == expected(demo_gguf)
    assert answer.done_reason in ("stop", "length")
    assert answer.prompt_eval_count > 0
    assert answer.logprobs == []


def test_release_that_does_not_tell_its_prompts_is_told_to_be_too_old(start: Starter) -> None:
    server = start("0.11.0")
    with pytest.raises(RunnerError, match="too old") as caught:
        server.api.rendered(BASE, QUESTION)
    assert caught.value.hint == "update it"
    assert not runner_at(server).capabilities().renders


def test_conversation_that_does_not_fit_is_refused_and_not_cut(start: Starter) -> None:
    with pytest.raises(OllamaRefusedError, match="exceeds the context length"):
        start().api.chat(BASE, (Message(role="user", content="word " * 600),), max_tokens=1)


def test_name_in_memory_is_listed_until_it_is_unloaded(start: Starter) -> None:
    api = start().api
    assert api.loaded() == []
    api.chat(BASE, QUESTION, max_tokens=1)
    (loaded,) = api.loaded()
    assert (loaded.name, loaded.context_length) == (BASE, 512)
    api.unload(BASE)
    while api.loaded():  # it leaves later, as the docstring says
        pass


def test_settings_are_shown_as_they_were_given(start: Starter) -> None:
    api = start("0.34.1").api
    fields = {"system": "Be brief.", "messages": [{"role": "user", "content": "hi"}], "renderer": "gemma4"}
    api.create("set", {"from": BASE} | fields)
    shown = api.show("set")
    assert (shown.system, shown.renderer) == ("Be brief.", "gemma4")
    assert [(turn.role, turn.content) for turn in shown.messages or ()] == [("user", "hi")]
    assert shown.license == "The base's own licence"


def test_deleting_twice_is_no_error_and_an_unknown_name_is_one_elsewhere(start: Starter) -> None:
    api = start().api
    for _ in range(2):
        api.delete(BASE)
    for ask in (api.show, api.unload):
        with pytest.raises(OllamaRefusedError, match=f"model '{BASE}' not found"):
            ask(BASE)
