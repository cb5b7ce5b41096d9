"""What the labelled texts say of the rules; the script prints the same in full."""

from __future__ import annotations

import pytest
from scripts.bench_secrets import wilson
from scripts.secret_texts import Labelled, labelled

from laimark_sidecar.experience.privacy.rule import GROUPS
from laimark_sidecar.experience.privacy.scan import findings


@pytest.fixture(scope="module")
def texts() -> tuple[Labelled, ...]:
    return labelled()


def test_there_are_enough_texts_of_each_kind(texts: tuple[Labelled, ...]) -> None:
    assert len([text for text in texts if text.groups]) >= 300
    assert len([text for text in texts if not text.groups]) >= 300
    assert {group for text in texts for group in text.groups} == set(GROUPS)


def test_the_texts_are_the_same_every_time(texts: tuple[Labelled, ...]) -> None:
    assert labelled() == texts


def test_none_of_the_lookalikes_is_found(texts: tuple[Labelled, ...]) -> None:
    assert [text.text for text in texts if not text.groups and findings(text.text)] == []


def test_nearly_all_of_what_is_secret_or_personal_is_found(texts: tuple[Labelled, ...]) -> None:
    """Five of 600 are known not to be: a key of digits, a date told backwards, ..."""
    missed = [
        text.text
        for text in texts
        if text.groups and not text.groups & {one.group for one in findings(text.text)}
    ]
    assert len(missed) <= 5, missed


def test_an_interval_is_wilsons() -> None:
    """Brown, Cai and DasGupta 2001, or any table: 8 of 10 is .490 to .943; 0 of 10 ends at .278."""
    assert wilson(8, 10) == {"n": 10, "hits": 8, "percent": 80.0, "low": 49.0, "high": 94.3}
    assert (wilson(0, 10)["low"], wilson(0, 10)["high"]) == (0.0, 27.8)
    assert wilson(0, 0) == {"n": 0}
