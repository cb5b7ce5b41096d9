from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.runners.ollama.conftest import (
    BASE,
    GENERATIONS,
    LATEST,
    ONE,
    QUESTION,
    TWO,
    Starter,
    answer,
    expected,
    files_behind,
    runner_at,
)
from tests.support.ollama import install
from tests.support.ollama import runner as runner_of
from tests.support.tools import HandClock

from laimark_sidecar.errors import ConfigError, RunnerError
from laimark_sidecar.files import sha256_file
from laimark_sidecar.llamacpp.base import Base
from laimark_sidecar.llamacpp.template import REFERENCE_CLOCK, ChatTemplate
from laimark_sidecar.runners.ollama.api import OllamaApi
from laimark_sidecar.runners.ollama.connection import Connection
from laimark_sidecar.runners.ollama.runner import _is_since
from laimark_sidecar.runners.ollama.shown import layers
from laimark_sidecar.runners.runner import Capabilities, Runner

pytestmark = pytest.mark.timeout(180)


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
    assert files_behind(server, TWO) == ((1, 1) if version < "0.34.1" else (1, 0)), "nothing stacks"
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
        with pytest.raises(RunnerError, match='has no model "llama9"') as caught:
            act()
        assert caught.value.hint == "get it with: ollama pull llama9"
    assert server.pulls() == []


def test_the_stand_in_itself_would_have_pulled(start: Starter) -> None:
    server = start()
    with pytest.raises(RunnerError, match="pull model manifest"):
        server.api.create("x", {"from": "llama9"})
    assert server.pulls() == ["pull llama9"]


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
    runner.point(LATEST, "")
    events = server.events()
    runner.point(LATEST, "")
    assert server.events() == events, "it points there already"
    install(server.url, BASE, other)
    assert runner.base().sha256 == sha256_file(other)
    runner.point(LATEST, "")
    (file,) = layers(server.api.show(LATEST).modelfile).models
    assert sha256_file(Path(file)) == sha256_file(other), "the base of now"


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


@pytest.mark.parametrize("version", ["0.33.0", "0.34.1"])
def test_unload_frees_what_the_trial_of_a_new_version_holds(
    start: Starter, loras: tuple[Path, Path], version: str
) -> None:
    server = start(version)
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    assert [one.name for one in server.api.loaded()] == [f"{ONE}.unchecked"]
    runner.unload()
    assert server.api.loaded() == []


def test_unload_leaves_models_of_others_in_memory(start: Starter) -> None:
    server = start()
    server.api.create("pirate", {"from": BASE, "system": "You are a pirate."})
    server.api.chat("pirate", QUESTION, max_tokens=1)
    runner_at(server).unload()
    assert [one.name for one in server.api.loaded()] == ["pirate"]


def test_activity_shows_each_answer_once_it_ended_and_the_quiet_after_it(start: Starter) -> None:
    clock = HandClock(100.0)
    server = start()
    runner_at(server, clock=clock).activity()
    clock.time_s += 7
    assert runner_at(server, clock=clock).activity().idle_s == 7, "a runner of another process"
    server.api.chat(BASE, QUESTION, max_tokens=1)
    used = runner_at(server, clock=clock).activity()
    assert (used.busy, used.idle_s, used.served) == (True, 0, 1)
    clock.time_s += 50
    assert runner_at(server, clock=clock).activity().idle_s == 50


def test_what_the_sidecar_itself_asks_is_no_use(start: Starter, loras: tuple[Path, Path]) -> None:
    server = start()
    runner = runner_at(server)
    before = runner.activity()
    runner.register(ONE, loras[0])
    answer(runner, ONE)
    runner.render(QUESTION)
    runner.prompt_tokens(QUESTION)
    after = runner.activity()
    assert (after.busy, after.served) == (False, 0)
    assert after.idle_s > before.idle_s


def test_server_that_is_down_is_told_with_the_command(loras: tuple[Path, Path], tmp_path: Path) -> None:
    runner = runner_of("http://127.0.0.1:9", BASE, tmp_path)
    for act in (runner.names, runner.base, runner.activity, lambda: runner.register(ONE, loras[0])):
        with pytest.raises(RunnerError, match="does not answer") as caught:
            act()
        assert caught.value.hint == "start it with: ollama serve"
    with pytest.raises(RunnerError, match="cannot be read"):
        runner.register(ONE, Path("none.gguf"))
    with pytest.raises(ConfigError):
        runner_of("ollama", BASE, tmp_path)


def test_context_is_what_a_plain_request_gets(start: Starter, demo_gguf: Path) -> None:
    server = start()
    runner = runner_at(server)
    assert runner.served().context == 0, "nothing tells before it is loaded"
    answer(runner, BASE)
    assert runner.served().context == 512, "the server's own default"
    install(server.url, BASE, demo_gguf, parameters={"num_ctx": 256})
    assert runner.served().context == 256


