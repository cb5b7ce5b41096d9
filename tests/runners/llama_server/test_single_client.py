"""What only single mode does; what every runner must do is in `tests/conformance`."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import llama_server
from tests.support.processes import wait_until
from tests.support.rest import open_stream

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.llama_server.managed import single_server
from laimark_sidecar.runners.llama_server.settings import SingleSettings
from laimark_sidecar.runners.llama_server.single import Single
from laimark_sidecar.runners.llama_server.single_client import SingleRunner

pytestmark = [llama_server.needs_llama_server, pytest.mark.timeout(240)]
ASKED = "def amber(basalt):"
QUESTION = (Message(role="user", content=ASKED),)


@pytest.fixture(scope="module")
def served(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SingleSettings, SingleRunner]]:
    versions = {"me:one": adapters[0], "me:two": adapters[1]}
    with llama_server.single_serving(tmp_path_factory.mktemp("single"), demo_gguf, versions) as found:
        yield found


def loaded(settings: SingleSettings) -> set[str]:
    return {one.sha256 for one in Single(settings.url, timeout_s=10).adapters()}


def test_an_answer_in_flight_ends_with_the_adapter_that_it_began_with(
    served: tuple[SingleSettings, SingleRunner],
) -> None:
    settings, runner = served
    runner.point("me:latest", "me:one")
    expected = runner.generate("me:one", QUESTION, max_tokens=60)
    connection, lines = open_stream(settings.url, "me:latest", QUESTION[0].content, max_tokens=60)
    first = next(lines)
    runner.point("me:latest", "me:two")
    streamed = first + b"".join(lines)
    connection.close()
    assert b"[DONE]" in streamed
    pieces = [call_text(line) for line in streamed.split(b"\n\n") if line.startswith(b"data: {")]
    assert "".join(pieces) == expected.text
    assert (
        llama_server.said(settings, ASKED, max_tokens=8)
        == runner.generate("me:two", QUESTION, max_tokens=8).text
    )
    runner.withdraw("me:latest")


def call_text(event: bytes) -> str:

    choices = json.loads(event.removeprefix(b"data: "))["choices"]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def test_a_new_version_waits_for_the_quiet_and_says_so_when_there_is_none(
    served: tuple[SingleSettings, SingleRunner], adapters: tuple[Path, ...]
) -> None:
    settings, runner = served
    before = runner.names()
    impatient = llama_server.single_runner(settings, patience_s=0.05)
    with (
        llama_server.kept_busy(settings.url, "demo"),
        pytest.raises(RunnerError, match=r"llama-server has been answering for 0.05 s") as caught,
    ):
        impatient.register("me:three", adapters[2])
    assert "when it is quiet" in caught.value.hint
    assert runner.names() == before
    runner.register("me:three", adapters[2])
    assert sha256_file(adapters[2]) in loaded(settings)
    runner.withdraw("me:three")


def test_a_table_that_was_changed_says_how_to_make_it_anew(
    served: tuple[SingleSettings, SingleRunner], adapters: tuple[Path, ...]
) -> None:
    settings, runner = served
    content = settings.state.read_bytes()
    other = content.replace(sha256_file(adapters[1]).encode(), b"0" * 64)
    ghost = b'{"versions":{},"moving":{"me:latest":"me:ghost"}}'
    try:
        for changed, said in ((other, "already serves another adapter"), (ghost, "me:latest means me:ghost")):
            settings.state.write_bytes(changed)
            with pytest.raises(RunnerError, match=said) as caught:
                runner.register("me:two", adapters[1])
            assert "runner stop" in caught.value.hint
        with pytest.raises(RunnerError, match="me:ghost"):
            runner.names()
    finally:
        settings.state.write_bytes(content)


def test_more_versions_than_fit_are_loaded_when_they_are_asked(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    versions = {f"me:{number}": adapter for number, adapter in enumerate(adapters)}
    with llama_server.single_serving(tmp_path / "s", demo_gguf, versions, preloaded=2) as (settings, runner):
        runner.point("me:latest", "me:3")
        answers: list[str] = []
        for name, adapter in versions.items():
            answers.append(runner.generate(name, QUESTION, max_tokens=8).text)
            assert {sha256_file(adapter), sha256_file(adapters[3])} <= loaded(settings)
            assert len(loaded(settings)) == 2
            assert (
                llama_server.said(settings, ASKED, max_tokens=8)
                == runner.generate("me:3", QUESTION, max_tokens=8).text
            )
        assert len(set(answers)) > 1
        assert runner.names() == {"demo": "", "base": "", "me:latest": "me:3"} | {n: n for n in versions}


def test_a_crash_is_told_and_the_next_change_starts_it_as_it_was(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    with llama_server.single_serving(tmp_path / "s", demo_gguf, {"me:one": adapters[0]}) as (
        settings,
        runner,
    ):
        runner.point("me:latest", "me:one")
        before, names = llama_server.said(settings, ASKED), runner.names()
        server = single_server(settings, environment=llama_server.environment())
        pid = server.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: server.pid() is None and llama_server.gone(pid), "it is gone")
        with pytest.raises(RunnerError, match="no llama-server") as caught:
            runner.names()
        assert "runner start" in caught.value.hint
        runner.register("me:two", adapters[1])
        assert runner.names() == names | {"me:two": "me:two"}
        assert llama_server.said(settings, ASKED) == before
        server.stop()
        # What its user stopped stays stopped.
        with pytest.raises(RunnerError, match="no llama-server"):
            runner.register("me:three", adapters[2])


def test_a_base_that_was_replaced_under_its_name_is_told(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    base = tmp_path / "base.gguf"
    shutil.copy(demo_gguf, base)
    with llama_server.single_serving(tmp_path / "s", base, {"me:one": adapters[0]}) as (_, runner):
        assert runner.base().sha256 == sha256_file(demo_gguf)
        other = tmp_path / "other.gguf"
        other.write_bytes(b"another model")
        other.replace(base)
        assert runner.base().sha256 == sha256_file(base)
        base.unlink()
        with pytest.raises(RunnerError, match="cannot be read"):
            runner.base()


def test_a_server_of_another_home_or_mode_is_told(
    served: tuple[SingleSettings, SingleRunner], demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    stranger = llama_server.single_settings(tmp_path / "other", demo_gguf, port=served[0].port)
    router = llama_server.router_settings(tmp_path / "router", demo_gguf)
    with llama_server.started(router):
        in_router_mode = llama_server.single_settings(tmp_path / "third", demo_gguf, port=router.port)
        for settings in (stranger, in_router_mode):
            runner = llama_server.single_runner(settings)
            for ask in (runner.capabilities, runner.base, runner.names, runner.activity, runner.unload):
                with pytest.raises(RunnerError, match="not started by this home in single mode"):
                    ask()
            with pytest.raises(RunnerError, match="not started by this home in single mode"):
                runner.register("me:two", adapters[1])
        with pytest.raises(RunnerError, match="not in router mode"):
            llama_server.runner(
                llama_server.router_settings(tmp_path / "fourth", demo_gguf, port=served[0].port)
            ).capabilities()
