from __future__ import annotations

import math

import pytest

from laimark_sidecar.errors import DataError
from laimark_sidecar.replay.surprise import ItemLoss, priority


def test_priority_is_the_surprise_that_an_explanation_removes() -> None:
    assert priority(0.5, ItemLoss(id="a", loss=3.0, loss_hint=1.0)) == 1.0


def test_what_no_explanation_helps_has_no_priority() -> None:
    assert priority(1.0, ItemLoss(id="typo", loss=9.0, loss_hint=9.5)) == 0.0


@pytest.mark.parametrize("field", ["loss", "loss_hint", "loss_accepted"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_refused(field: str, value: float) -> None:
    losses = {"loss": 1.0, "loss_hint": 1.0, "loss_accepted": 1.0} | {field: value}
    with pytest.raises(DataError, match="item a has a loss of"):
        ItemLoss(id="a", **losses)


def test_without_a_hint_nothing_is_known_about_surprise() -> None:
    assert priority(1.0, ItemLoss(id="a", loss=3.0, loss_hint=None)) is None
