from __future__ import annotations

from laimark_sidecar.validation.line_search import SCALES


def test_the_whole_adapter_is_tried_first_and_no_scale_twice() -> None:
    assert SCALES[0] == 1.0
    assert list(SCALES) == sorted(set(SCALES), reverse=True)
    assert min(SCALES) > 0
