from __future__ import annotations

import pytest

from laimark_sidecar.curriculum.lesson import SourceLimits
from laimark_sidecar.errors import ConfigError


@pytest.mark.parametrize(("share", "items"), [(-0.1, 64), (1.1, 64), (0.05, -1)])
def test_limits_out_of_range_are_refused(share: float, items: int) -> None:
    with pytest.raises(ConfigError, match="limits of a source"):
        SourceLimits(trusted=frozenset(), share=share, items=items)
