from __future__ import annotations

from collections import Counter
from statistics import NormalDist

import pytest

from laimark_sidecar.validation.held_out_sets import (
    OPENS_AT,
    PROMOTION_SHARE,
    VAULT_SHARE,
    set_of,
)

CONVERSATIONS = [f"{number:032x}" for number in range(4000)]


def test_before_the_opening_everything_screens() -> None:
    assert {set_of(one, opened=False) for one in CONVERSATIONS[:40]} == {"screen"}


def test_four_thousand_are_shared_as_the_shares_say() -> None:
    # Binomial: four standard deviations of the larger share are 126 of 4,000.
    counts = Counter(set_of(one, opened=True) for one in CONVERSATIONS)
    expected = {
        "vault": VAULT_SHARE,
        "promotion": PROMOTION_SHARE,
        "screen": 1 - VAULT_SHARE - PROMOTION_SHARE,
    }
    assert {name: pytest.approx(share * 4000, abs=127) for name, share in expected.items()} == dict(counts)


def test_a_conversation_is_in_the_same_set_whenever_it_is_asked() -> None:
    # Figures of sha256, so that another release, which would look into vaults, cannot go unseen.
    assert [set_of(one, opened=True) for one in CONVERSATIONS[:8]] == FIRST


FIRST = ["screen", "promotion", "promotion", "screen", "promotion", "screen", "screen", "vault"]


def test_what_the_opening_waits_for_is_what_its_docstring_says() -> None:
    normal = NormalDist()

    def power(items: int) -> float:
        return normal.cdf(0.1 * items**0.5 / 0.5 - normal.inv_cdf(0.975))

    assert (round(power(OPENS_AT), 2), round(power(OPENS_AT // 2), 2)) == (0.81, 0.52)
