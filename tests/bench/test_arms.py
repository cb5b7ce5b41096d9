from __future__ import annotations

import pytest

from laimark_sidecar.bench.arms import ARMS, available, chosen
from laimark_sidecar.errors import DataError


def test_every_arm_has_a_name_of_its_own() -> None:
    assert len({arm.name for arm in ARMS}) == len(ARMS)


def test_arms_run_in_their_own_order_whatever_was_asked_first() -> None:
    assert [arm.name for arm in chosen("plain,base")] == ["base", "plain"]
    assert {arm.name for arm in available()} - {arm.name for arm in chosen("all")} == {
        "gated",
        "gated+weight",
        "replay+core",
        "replay+input+core",
        "joint+core",
        "replay+input+rslora",
        "replay+input+dora",
        "replay+input+ia3",
        "replay+input+ia3x10",
    }


def test_an_unknown_arm_is_told_with_those_that_there_are() -> None:
    with pytest.raises(DataError, match=r"no such arm: magic; there are base"):
        chosen("base,magic")
