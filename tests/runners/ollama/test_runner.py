from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.runners.ollama.conftest import BASE, GENERATIONS, Starter
from tests.support.lora import write_lora
from tests.support.ollama import Server
from tests.support.ollama import runner as runner_of
from tests.support.tools import HandClock

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.template import REFERENCE_CLOCK, ChatTemplate
from laimark_sidecar.registry.version import BaseIdentity
from laimark_sidecar.runners.embedded.generation import Delta, generate
from laimark_sidecar.runners.embedded.sampling import Sampling
from laimark_sidecar.runners.ollama.registration import MergedFile
from laimark_sidecar.runners.ollama.runner import OllamaRunner
from laimark_sidecar.runners.runner import Capabilities, Runner

pytestmark = pytest.mark.timeout(180)

QUESTION = (Message(role="user", content="hello"),)
ONE, TWO, LATEST = "me:2026-11-22-0001", "me:2026-11-23-0002", "me:latest"


def expected(gguf: Path, adapter: Path | None = None) -> str:
    """What llama.cpp itself answers in this process."""
    with Base(gguf, context=512, threads=1) as base:
        words = base.vocabulary
        template = ChatTemplate(base.template, bos=words.bos, eos=words.eos, clock=REFERENCE_CLOCK)
        loaded = base.load_adapter(adapter) if adapter else None
        prompt = words.tokenize(template.render(QUESTION))
        events = generate(base, loaded, prompt, Sampling(max_tokens=8, temperature=0), lambda: False)
        return "".join(event.text for event in events if isinstance(event, Delta))


def runner_at(server: Server, base: str = BASE, **options: object) -> OllamaRunner:
    return runner_of(server.url, base, server.store.parent, **options)


def answer(runner: Runner, name: str) -> str:
    return runner.generate(name, QUESTION, max_tokens=8).text


def same_layers(server: Server, name: str) -> tuple[int, int]:
    """How many model and adapter files are behind a name."""
    text = server.api.show(name).modelfile
    return text.count("\nFROM "), text.count("\nADAPTER ")


@pytest.mark.parametrize("version", GENERATIONS)
def test_registered_versions_answer_as_base_and_adapter_do(
    start: Starter, demo_gguf: Path, loras: tuple[Path, Path], version: str
) -> None:
    server = start(version)
    runner: Runner = runner_at(server)
    plain, one, two = expected(demo_gguf), *(expected(demo_gguf, lora) for lora in loras)
    assert len({plain, one, two}) == 3, "the adapters must matter for this to mean anything"
    runner.register(ONE, loras[0])
    runner.point(LATEST, ONE)
    assert (answer(runner, BASE), answer(runner, ONE), answer(runner, LATEST)) == (plain, one, one)
    runner.register(TWO, loras[1])
    assert answer(runner, LATEST) == one, "registering moves nothing"
    runner.point(LATEST, TWO)
    assert answer(runner, LATEST) == two
    assert runner.names() == {BASE: "", ONE: ONE, TWO: TWO, LATEST: TWO}
    runner.point(LATEST, "")
    assert answer(runner, LATEST) == plain
    assert runner.names()[LATEST] == ""
    runner.point(LATEST, ONE)
    assert answer(runner, LATEST) == one
    assert same_layers(server, TWO) == ((1, 1) if version < "0.34.1" else (1, 0)), "nothing stacks"
    assert server.pulls() == []


@pytest.mark.parametrize(
    ("version", "adapters"), [("0.24.0", True), ("0.33.0", True), ("0.34.1", False), ("0.40.0", False)]
)
def test_capabilities_are_those_that_a_create_shows(start: Starter, version: str, adapters: bool) -> None:
    server = start(version)
    assert runner_at(server).capabilities() == Capabilities(
        adapters=adapters,
        logprobs=True,
        hot_register=True,
        switch_per_request=True,
        renders=True,
        records=False,
        tells_busy=False,
    )
    assert list(runner_at(server).names()) == [BASE], "the probe leaves nothing behind"
    assert server.pulls() == []


def test_architecture_whose_adapters_do_not_load_is_merged(
    start: Starter, demo_gguf: Path, loras: tuple[Path, Path]
) -> None:
    server = start("0.24.0", go_engine=("llama",))
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    assert same_layers(server, ONE) == (1, 0)
    assert answer(runner, ONE) == expected(demo_gguf, loras[0])
    assert not runner.capabilities().adapters


def test_the_user_s_choice_is_kept_and_never_worked_around(
    start: Starter, demo_gguf: Path, loras: tuple[Path, Path]
) -> None:
    merging = runner_at(start("0.33.0"), adapters=False)
    merging.register(ONE, loras[0])
    assert not merging.capabilities().adapters
    assert answer(merging, ONE) == expected(demo_gguf, loras[0])
    refusing = runner_at(start("0.34.1"), adapters=True)
    with pytest.raises(RunnerError, match="no longer supported"):
        refusing.register(ONE, loras[0])
    assert list(refusing.names()) == [BASE]


