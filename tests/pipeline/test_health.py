from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.homes import only_version, opened

from laimark_converters.update_health import LayerHealth
from laimark_sidecar.errors import BaseChangedError
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.health import health, warnings

SOUND = LayerHealth(tensor="a", norm=1.0, effective_rank=6.0, relative=0.01, intruders=0)


def test_a_trained_version_is_looked_at_weight_by_weight(trained_home: Home) -> None:
    workshop = opened(trained_home)
    found = health(workshop, only_version(workshop))
    assert found.layers
    assert 1 <= found.effective_rank <= 4  # the rank of these homes
    assert all(one.relative is not None and one.intruders is not None for one in found.layers)


def test_a_version_of_another_base_is_refused(trained_home: Home) -> None:
    workshop = opened(trained_home)
    version = only_version(workshop)
    with pytest.raises(BaseChangedError):
        health(workshop, replace(version, base=replace(version.base, sha256="f" * 64)))


def test_what_is_unusual_is_said_with_the_first_weight() -> None:
    flat, strange = replace(SOUND, tensor="f", effective_rank=1.1), replace(SOUND, tensor="s", intruders=9)
    assert warnings((SOUND,)) == ()
    told = warnings((SOUND, flat, strange))
    assert "first f" in told[0]
    assert "first s" in told[1]
