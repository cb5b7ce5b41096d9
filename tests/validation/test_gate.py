from __future__ import annotations

import pytest

from laimark_sidecar.config import learning
from laimark_sidecar.errors import ConfigError
from laimark_sidecar.validation.gate import Gate


@pytest.mark.parametrize("name", ["alpha", "core_alpha", "worst_share"])
@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, float("nan")])
def test_shares_and_levels_lie_between_0_and_1(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"gate.{name}"):
        Gate(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["min_items", "min_core_items", "min_drift_items"])
def test_a_gate_needs_at_least_one_item_of_each_kind(name: str) -> None:
    with pytest.raises(ConfigError, match=f"gate.{name} is 0"):
        Gate(**{name: 0})


def test_the_alarm_rings_before_the_stop() -> None:
    with pytest.raises(ConfigError, match="kl_alarm"):
        Gate(kl_alarm=0.9)


def test_defaults_are_those_of_the_configuration() -> None:
    configured, gate = learning.Gate(), Gate()
    for name in ("min_items", "min_gain", "alpha", "max_core_loss", "kl_alarm", "kl_stop"):
        assert getattr(gate, name) == getattr(configured, name), name
    assert gate.min_entropy_ratio == configured.entropy_floor
