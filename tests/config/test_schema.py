"""The sections check themselves."""

from __future__ import annotations

from typing import Literal

import pytest

from laimark_sidecar.config.learning import Gate, Training
from laimark_sidecar.config.schema import SECTIONS, Config, all_keys, make, section_doc
from laimark_sidecar.config.serving import Base, Ollama, Promotion, Runner
from laimark_sidecar.errors import ConfigError


def test_every_section_of_the_configuration_is_in_the_table() -> None:
    assert [name for name, _ in SECTIONS] == list(Config.__dataclass_fields__)


def test_every_default_fits_its_own_key() -> None:
    assert [key.problem(key.default) for key in all_keys()] == [""] * len(all_keys())


def test_every_key_and_section_is_documented() -> None:
    assert all(key.doc.endswith((".", "latest, me:prev.")) for key in all_keys())
    assert all(section_doc(name) for name, _ in SECTIONS)


def test_a_section_with_a_bad_value_cannot_be_made() -> None:
    with pytest.raises(ConfigError, match=r"training\.steps is 0, expected at least 1"):
        Training(steps=0)


@pytest.mark.parametrize("kl_soft", [0.0, -0.02, 0.9, float("nan")])
def test_the_budget_of_forgetting_lies_between_nothing_and_ruin(kl_soft: float) -> None:
    with pytest.raises(ConfigError, match=r"training\.kl_soft is "):
        Training(kl_soft=kl_soft)


def test_micro_batches_must_divide_the_batch() -> None:
    with pytest.raises(
        ConfigError, match=r"micro_batch_size is 3, which does not divide training\.batch_size"
    ):
        Config(training=Training(batch_size=8, micro_batch_size=3))


@pytest.mark.parametrize("kind", ["dora", "ia3"])
def test_a_moving_average_is_of_products_alone(kind: Literal["dora", "ia3"]) -> None:
    with pytest.raises(ConfigError, match=rf"training\.average is 0\.5 with training\.adapter '{kind}'"):
        Config(training=Training(average=0.5, adapter=kind))
    assert Config(training=Training(average=0.5, adapter="rslora")).training.average == 0.5


def test_the_alarm_must_not_lie_above_the_stop() -> None:
    with pytest.raises(ConfigError, match=r"gate\.kl_alarm is 0\.9, above gate\.kl_stop \(0\.8\)"):
        Config(gate=Gate(kl_alarm=0.9))


@pytest.mark.parametrize("name", ["", "me:latest", "a b", "-x", "ä", "Me", "a..b", "a" * 41])
def test_the_prefix_of_served_names_is_plain(name: str) -> None:
    with pytest.raises(ConfigError, match=r"promotion\.name"):
        Config(promotion=Promotion(name=name))


@pytest.mark.parametrize("host", ["", "[::1", "[::1]", "a b", "a..b", "a" * 64, "127.0.0.1:80"])
def test_a_host_that_is_none_is_told(host: str) -> None:
    with pytest.raises(ConfigError, match=r"runner\.host is "):
        Config(runner=Runner(host=host))


@pytest.mark.parametrize("url", ["box:1", "https://box", "http://[::1", "http://a..b", "http://box:many"])
def test_a_url_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match=r"ollama\.url is "):
        Config(ollama=Ollama(url=url))


def test_absent_values_have_their_defaults() -> None:
    assert make({}) == Config()
    assert make({"training": {"steps": 7}}) == Config(training=Training(steps=7))


@pytest.mark.parametrize("base", ["me", "me:latest", "Me:Prev"])
def test_the_base_and_the_versions_cannot_share_a_name(base: str) -> None:
    with pytest.raises(ConfigError, match=r"base\.name is .* promotion\.name 'me'"):
        Config(base=Base(name=base))
    Config(base=Base(name="me:8b"))