def test_merged_name_keeps_the_settings_and_the_licence_of_its_base(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start("0.34.1")
    runner_at(server).register(ONE, loras[0])
    base, tuned = server.api.show(BASE), server.api.show(ONE)
    assert (tuned.template, tuned.system, tuned.parameters) == (base.template, base.system, base.parameters)
    assert tuned.license.startswith(base.license)


def test_registering_again_does_nothing_and_other_content_is_refused(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start()
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    before = server.events()
    runner.register(ONE, loras[0])
    runner_at(server).register(ONE, loras[0])
    assert server.events() == before
    with pytest.raises(RunnerError, match="versions never change"):
        runner.register(ONE, loras[1])


@pytest.mark.parametrize("version", ["0.33.0", "0.34.1"])
def test_base_that_is_not_local_is_never_pulled(
    start: Starter, loras: tuple[Path, Path], version: str
) -> None:
    server = start(version)
    runner = runner_at(server, "llama9")
    for act in (
        lambda: runner.register(ONE, loras[0]),
        lambda: runner.point(LATEST, ""),
        runner.capabilities,
    ):
        with pytest.raises(RunnerError, match="has no llama9") as caught:
            act()
        assert caught.value.hint == "get it with: ollama pull llama9"
    assert server.pulls() == []


def test_the_stand_in_itself_would_have_pulled(start: Starter) -> None:
    server = start()
    with pytest.raises(RunnerError, match="pull model manifest"):
        server.api.create("x", {"from": "llama9"})
    assert server.pulls() == ["pull llama9"]


@pytest.mark.parametrize("version", ["0.33.0", "0.34.1"])
@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/api/create", "500"),
        ("/api/create", "lost"),
        ("/api/create", "lost-after"),
        ("/api/chat", "500"),
        ("/api/copy", "500"),
        ("/api/copy", "lost"),
        ("/api/blobs", "lost"),
    ],
)
def test_fault_in_the_middle_leaves_what_was_served_and_a_retry_succeeds(
    start: Starter, demo_gguf: Path, loras: tuple[Path, Path], version: str, path: str, what: str
) -> None:
    server = start(version)
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    runner.point(LATEST, ONE)
    before = runner.names()
    server.fail_next(path, what)
    with pytest.raises(RunnerError):
        runner.register(TWO, loras[1])
    assert runner.names() == before
    assert answer(runner, LATEST) == expected(demo_gguf, loras[0])
    runner.register(TWO, loras[1])
    assert answer(runner, TWO) == expected(demo_gguf, loras[1])
    assert not [tag.name for tag in server.api.tags() if "unchecked" in tag.name]


def test_fault_while_pointing_leaves_the_old_version(start: Starter, loras: tuple[Path, Path]) -> None:
    server = start()
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    runner.register(TWO, loras[1])
    runner.point(LATEST, ONE)
    server.fail_next("/api/copy", "500")
    with pytest.raises(RunnerError, match="no space left on device"):
        runner.point(LATEST, TWO)
    assert runner.names()[LATEST] == ONE


@pytest.mark.parametrize("version", ["0.33.0", "0.34.1"])
def test_adapter_for_another_model_is_refused_and_leaves_no_name(
    start: Starter, demo_gguf: Path, tmp_path: Path, version: str
) -> None:
    server = start(version)
    wrong = write_lora(demo_gguf, tmp_path / "wrong.gguf", wrong_shapes=True)
    with pytest.raises(Exception, match=r"refused|the adapter is for"):
        runner_at(server).register(ONE, wrong)
    assert runner_at(server).names() == {BASE: ""}


def test_name_that_is_not_ours_is_never_touched(start: Starter, loras: tuple[Path, Path]) -> None:
    server = start()
    for name in (ONE, LATEST):
        server.api.create(name, {"from": BASE, "system": "You are a pirate."})
    runner = runner_at(server)
    before = {tag.name: tag.digest for tag in server.api.tags()}
    runner.register(TWO, loras[1])
    acts: tuple[Callable[[], None], ...] = (
        lambda: runner.register(ONE, loras[0]),
        lambda: runner.point(LATEST, TWO),
        lambda: runner.point(LATEST, ""),
        lambda: runner.withdraw(LATEST),
    )
    for act in acts:
        with pytest.raises(RunnerError, match="not made by laimark-sidecar") as caught:
            act()
        assert "ollama cp" in caught.value.hint
    assert {name: d for name, d in ((t.name, t.digest) for t in server.api.tags()) if name != TWO} == before
    assert runner.names() == {BASE: "", TWO: TWO}


