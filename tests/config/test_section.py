from __future__ import annotations

import pytest

from laimark_sidecar.config.learning import Replay
from laimark_sidecar.errors import ConfigError


def test_a_section_that_holds_a_wrong_value_is_never_made() -> None:
    with pytest.raises(ConfigError, match=r"replay\.capacity is 3, expected at least 16"):
        Replay(capacity=3)


def test_every_value_is_looked_at() -> None:
    with pytest.raises(ConfigError, match=r"replay\.near_duplicates is 0"):
        Replay(capacity=16, near_duplicates=0)
