from __future__ import annotations

import stat
from pathlib import Path

import pytest
from tests.support.homes import opened, reconfigure

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.config.schema import Config
from laimark_sidecar.config.serving import Ollama, Runner
from laimark_sidecar.errors import RunnerError, StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.connect import connect, driver, runner_url, server_settings, token, users_ollama
from laimark_sidecar.runners.embedded.client import EmbeddedRunner
from laimark_sidecar.runners.llama_server.client import LlamaServerRunner
from laimark_sidecar.runners.llama_server.settings import RouterSettings, SingleSettings
from laimark_sidecar.runners.llama_server.single_client import SingleRunner
from laimark_sidecar.runners.ollama.runner import OllamaRunner


def test_token_is_made_once_and_owner_only(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    first = token(home)
    assert len(first) >= 32
    assert token(home) == first
    assert stat.S_IMODE(home.runner_token.stat().st_mode) == 0o600


def test_runner_is_the_configured_one_and_nothing_is_contacted_before_it_is_asked(ready_home: Home) -> None:
    workshop = opened(ready_home)
    assert runner_url(Config()) == "http://127.0.0.1:11440"
    assert runner_url(Config(runner=Runner(host="::1"))) == "http://[::1]:11440"
    runner = workshop.runner(timeout_s=1.0)
    with pytest.raises(RunnerError, match=str(workshop.config.runner.port)):
        runner.names()


def test_llama_server_is_chosen_by_its_kind_and_gets_the_configured_limits(ready_home: Home) -> None:
    reconfigure(
        ready_home, "runner", kind="llama-server", binary="/opt/llama-server", processes=3, host="::1"
    )
    workshop = opened(ready_home)
    settings = server_settings(ready_home, workshop.config, workshop.base.gguf)
    assert isinstance(workshop.runner(), LlamaServerRunner)
    assert settings.base_path == workshop.base.gguf
    assert settings.folder.parent == ready_home.root
    assert settings.url == runner_url(workshop.config)
    assert (settings.binary, settings.preloaded, settings.context) == ("/opt/llama-server", 3, 512)


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (Config(), EmbeddedRunner),
        (Config(runner=Runner(kind="llama-server")), LlamaServerRunner),
        (Config(runner=Runner(kind="llama-server", mode="single")), SingleRunner),
        (Config(runner=Runner(kind="ollama")), OllamaRunner),
        (Config(runner=Runner(kind="ollama"), ollama=Ollama(route="own-server")), LlamaServerRunner),
    ],
)
def test_every_kind_of_runner_is_reached_without_contacting_it(
    tmp_path: Path, config: Config, kind: type
) -> None:
    clock = SystemClock()
    runner = connect(
        Home(root=tmp_path), config, tmp_path / "base.gguf", moving=(), clock=clock, timeout_s=1.0
    )
    assert type(runner) is kind


def test_ollama_is_where_it_is_configured_but_a_server_of_our_own_where_ours_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "box:1234")
    asked = Config(runner=Runner(kind="ollama"))
    assert (driver(asked), runner_url(asked)) == ("ollama", "http://box:1234")
    named = Config(runner=Runner(kind="ollama"), ollama=Ollama(url="http://127.0.0.1:9"))
    assert runner_url(named) == "http://127.0.0.1:9"
    own = Config(runner=Runner(kind="ollama"), ollama=Ollama(route="own-server"))
    assert (driver(own), runner_url(own)) == ("llama-server", "http://127.0.0.1:11440")


def test_single_mode_answers_everybody_with_the_stable_name(tmp_path: Path) -> None:
    config = Config(runner=Runner(kind="llama-server", mode="single", processes=3))
    settings = server_settings(Home(root=tmp_path), config, tmp_path / "base.gguf")
    assert isinstance(settings, SingleSettings)
    assert (settings.answering, settings.preloaded) == ("me:latest", 3)
    router = server_settings(Home(root=tmp_path), Config(), tmp_path / "base.gguf")
    assert isinstance(router, RouterSettings)


@pytest.mark.parametrize("content", [b"", "gehéim".encode(), b"two\nlines"])
def test_a_damaged_token_says_so_and_how_to_get_a_new_one(ready_home: Home, content: bytes) -> None:
    ready_home.runner_token.write_bytes(content)
    with pytest.raises(StateError, match="damaged") as caught:
        token(ready_home)
    assert "serve" in caught.value.hint


def test_what_ollamas_clients_are_told_of_the_gateway_does_not_send_the_sidecar_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = Config(runner=Runner(kind="ollama"))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:11436")  # as `laimark-sidecar gateway` says
    assert users_ollama(config) == runner_url(config) == "http://127.0.0.1:11434"
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9999")
    assert users_ollama(config) == "http://127.0.0.1:9999"
