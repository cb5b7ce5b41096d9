from __future__ import annotations

import itertools

from laimark_sidecar.validation.line_search import SCALES, choose
from laimark_sidecar.validation.verdict import Verdict


def verdict(accepted: bool) -> Verdict:
    return Verdict(accepted=accepted, reasons=(), metrics={})


def test_the_largest_scale_that_passes_is_chosen_whatever_else_passes() -> None:
    for outcomes in itertools.product([True, False], repeat=len(SCALES)):
        pairs = [(scale, verdict(accepted)) for scale, accepted in zip(SCALES, outcomes, strict=True)]
        passing = [scale for scale, accepted in zip(SCALES, outcomes, strict=True) if accepted]
        for order in (pairs, pairs[::-1]):
            chosen = choose(order)
            assert (chosen[0] if chosen else None) == (max(passing) if passing else None)


def test_nothing_tried_is_nothing_chosen() -> None:
    assert choose([]) is None


def test_the_scales_go_down_from_the_adapter_as_trained() -> None:
    assert list(SCALES) == sorted(SCALES, reverse=True)
    assert SCALES[0] == 1.0
