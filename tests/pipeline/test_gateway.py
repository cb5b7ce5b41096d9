from __future__ import annotations

import pytest
from tests.support.homes import free_port, opened

from laimark_sidecar.config.capture import Gateway
from laimark_sidecar.config.schema import Config
from laimark_sidecar.config.serving import Base, Ollama, Runner
from laimark_sidecar.errors import ConfigError
from laimark_sidecar.gateway.by_name import ByName, Straight
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.connect import gateway_url
from laimark_sidecar.pipeline.gateway import (
    gateway_activity,
    require_apart,
    routing,
    settings_of,
    upstream_url,
)
from laimark_sidecar.pipeline.names_now import NamesNow

OLLAMA = Config(runner=Runner(kind="ollama"), ollama=Ollama(url="http://127.0.0.1:9999"))


def test_it_stands_in_front_of_the_runner_that_the_configuration_names() -> None:
    assert upstream_url(OLLAMA) == "http://127.0.0.1:9999"
    assert upstream_url(Config(runner=Runner(kind="llama-server", port=8081))) == "http://127.0.0.1:8081"
    assert upstream_url(Config(gateway=Gateway(upstream="http://box:1/"))) == "http://box:1"


def test_it_never_stands_in_front_of_itself() -> None:
    itself = Config(gateway=Gateway(port=9999, upstream="http://localhost:9999"))
    with pytest.raises(ConfigError, match="to itself"):
        require_apart(itself, upstream_url(itself))
    require_apart(OLLAMA, upstream_url(OLLAMA))


def test_names_of_hosts_are_read_from_a_list_with_commas() -> None:
    settings = settings_of(Config(gateway=Gateway(allowed_hosts=" Box.lan, ,other ")))
    assert settings.allowed_hosts == {"box.lan", "other"}
    assert gateway_url(Config(gateway=Gateway(host="::1"))) == "http://[::1]:11436"


def test_tuned_names_are_answered_elsewhere_only_where_they_are(ready_home: Home) -> None:
    workshop = opened(ready_home)
    own = Config(base=Base(name="llama3"), runner=Runner(kind="ollama"), ollama=Ollama(route="own-server"))
    for config, kind in ((own, ByName), (OLLAMA, Straight)):
        names = NamesNow(config=config, registry=workshop.registry, base=workshop.base.identity)
        assert isinstance(routing(config, names, "http://up"), kind)


def test_where_none_answers_there_is_none() -> None:
    assert gateway_activity(Config(gateway=Gateway(port=free_port()))) is None
