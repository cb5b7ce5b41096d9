"""What goes wrong around a llama-server, each with the real process: told clearly, and nothing that was served is lost."""

from __future__ import annotations

import http.server
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support import llama_server, registering
from tests.support.llama_server import children, gone, halt
from tests.support.llama_server_running import Running
from tests.support.processes import environment, wait_until
from tests.support.rest import call

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.llama_server.client import LlamaServerRunner
from laimark_sidecar.runners.llama_server.presets import Presets
from laimark_sidecar.runners.llama_server.settings import RouterSettings, ServerSettings
from laimark_sidecar.runners.runner import Runner

pytestmark = [llama_server.needs_llama_server, pytest.mark.timeout(240)]
QUESTION = (Message(role="user", content="def amber(basalt):"),)


def said(runner: Runner, model: str) -> str:
    return runner.generate(model, QUESTION, max_tokens=8).text


def child_of(running: Running, name: str) -> int:
    """Return the process that answers to a name."""
    said(running.runner, name)
    pid = running.server.pid()
    assert pid is not None
    tag = f"laimark.name={name},".encode()
    (found,) = [child for child in children(pid) if tag in Path(f"/proc/{child}/cmdline").read_bytes()]
    return found


def test_a_name_whose_process_crashed_answers_again(running: Running) -> None:
    before = said(running.runner, "me:one")
    crashed = child_of(running, "me:one")
    other = child_of(running, "demo")
    os.kill(crashed, signal.SIGKILL)
    wait_until(lambda: gone(crashed), "it is gone")
    wait_until(lambda: answers(running.runner, "me:one"), "it is started again")
    assert said(running.runner, "me:one") == before
    assert child_of(running, "me:one") != crashed
    assert child_of(running, "demo") == other


def answers(runner: Runner, model: str) -> bool:
    try:
        return bool(said(runner, model))
    except RunnerError:
        return False


def test_a_name_whose_process_hangs_is_told_and_nothing_waits_for_ever(running: Running) -> None:
    running.runner.point("me:latest", "me:one")
    stuck = child_of(running, "me:latest")
    halt(stuck)
    try:
        hurried = llama_server.runner(running.settings, timeout_s=0.5)
        for ask in (
            lambda: said(hurried, "me:latest"),
            lambda: hurried.point("me:latest", ""),
            hurried.activity,
            hurried.unload,
        ):
            with pytest.raises(RunnerError, match="does not answer: timed out") as caught:
                ask()
            assert "runner stop" in caught.value.hint
        assert said(running.runner, "demo")
        assert running.runner.names()["me:latest"] == "me:one"
    finally:
        os.kill(stuck, signal.SIGCONT)
    assert said(running.runner, "me:latest") == said(running.runner, "me:one")
    running.runner.withdraw("me:latest")


def test_one_runner_object_lives_through_a_restart_of_the_server(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    settings = llama_server.router_settings(tmp_path / "router", demo_gguf)
    runner = llama_server.runner(settings)
    with llama_server.started(settings, {"me:one": adapters[0]}) as server:
        before = said(runner, "me:one")
        pid = server.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: server.pid() is None and gone(pid), "it is gone")
        with pytest.raises(RunnerError, match="no llama-server") as caught:
            runner.register("me:two", adapters[1])
        assert "runner start" in caught.value.hint
        seeded = llama_server.sections(settings, {"me:one": adapters[0]})
        server.start(prepare=lambda: Presets(settings).seed(seeded))
        runner.register("me:two", adapters[1])
        assert runner.names().keys() >= {"me:one", "me:two"}
        assert said(runner, "me:one") == before


def test_a_server_that_is_silent_is_not_waited_for_a_minute(running: Running) -> None:
    pid = running.server.pid()
    assert pid is not None
    halt(pid)
    try:
        with pytest.raises(RunnerError, match=rf"pid {pid}\) runs, but does not answer") as caught:
            running.server.start(prepare=lambda: None)
        assert "runner stop" in caught.value.hint
    finally:
        os.kill(pid, signal.SIGCONT)
    assert running.server.start(prepare=lambda: None) == pid


def test_another_program_on_the_port_is_never_taken_for_a_runner(tmp_path: Path, demo_gguf: Path) -> None:
    class Friendly(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"hello": "world"}')

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Friendly) as other:
        threading.Thread(target=other.serve_forever, name="other", daemon=True).start()
        adapter = tmp_path / "adapter.gguf"
        adapter.write_bytes(b"never looked at")
        router = llama_server.router_settings(tmp_path / "r", demo_gguf, port=other.server_port)
        single = llama_server.single_settings(tmp_path / "s", demo_gguf, port=other.server_port)
        runners: list[Runner] = [llama_server.runner(router), llama_server.single_runner(single)]
        for runner in runners:
            for ask in (
                runner.capabilities,
                runner.base,
                runner.served,
                runner.names,
                runner.activity,
                runner.unload,
                lambda runner=runner: runner.register("me:one", adapter),
                lambda runner=runner: runner.point("me:latest", ""),
                lambda runner=runner: runner.withdraw("me:latest"),
                lambda runner=runner: runner.render(QUESTION),
                lambda runner=runner: said(runner, "demo"),
            ):
                with pytest.raises(RunnerError):
                    ask()
        other.shutdown()


