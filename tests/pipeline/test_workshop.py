from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.homes import opened, reconfigure

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.config.schema import Config, Runner
from laimark_sidecar.errors import ConfigError, RunnerError, StateError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.workshop import open_workshop, runner_url, token
from laimark_sidecar.runners.llama_server.client import LlamaServerRunner


def test_home_that_is_not_set_up_names_the_command_that_does_it(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="not set up") as caught:
        open_workshop(Home(root=tmp_path), clock=SystemClock())
    assert "init" in caught.value.hint


def test_bad_setting_is_named(ready_home: Home) -> None:
    reconfigure(ready_home, "training", steps=0)
    with pytest.raises(ConfigError, match=r"training\.steps"):
        opened(ready_home)


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
    settings = workshop.router_settings()
    assert isinstance(workshop.runner(), LlamaServerRunner)
    assert settings.base_path == workshop.base.gguf
    assert settings.folder.parent == ready_home.root
    assert settings.url == runner_url(workshop.config)
    assert (settings.binary, settings.preloaded, settings.context) == ("/opt/llama-server", 3, 512)


def test_refs_are_served_under_the_configured_name(ready_home: Home) -> None:
    reconfigure(ready_home, "promotion", name="ours")
    assert opened(ready_home).ref("latest") == "ours:latest"


def test_each_caller_gets_a_store_of_its_own(ready_home: Home) -> None:
    workshop = opened(ready_home)
    with workshop.store() as one, workshop.store() as other:
        assert one is not other
        assert one.stats() == other.stats()


def test_store_keeps_as_many_near_copies_as_configured(ready_home: Home) -> None:
    kept = []
    for copies in (1, 2):
        reconfigure(ready_home, "replay", near_duplicates=copies)
        with opened(ready_home).store() as store:
            item = next(store.items(split="train"))
            lesson = " ".join(f"word{number}" for number in range(40))
            spans = (replace(item.spans[0], end=len(lesson)),)
            twins = [replace(item, id=f"{copies:016}{n:016}", target=lesson, spans=spans) for n in range(4)]
            store.ingest("test", b"1", (), twins)
            kept.append(sum(one.target == lesson for one in store.items()))
    assert kept == [1, 2]


@pytest.mark.parametrize("content", [b"", "gehéim".encode(), b"two\nlines"])
def test_a_damaged_token_says_so_and_how_to_get_a_new_one(ready_home: Home, content: bytes) -> None:
    ready_home.runner_token.write_bytes(content)
    with pytest.raises(StateError, match="damaged") as caught:
        token(ready_home)
    assert "serve" in caught.value.hint
