from __future__ import annotations

import os
import signal
import socket
import stat
import sys
import threading
from pathlib import Path

import pytest
from tests.support.llama_server import (
    children,
    gone,
    halt,
    managed,
    needs_llama_server,
    router_settings,
    runner,
    sections,
    started,
)
from tests.support.processes import wait_until
from tests.support.rest import call, chat

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.runners.llama_server import process as module
from laimark_sidecar.runners.llama_server.presets import Presets


def never() -> None:
    raise AssertionError("the preset file of a running server must not be written")


@needs_llama_server
def test_it_is_started_once_found_again_and_stopped(tmp_path: Path, demo_gguf: Path) -> None:
    settings = router_settings(tmp_path / "router", demo_gguf)
    with started(settings) as server:
        pid = server.pid()
        assert pid is not None
        assert managed(settings).start(prepare=never) == pid
        assert server.healthy()
        assert stat.S_IMODE(settings.log.stat().st_mode) == 0o600
        assert "listening" in server.log_tail()
        assert server.stop()
        assert server.pid() is None
        assert gone(pid)
        assert not server.healthy()
        assert not server.stop()


@needs_llama_server
def test_a_crashed_router_takes_its_processes_along_and_can_be_started_again(
    tmp_path: Path, demo_gguf: Path
) -> None:
    settings = router_settings(tmp_path / "router", demo_gguf)
    with started(settings) as server:
        pid = server.pid()
        assert pid is not None
        chat(settings.url, "demo", "hello")
        processes = children(pid)
        assert len(processes) == 1
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: server.pid() is None, "the router is gone")
        wait_until(lambda: all(map(gone, processes)), "its processes are gone")
        with pytest.raises(RunnerError, match="no llama-server") as caught:
            runner(settings).names()
        assert "runner start" in caught.value.hint
        assert server.start(prepare=lambda: Presets(settings).seed(sections(settings, {}))) != pid
        assert chat(settings.url, "demo", "hello").status == 200


@needs_llama_server
def test_a_router_that_hangs_is_noticed_and_killed(
    tmp_path: Path, demo_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TERM_TIMEOUT_S", 0.3)
    settings = router_settings(tmp_path / "router", demo_gguf)
    with started(settings) as server:
        pid = server.pid()
        assert pid is not None
        halt(pid)
        with pytest.raises(RunnerError, match="does not answer") as caught:
            runner(settings, timeout_s=0.5).names()
        assert "runner stop" in caught.value.hint
        assert server.stop()
        assert gone(pid)


@needs_llama_server
def test_pages_of_other_sites_may_not_read_its_answers(tmp_path: Path, demo_gguf: Path) -> None:
    settings = router_settings(tmp_path / "router", demo_gguf)
    with started(settings):
        for origin, allowed in (("https://example.org", False), ("http://localhost:3000", True)):
            answer = call(settings.url, "GET", "/models", headers={"Origin": origin})
            assert ("access-control-allow-origin" in answer.headers) == allowed


def test_a_number_that_is_another_process_by_now_is_not_ours(tmp_path: Path) -> None:
    settings = router_settings(tmp_path, tmp_path / "base.gguf")
    server = managed(settings)
    assert server.pid() is None
    for content in (str(os.getpid()), "", "garbage"):
        settings.pid.write_text(content)
        assert server.pid() is None
    settings.pid.write_text(str(os.getpid()))
    assert not server.stop()
    assert not settings.pid.exists()


def test_a_program_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    program = tmp_path / "llama-server"
    program.write_text("#!/bin/sh\necho error: invalid argument: --models-preset\nexit 1\n")
    program.chmod(0o755)
    settings = router_settings(tmp_path / "router", tmp_path / "base.gguf", binary=str(program))
    server = managed(settings)
    with pytest.raises(
        RunnerError, match=r"ended at once: error: invalid argument: --models-preset"
    ) as caught:
        server.start(prepare=lambda: None)
    assert 'runner.mode to "single"' in caught.value.hint
    assert server.pid() is None
    assert not settings.pid.exists()


@pytest.mark.parametrize("content", ["", "garbage", "-1", "0", "99999999999999999999", "9" * 5000, "\xff"])
def test_a_pid_file_that_holds_no_pid_means_that_none_runs(tmp_path: Path, content: str) -> None:
    settings = router_settings(tmp_path / "router", tmp_path / "base.gguf")
    settings.folder.mkdir()
    settings.pid.write_text(content, encoding="latin-1")
    server = managed(settings)
    assert server.pid() is None
    assert not server.stop()
    assert not settings.pid.exists()


def test_a_port_that_is_just_being_given_back_is_waited_for(tmp_path: Path) -> None:
    program = tmp_path / "llama-server"
    program.write_text("#!/bin/sh\necho it was started\nexit 1\n")
    program.chmod(0o755)
    dying = socket.create_server(("127.0.0.1", 0))
    settings = router_settings(
        tmp_path / "router", tmp_path / "base.gguf", port=dying.getsockname()[1], binary=str(program)
    )
    closing = threading.Timer(0.3, dying.close)
    closing.start()
    with pytest.raises(RunnerError, match="it was started"):
        managed(settings).start(prepare=lambda: None)
    closing.join()


def test_a_port_that_somebody_else_holds_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:  # takes connections, and never says a word
        settings = router_settings(tmp_path / "router", tmp_path / "base.gguf", port=other.getsockname()[1])
        with pytest.raises(RunnerError, match="something else listens at") as caught:
            managed(settings).start(prepare=never)
    assert "runner.port" in caught.value.hint
    assert not settings.log.exists()


SLOW = """#!{python}
import http.server, sys, time
began = time.monotonic()
class Loading(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        loads = time.monotonic() - began < {seconds}
        body = b'{{"error": {{"message": "Loading model"}}}}' if loads else b"{{}}"
        self.send_response(503 if loads else 200)
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Loading).serve_forever()
"""


def test_one_that_loads_its_model_is_waited_for_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "llama-server"
    program.write_text(SLOW.format(python=sys.executable, seconds=2))
    program.chmod(0o755)
    settings = router_settings(tmp_path / "router", tmp_path / "base.gguf", binary=str(program))
    server = managed(settings)
    pid = server.start(prepare=lambda: None)
    try:
        assert server.healthy()
        assert managed(settings).start(prepare=never) == pid
    finally:
        assert server.stop()
    monkeypatch.setattr(module, "LOAD_TIMEOUT_S", 0.2)
    with pytest.raises(RunnerError, match=r"did not answer for 0\.2 s"):
        server.start(prepare=lambda: None)
    assert server.pid() is None


def test_a_log_that_grew_too_long_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_BYTES", 100)
    program = tmp_path / "llama-server"
    program.write_text("#!/bin/sh\necho last words\nexit 1\n")
    program.chmod(0o755)
    settings = router_settings(tmp_path / "router", tmp_path / "base.gguf", binary=str(program))
    settings.folder.mkdir()
    for before, after in (("x" * 101, "last words\n"), ("x" * 100, "x" * 100 + "last words\n")):
        settings.log.write_text(before)
        with pytest.raises(RunnerError, match="once: last words"):
            managed(settings).start(prepare=lambda: None)
        assert settings.log.read_text() == after


def test_without_a_program_nothing_is_started(tmp_path: Path) -> None:
    settings = router_settings(tmp_path / "router", tmp_path / "base.gguf", binary=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"runner\.binary"):
        managed(settings).start(prepare=lambda: None)
