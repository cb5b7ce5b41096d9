"""What only single mode does; what every runner must do is in `tests/conformance`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.support import llama_server
from tests.support.lora import write_lora
from tests.support.processes import wait_until
from tests.support.rest import call, chat, open_stream

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.llama_server.managed import single_server
from laimark_sidecar.runners.llama_server.settings import SingleSettings
from laimark_sidecar.runners.llama_server.single import Single
from laimark_sidecar.runners.llama_server.single_client import SingleRunner

pytestmark = [llama_server.needs_llama_server, pytest.mark.timeout(240)]
QUESTION = (Message(role="user", content="def amber(basalt):"),)


@contextlib.contextmanager
def serving(
    folder: Path, base: Path, versions: Mapping[str, Path], **changes: object
) -> Iterator[tuple[SingleSettings, SingleRunner]]:
    settings = llama_server.single_settings(folder, base, **changes)
    with llama_server.single_started(settings, versions):
        yield settings, llama_server.single_runner(settings)


@pytest.fixture(scope="module")
def served(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SingleSettings, SingleRunner]]:
    versions = {"me:one": adapters[0], "me:two": adapters[1]}
    with serving(tmp_path_factory.mktemp("single"), demo_gguf, versions) as found:
        yield found


def said(settings: SingleSettings, *, max_tokens: int = 12) -> str:
    answer = chat(settings.url, "whatever", QUESTION[0].content, max_tokens=max_tokens).json()
    return str(answer["choices"][0]["message"]["content"])


def loaded(settings: SingleSettings) -> set[str]:
    return {one.sha256 for one in Single(settings.url, timeout_s=10).adapters()}


def program(path: Path, body: str) -> str:
    """Write a llama-server that is another one: a script that ends in the real one."""
    path.write_text(f'#!/bin/sh\nreal={os.environ[llama_server.VARIABLE]}\n{body}\nexec $real "$@"\n')
    path.chmod(0o755)
    return str(path)


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
    assert said(settings, max_tokens=8) == runner.generate("me:two", QUESTION, max_tokens=8).text
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


def test_scales_that_somebody_else_set_are_seen_and_put_right(
    served: tuple[SingleSettings, SingleRunner],
) -> None:
    settings, runner = served
    runner.point("me:latest", "me:one")
    expected = said(settings)
    for scales in ([{"id": 0, "scale": 1.0}, {"id": 1, "scale": 1.0}], [{"id": 0, "scale": 0.5}], []):
        assert call(settings.url, "POST", "/lora-adapters", scales).status == 200
        assert "me:latest" not in runner.names()
        runner.point("me:latest", "me:one")
        assert runner.names()["me:latest"] == "me:one"
        assert said(settings) == expected
    runner.withdraw("me:latest")


def test_more_versions_than_fit_are_loaded_when_they_are_asked(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    versions = {f"me:{number}": adapter for number, adapter in enumerate(adapters)}
    with serving(tmp_path / "s", demo_gguf, versions, preloaded=2) as (settings, runner):
        runner.point("me:latest", "me:3")
        answers: list[str] = []
        for name, adapter in versions.items():
            answers.append(runner.generate(name, QUESTION, max_tokens=8).text)
            assert {sha256_file(adapter), sha256_file(adapters[3])} <= loaded(settings)
            assert len(loaded(settings)) == 2
            assert said(settings, max_tokens=8) == runner.generate("me:3", QUESTION, max_tokens=8).text
        assert len(set(answers)) > 1
        assert runner.names() == {"demo": "", "base": "", "me:latest": "me:3"} | {n: n for n in versions}


def test_a_crash_is_told_and_the_next_change_starts_it_as_it_was(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    with serving(tmp_path / "s", demo_gguf, {"me:one": adapters[0]}) as (settings, runner):
        runner.point("me:latest", "me:one")
        before, names = said(settings), runner.names()
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
        assert said(settings) == before
        server.stop()
        # What its user stopped stays stopped.
        with pytest.raises(RunnerError, match="no llama-server"):
            runner.register("me:three", adapters[2])


def test_a_version_that_this_program_refuses_leaves_everything_as_it_was(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    sha256 = sha256_file(adapters[1])
    binary = program(
        tmp_path / "llama-server",
        f"case \"$*\" in *{sha256}*) echo 'cannot take this adapter'; exit 1;; esac",
    )
    with serving(tmp_path / "s", demo_gguf, {"me:one": adapters[0]}, binary=binary) as (settings, runner):
        runner.point("me:latest", "me:one")
        before, names = said(settings), runner.names()
        with pytest.raises(RunnerError, match=r"1\.gguf is not served.*cannot take this adapter"):
            runner.register("me:two", adapters[1])
        assert runner.names() == names
        assert said(settings) == before
        assert [path.stem for path in settings.adapters.iterdir()] == [sha256_file(adapters[0])]
        runner.register("me:three", adapters[2])
        assert runner.names().keys() == names.keys() | {"me:three"}


def test_where_prompts_are_cached_no_answer_goes_on_from_another_adapters(
    demo_gguf: Path, tmp_path: Path
) -> None:
    # An older program: it does not know --no-cache-prompt. Its cache is what gives wrong answers, which this shows first.
    old = 'if [ "$1" = --help ]; then $real --help | grep -v no-cache-prompt; exit; fi'
    binary = program(tmp_path / "llama-server", old)
    strong = {
        f"me:{seed}": write_lora(demo_gguf, tmp_path / f"strong-{seed}.gguf", seed=seed, strength=2.0)
        for seed in range(2)
    }
    with serving(tmp_path / "s", demo_gguf, strong, binary=binary) as (settings, runner):
        single = Single(settings.url, timeout_s=10)
        right = {name: runner.generate(name, QUESTION, max_tokens=12).text for name in strong}
        positions = {one.sha256: one.id for one in single.adapters()}
        wrong = []
        for name in ("me:0", "me:1", "me:0", "me:1"):
            single.apply([(positions[sha256_file(strong[name])], 1.0)])
            wrong.append(said(settings) == right[name])
        assert not all(wrong)
        for name in ("me:0", "me:1", "me:0", "me:1"):
            runner.point("me:latest", name)
            assert said(settings) == right[name]
            assert runner.generate("me:0", QUESTION, max_tokens=12).text == right["me:0"]
            assert said(settings) == right[name]


def test_a_base_that_was_replaced_under_its_name_is_told(
    demo_gguf: Path, adapters: tuple[Path, ...], tmp_path: Path
) -> None:
    base = tmp_path / "base.gguf"
    shutil.copy(demo_gguf, base)
    with serving(tmp_path / "s", base, {"me:one": adapters[0]}) as (_, runner):
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
