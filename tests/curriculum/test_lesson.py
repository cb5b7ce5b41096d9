from __future__ import annotations

import pytest

from laimark_sidecar.curriculum.lesson import SourceLimits
from laimark_sidecar.errors import ConfigError


@pytest.mark.parametrize(("share", "items"), [(-0.1, 64), (1.1, 64), (0.05, -1)])
def test_limits_out_of_range_are_refused(share: float, items: int) -> None:
    with pytest.raises(ConfigError, match="limits of a source"):
        SourceLimits(trusted=frozenset(), share=share, items=items)


@pytest.mark.parametrize(("total", "most"), [(0, 0), (19, 0), (20, 1), (300, 15), (10_000, 64)])
def test_the_share_of_a_whole_is_rounded_down_and_never_above_the_number(total: int, most: int) -> None:
    assert SourceLimits(trusted=frozenset(), items=64).most(total) == most