def test_a_base_that_was_replaced_under_its_name_is_told(demo_gguf: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.gguf"
    shutil.copy(demo_gguf, base)
    settings = llama_server.router_settings(tmp_path / "router", base)
    with llama_server.started(settings):
        runner = llama_server.runner(settings)
        assert runner.base().sha256 == sha256_file(demo_gguf)
        other = tmp_path / "other.gguf"
        other.write_bytes(b"another model")
        other.replace(base)
        assert runner.base().sha256 == sha256_file(base)
        base.unlink()
        with pytest.raises(RunnerError, match="cannot be read"):
            runner.base()


def test_too_little_memory_is_told_in_the_servers_own_words(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    binary = tmp_path / "llama-server"
    binary.write_text(f'#!/bin/sh\nulimit -v 1000000\nexec {os.environ[llama_server.VARIABLE]} "$@"\n')
    binary.chmod(0o755)
    settings = llama_server.router_settings(
        tmp_path / "router", demo_gguf, binary=str(binary), context=4_000_000
    )
    with llama_server.started(settings):
        runner = llama_server.runner(settings)
        before = runner.names()
        with pytest.raises(RunnerError, match=r"0\.gguf is not served: .*insufficient memory") as caught:
            runner.register("me:one", adapters[0])
        assert str(settings.log) in caught.value.hint
        assert runner.names() == before


@contextmanager
def refusing(settings: RouterSettings, nth: int) -> Iterator[tuple[LlamaServerRunner, list[str]]]:
    """Stand between runner and router, answer the nth request with a 500, and tell what was asked."""
    asked: list[str] = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            if len(asked) == nth:
                self.reply(500, b'{"error": {"message": "out of order"}}')
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = call(settings.url, self.command, self.path, body or None)
            self.reply(answer.status, answer.body)

        do_POST = do_GET  # noqa: N815

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, name="proxy", daemon=True).start()
        fields = {"port": proxy.server_port, "base_name": settings.base_name}
        behind = llama_server.router_settings(settings.folder, settings.base_path, **fields)
        yield llama_server.runner(behind), asked
        proxy.shutdown()


def test_an_error_at_any_request_of_a_registration_changes_nothing_that_is_served(
    running: Running, adapters: tuple[Path, ...]
) -> None:
    runner = running.runner
    names, before = runner.names(), said(runner, "me:one")
    for nth in itertools.count(1):
        with refusing(running.settings, nth) as (proxied, asked):
            told = ""
            try:
                proxied.register("me:two", adapters[1])
            except RunnerError as error:
                told = str(error)
            if len(asked) < nth:
                break
            assert "out of order" in told
            assert runner.names() == names
        assert said(runner, "me:one") == before
        runner.register("me:two", adapters[1])
        assert runner.names() == names | {"me:two": "me:two"}
        assert said(runner, "me:two") != before
        runner.withdraw("me:two")
    assert nth > 4
    runner.withdraw("me:two")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["router", "single"])
def test_killed_at_any_step_of_a_registration_the_next_one_completes_it(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path, mode: str
) -> None:
    with serving(mode, tmp_path / "server", demo_gguf, adapters[0]) as (settings, runner):
        runner.point("me:latest", "me:one")
        names, before = runner.names(), said(runner, "me:one")
        arguments = [mode, str(settings.folder), str(demo_gguf), str(settings.port), str(adapters[1])]
        for step in itertools.count(1):
            child = subprocess.run(
                [sys.executable, "-m", registering.__name__, *arguments, str(step)],
                env=environment(),
                stderr=subprocess.PIPE,
                check=False,
            )
            if child.returncode == 0:
                break
            assert child.returncode == -signal.SIGKILL, child.stderr.decode()
            runner.register("me:two", adapters[1])
            assert runner.names() == names | {"me:two": "me:two"}
            assert said(runner, "me:one") == said(runner, "me:latest") == before
            assert said(runner, "me:two") != before
            runner.withdraw("me:two")
            assert {path.stem for path in settings.adapters.glob("*.gguf")} == {sha256_file(adapters[0])}
        assert step > 8
        runner.withdraw("me:two")
        assert runner.names() == names


@contextmanager
def serving(mode: str, folder: Path, base: Path, one: Path) -> Iterator[tuple[ServerSettings, Runner]]:
    if mode == "router":
        router = llama_server.router_settings(folder, base)
        with llama_server.started(router, {"me:one": one}):
            yield router, llama_server.runner(router)
    else:
        single = llama_server.single_settings(folder, base)
        with llama_server.single_started(single, {"me:one": one}):
            yield single, llama_server.single_runner(single)