def test_prompt_tokens_are_counted_by_ollama(start: Starter, demo_gguf: Path) -> None:
    runner = runner_at(start())
    with Base(demo_gguf, context=64, threads=1) as base:
        tokens = base.vocabulary.tokenize(runner.render(QUESTION).text)
    assert runner.prompt_tokens(QUESTION) == len(tokens)


def test_restarted_server_has_all_names_and_is_told_apart_from_a_dead_one(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start()
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    runner.point(LATEST, ONE)
    names, before = runner.names(), answer(runner, LATEST)
    server.kill()
    with pytest.raises(RunnerError, match="does not answer") as caught:
        runner.names()
    assert caught.value.hint == "start it with: ollama serve"
    start(after=server)
    assert runner.names() == names
    assert answer(runner, LATEST) == before


def test_upgrade_in_place_is_noticed_and_what_was_built_before_answers_still(
    start: Starter, demo_gguf: Path, loras: tuple[Path, Path]
) -> None:
    server = start("0.33.0")
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    runner.point(LATEST, ONE)
    assert runner.capabilities().adapters
    server.kill()
    server = start("0.34.1", after=server)
    runner.register(TWO, loras[1])
    assert files_behind(server, TWO) == (1, 0)
    assert not runner.capabilities().adapters
    server.kill()
    server = start("0.40.0", after=server)
    assert runner.names() == {BASE: "", ONE: ONE, TWO: TWO, LATEST: ONE}
    for name, adapter in ((BASE, None), (LATEST, loras[0]), (ONE, loras[0]), (TWO, loras[1])):
        assert answer(runner, name) == expected(demo_gguf, adapter)
    assert runner.base().sha256 != sha256_file(demo_gguf), "0.40 rewrote what 0.33 had stored"
    assert runner.names() == {BASE: "", ONE: ONE, TWO: TWO, LATEST: ONE}
    runner.point(LATEST, TWO)
    assert answer(runner, LATEST) == answer(runner, TWO)
    assert server.pulls() == []


def test_server_that_falls_silent_is_an_error_and_not_a_hang(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start()
    runner = runner_at(server, timeout_s=2)
    server.fail_next("/api/tags", "stall")
    with pytest.raises(RunnerError, match="does not answer: timed out"):
        runner.names()
    server.fail_next("/api/copy", "stall")
    with pytest.raises(RunnerError, match="does not answer: timed out"):
        runner.register(ONE, loras[0])
    server.release()
    runner_at(server).register(ONE, loras[0])


def test_model_that_does_not_fit_the_memory_is_told_in_ollamas_words(start: Starter) -> None:
    server = start()
    runner = runner_at(server)
    server.fail_next("/api/chat", "oom")
    with pytest.raises(RunnerError, match="more system memory"):
        answer(runner, BASE)
    assert answer(runner, BASE)


@pytest.mark.parametrize("version", [ONE, ""])
def test_a_move_that_only_claims_to_have_happened_is_an_error(
    start: Starter, loras: tuple[Path, Path], version: str
) -> None:
    class Claiming(OllamaApi):
        """As through a proxy that says 200 to what it does not pass on."""

        def copy(self, source: str, destination: str) -> None:
            """Do nothing."""

        def create(self, *arguments: Any, **options: Any) -> None:
            """Do nothing."""

    server = start()
    runner = runner_at(server)
    runner.register(ONE, loras[0])
    runner._api = Claiming(Connection(server.url))
    with pytest.raises(RunnerError, match=r"me:latest is not .* though Ollama at"):
        runner.point(LATEST, version)


def test_copy_that_breaks_off_loses_the_moving_name_until_it_is_pointed_again(
    start: Starter, loras: tuple[Path, Path]
) -> None:
    server = start()
    runner = runner_at(server)
    for version, lora in zip((ONE, TWO), loras, strict=True):
        runner.register(version, lora)
    runner.point(LATEST, ONE)
    server.fail_next("/api/copy", "torn")
    with pytest.raises(RunnerError):
        runner.point(LATEST, TWO)
    assert runner.names() == {BASE: "", ONE: ONE, TWO: TWO}
    runner.point(LATEST, TWO)
    assert answer(runner, LATEST) == answer(runner, TWO)


@pytest.mark.parametrize(
    ("version", "since"),
    [
        ("0.12.11", True),
        ("0.12.11-rc1", True),
        ("0.12.10", False),
        ("1", True),
        ("0.0.0", True),
        ("", True),
        (f"0.{'9' * 5000}", True),
    ],
)
def test_releases_are_compared_by_number_whatever_a_server_calls_its_own(version: str, since: bool) -> None:
    assert _is_since(version, (0, 12, 11)) is since
