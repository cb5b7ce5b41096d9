from __future__ import annotations

import pytest
from tests.support.homes import opened

from laimark_sidecar.config.schema import Config
from laimark_sidecar.config.serving import Base, Ollama, Runner
from laimark_sidecar.gateway.exchanges import Answering
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.names_now import NamesNow

OLLAMA = Config(base=Base(name="llama3"), runner=Runner(kind="ollama"))
SINGLE = Config(runner=Runner(kind="llama-server", mode="single"))
OWN_SERVER = Config(base=Base(name="llama3"), runner=Runner(kind="ollama"), ollama=Ollama(route="own-server"))


def names(home: Home, config: Config) -> NamesNow:
    workshop = opened(home)
    return NamesNow(config=config, registry=workshop.registry, base=workshop.base.identity)


@pytest.mark.parametrize(
    ("model", "own"),
    [
        ("llama3", True),
        ("llama3:latest", True),
        ("LLama3", True),
        ("llama3:8b", False),
        ("me:latest", True),
        ("me:2026-11-22-3f9a", True),
        ("you:latest", False),
        ("", True),
    ],
)
def test_of_ollama_the_base_and_the_tuned_names_are_this_homes(
    trained_home: Home, model: str, own: bool
) -> None:
    assert names(trained_home, OLLAMA).is_own(model) is own
    assert names(trained_home, OWN_SERVER).is_own(model) is own


def test_a_llama_server_serves_nothing_else_and_in_single_mode_one_model_alone(trained_home: Home) -> None:
    assert names(trained_home, SINGLE).is_own("gpt-4")
    assert names(trained_home, SINGLE).one_model
    assert not any(names(trained_home, config).one_model for config in (OLLAMA, OWN_SERVER))


def test_a_moving_name_is_the_version_that_it_points_at_now(trained_home: Home) -> None:
    workshop = opened(trained_home)
    (version,) = workshop.registry.names()
    base = workshop.base.identity.sha256
    workshop.registry.set_refs({"latest": version}, reason="test")
    now = names(trained_home, OLLAMA)
    assert now.answering("me:latest") == Answering(base_sha256=base, adapter_version=version)
    assert now.answering(version) == Answering(base_sha256=base, adapter_version=version)
    assert now.answering("llama3") == Answering(base_sha256=base, adapter_version="")
    assert now.answering("somebody-elses") == Answering()
    assert names(trained_home, SINGLE).answering("gpt-4").adapter_version == version
    workshop.registry.set_refs({"latest": ""}, reason="test")
    assert now.answering("me:latest") == Answering(base_sha256=base, adapter_version="")