def test_model_that_the_user_built_from_ours_stays_the_users(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start()
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    server.api.create("pirate", {"from": ONE, "system": "You are a pirate."})
    assert "pirate:latest" not in runner.names()
    with pytest.raises(RunnerError, match="not made by laimark-sidecar"):
        runner.withdraw("pirate")
    with pytest.raises(RunnerError, match="tuned already"):
        runner_at(server, ONE).register(TWO, loras[1])


def test_versions_never_move_and_only_versions_are_pointed_at(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    runner = runner_at(start())
    runner.register(ONE, loras[0])
    with pytest.raises(RunnerError, match="never moves"):
        runner.point(ONE, "")
    with pytest.raises(RunnerError, match=f"no version {TWO} of ours"):
        runner.point(LATEST, TWO)
    with pytest.raises(RunnerError, match=f"no version {BASE} of ours"):
        runner.point(LATEST, BASE)


def test_withdrawn_name_is_gone_and_an_unknown_one_is_no_error(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    runner = runner_at(start())
    runner.register(ONE, loras[0])
    runner.point(LATEST, ONE)
    with pytest.raises(RunnerError, match=f"still answers for {LATEST}"):
        runner.withdraw(ONE)
    for name in (LATEST, ONE, ONE):
        runner.withdraw(name)
    assert runner.names() == {BASE: ""}
    with pytest.raises(RunnerError, match="cannot be withdrawn"):
        runner.withdraw(BASE)


def test_base_replaced_under_the_same_name_has_another_identity(
    start: Starter, demo_gguf: Path, loras: tuple[Path, Path], tmp_path: Path
) -> None:
    server = start()
    runner = runner_at(server)
    assert runner.base().sha256 == sha256_file(demo_gguf)
    other = tmp_path / "other.gguf"
    other.write_bytes(demo_gguf.read_bytes() + b"\0")
    server.api.create(BASE, {"files": {"base.gguf": server.api.put_blob(other)}})
    assert runner.base().sha256 == sha256_file(other)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_base_that_may_not_be_read_names_the_group(start: Starter) -> None:
    server = start()
    for blob in (server.store / "blobs").iterdir():
        blob.chmod(0)
    with pytest.raises(RunnerError, match="may not be read") as caught:
        runner_at(server).base()
    assert "usermod -aG ollama" in caught.value.hint


def test_log_probs_come_when_asked_for(start: Starter) -> None:
    runner = runner_at(start())
    reply = runner.generate(BASE, QUESTION, max_tokens=3, logprobs=5)
    assert [len(token.top) for token in reply.tokens] == [5] * len(reply.tokens)
    assert reply.tokens
    assert runner.generate(BASE, QUESTION, max_tokens=3).tokens == ()


def test_rendering_is_the_prompt_that_is_served(start: Starter, demo_gguf: Path) -> None:
    rendered = runner_at(start()).render(QUESTION)
    with Base(demo_gguf, context=64, threads=1) as base:
        words = base.vocabulary
        template = ChatTemplate(base.template, bos=words.bos, eos=words.eos, clock=REFERENCE_CLOCK)
        assert rendered.text == template.render(QUESTION)
        assert rendered.tokens is None


def test_unload_returns_when_nothing_of_ours_is_in_memory(start: Starter) -> None:
    server = start()
    runner = runner_at(server)
    answer(runner, BASE)
    assert server.api.loaded()
    runner.unload()
    assert server.api.loaded() == []
    runner.unload()


def test_activity_counts_from_the_last_change(start: Starter) -> None:
    clock = HandClock(100.0)
    runner = runner_at(start(), clock=clock)
    clock.time_s += 7
    assert runner.activity().idle_s == 7
    answer(runner, BASE)
    used = runner.activity()
    assert (used.idle_s, used.served, used.busy) == (0, 1, False)
    clock.time_s += 5
    assert runner.activity().idle_s == 5


def test_server_that_is_down_is_told_with_the_command(start: Starter, loras: tuple[Path, Path]) -> None:
    runner = OllamaRunner(
        "http://127.0.0.1:9", BASE, moving=(), identify=no_identity, merge=no_merge, clock=HandClock(0.0)
    )
    for act in (runner.names, runner.base, runner.activity, lambda: runner.register(ONE, loras[0])):
        with pytest.raises(RunnerError, match="does not answer") as caught:
            act()
        assert caught.value.hint == "start it with: ollama serve"
    with pytest.raises(RunnerError, match="cannot be read"):
        runner.register(ONE, Path("none.gguf"))
    with pytest.raises(ConfigError):
        OllamaRunner("ollama", BASE, moving=(), identify=no_identity, merge=no_merge, clock=HandClock(0.0))


def no_identity(gguf: Path) -> BaseIdentity:
    raise AssertionError(gguf)


def no_merge(gguf: Path, adapter: Path) -> AbstractContextManager[MergedFile]:
    raise AssertionError(gguf)
