"""What only this runner does; what every runner must do is in `tests/conformance`."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import pytest
from tests.runners.llama_server.conftest import Running
from tests.support import llama_server
from tests.support.rest import call, open_stream

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.llama_server.router import Router

pytestmark = [llama_server.needs_llama_server, pytest.mark.timeout(240)]
QUESTION = (Message(role="user", content="def amber(basalt):"),)
LONG: dict[str, object] = {"max_tokens": 400, "temperature": 5, "min_p": 0, "top_k": 0, "ignore_eos": True}


def running_names(running: Running) -> list[str]:
    return [model.id for model in Router(running.settings.url, timeout_s=10).models() if model.running]


def test_a_name_in_use_is_moved_when_its_answer_has_ended(
    running: Running, adapters: tuple[Path, ...]
) -> None:
    runner = running.runner
    runner.point("me:latest", "me:one")
    runner.register("me:two", adapters[1])
    connection, lines = open_stream(running.settings.url, "me:latest", "go on", **LONG)
    next(lines)
    impatient = llama_server.runner(running.settings, patience_s=0.05)
    with pytest.raises(RunnerError, match="me:latest has been answering"):
        impatient.point("me:latest", "me:two")
    assert runner.names()["me:latest"] == "me:one"
    moving = threading.Thread(target=runner.point, args=("me:latest", "me:two"), name="move")
    moving.start()
    assert [line.strip() for line in lines if line.strip()][-1] == b"data: [DONE]"
    moving.join(60)
    connection.close()
    assert runner.names()["me:latest"] == "me:two"
    assert runner.generate("me:latest", QUESTION, max_tokens=8) == runner.generate(
        "me:two", QUESTION, max_tokens=8
    )
    runner.withdraw("me:latest")
    runner.withdraw("me:two")


def test_two_conversations_that_outgrow_the_context_together_both_end_well(running: Running) -> None:
    # 900 tokens each in a context of 1024; kept_busy fails where one ends with an error.
    with llama_server.kept_busy(running.settings.url, "demo", streams=2):
        assert running.runner.activity().busy


def test_a_section_that_somebody_else_wrote_is_served_and_left_alone(
    running: Running, demo_gguf: Path, adapters: tuple[Path, ...]
) -> None:
    preset = running.settings.preset
    foreign = f"# grüße\n[coder]\nmodel = {demo_gguf}\nalias = me:taken\ntags = laimark\nctx-size = 256\nthreads = 1\n".encode()
    preset.write_bytes(preset.read_bytes() + foreign)
    runner = running.runner
    for name in ("coder", "me:taken"):
        for _ in range(2):  # before the router has read it, and after
            for refused in (
                partial(runner.require_movable, name),
                partial(runner.register, name, adapters[1]),
                partial(runner.point, name, "me:one"),
            ):
                with pytest.raises(RunnerError, match="something else") as caught:
                    refused()
                assert "rename" in caught.value.hint
            call(running.settings.url, "GET", "/models?reload=1")
    runner.require_movable("me:free")
    runner.register("me:two", adapters[1])
    assert "coder" not in runner.names()
    with pytest.raises(RunnerError, match="not the sidecar's"):
        runner.withdraw("coder")
    runner.withdraw("me:two")
    assert foreign in preset.read_bytes()
    assert call(running.settings.url, "GET", "/models?reload=1").status == 200
    assert {"id": "coder"}.items() <= next(
        model
        for model in call(running.settings.url, "GET", "/models").json()["data"]
        if model["id"] == "coder"
    ).items()


def test_it_starts_beside_a_section_that_has_taken_one_of_its_names(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    settings = llama_server.router_settings(tmp_path / "router", demo_gguf)
    settings.folder.mkdir()
    settings.preset.write_text(f"[zzz]\nmodel = {demo_gguf}\nalias = me:one\n")
    with llama_server.started(settings, {"me:one": adapters[0], "me:two": adapters[1]}) as server:
        names = Running(settings=settings, server=server).runner.names()
    assert names == {"demo": "", "base": "", "me:two": "me:two"}


def test_no_more_names_have_a_process_than_allowed(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    settings = llama_server.router_settings(tmp_path / "router", demo_gguf, preloaded=2)
    with llama_server.started(settings) as server:
        small = Running(settings=settings, server=server)
        for number, adapter in enumerate(adapters):
            small.runner.register(f"me:{number}", adapter)
            assert len(running_names(small)) <= 2
        answers = [small.runner.generate(f"me:{number}", QUESTION, max_tokens=8) for number in range(4)]
        assert len({answer.text for answer in answers}) > 1
        assert small.runner.names().keys() >= {f"me:{number}" for number in range(4)}


def test_a_preset_file_that_the_router_refuses_changes_nothing(
    running: Running, adapters: tuple[Path, ...]
) -> None:
    before = running.settings.preset.read_text()
    broken = before + "neither a section nor a setting\n"
    running.settings.preset.write_text(broken)
    with pytest.raises(RunnerError, match="HTTP 500"):
        running.runner.register("me:two", adapters[1])
    assert running.settings.preset.read_text() == broken
    running.settings.preset.write_text(before)
    assert running.runner.generate("me:one", QUESTION, max_tokens=2).text
    assert "me:two" not in running.runner.names()


def test_a_server_of_another_home_is_told(running: Running, tmp_path: Path, demo_gguf: Path) -> None:
    other = llama_server.router_settings(tmp_path, demo_gguf, base_name="qwen", port=running.settings.port)
    with pytest.raises(RunnerError, match="not started by this home"):
        llama_server.runner(other).base()


def test_a_router_that_is_wedged_is_noticed_and_works_again_after_a_restart(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    settings = llama_server.router_settings(tmp_path / "router", demo_gguf)
    with llama_server.started(settings, {"me:one": adapters[0]}) as server:
        before = settings.preset.read_text()
        # Whoever gives a second section a name that is taken wedges llama-server: no process is started any more.
        settings.preset.write_text(f"{before}[thief]\nmodel = {demo_gguf}\nalias = me:one\n")
        assert call(settings.url, "GET", "/models?reload=1").status == 500
        with pytest.raises(RunnerError, match="does not answer") as caught:
            llama_server.runner(settings, timeout_s=1).generate("me:one", QUESTION, max_tokens=2)
        assert "runner stop" in caught.value.hint
        with pytest.raises(RunnerError, match="me:one: more than one section"):
            llama_server.runner(settings).register("me:two", adapters[1])
        settings.preset.write_text(before)
        assert server.stop()
        server.start(prepare=lambda: None)
        assert llama_server.runner(settings).generate("me:one", QUESTION, max_tokens=2).text


def test_the_router_reads_utf_8_only(demo_gguf: Path, tmp_path: Path) -> None:
    settings = llama_server.router_settings(tmp_path / "router", demo_gguf)
    settings.folder.mkdir()

    def prepare() -> None:
        settings.preset.write_bytes("# grüße\n".encode("latin-1"))

    with pytest.raises(RunnerError, match="failed to parse server config file"):
        llama_server.managed(settings).start(prepare=prepare)
