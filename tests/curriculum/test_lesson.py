from __future__ import annotations

import pytest

from laimark_sidecar.curriculum.lesson import Shares, SourceLimits
from laimark_sidecar.errors import ConfigError


def test_default_shares_are_half_new_and_a_quarter_each() -> None:
    shares = Shares()
    assert (shares.new, shares.user, shares.core) == (0.5, 0.25, 0.25)


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (0.0, 0.5, 0.5), (1.2, -0.2, 0.0), (0.3, 0.3, 0.3)])
def test_shares_that_are_no_parts_of_a_whole_are_refused(shares: tuple[float, float, float]) -> None:
    new, user, core = shares
    with pytest.raises(ConfigError, match="shares of a cycle") as caught:
        Shares(new=new, user=user, core=core)
    assert "add up to 1" in caught.value.hint


@pytest.mark.parametrize(("share", "items"), [(-0.1, 64), (1.1, 64), (0.05, -1)])
def test_limits_out_of_range_are_refused(share: float, items: int) -> None:
    with pytest.raises(ConfigError, match="limits of a source"):
        SourceLimits(share=share, items=items)
