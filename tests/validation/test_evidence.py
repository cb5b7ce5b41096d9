from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.validation.evidences import evidence, item

from laimark_sidecar.errors import DataError
from laimark_sidecar.validation.evidence import (
    DriftScore,
    Evidence,
    ItemScore,
    decode,
    encode,
    read,
    unmeasurable,
    write,
)

figures = st.floats(allow_nan=False)
items = st.builds(
    ItemScore,
    id=st.text(),
    tokens=st.integers(1, 10_000),
    base=figures,
    candidate=figures,
    previous=st.none() | figures,
    exact_base=st.booleans(),
    exact_candidate=st.booleans(),
)
drifts = st.builds(
    DriftScore,
    id=st.text(),
    kl=figures,
    entropy_base=figures,
    entropy_candidate=figures,
    tokens=st.integers(1, 99),
)


@given(
    st.builds(
        Evidence,
        heldout=st.lists(items, max_size=3).map(tuple),
        core=st.lists(items, max_size=3).map(tuple),
        drift=st.lists(drifts, max_size=3).map(tuple),
        scale=st.sampled_from([1.0, 0.25]),
        version=st.just(1),
    )
)
def test_evidence_reads_back_as_it_was_written(found: Evidence) -> None:
    assert decode(encode(found)) == found


def test_not_a_number_reads_back_as_not_a_number() -> None:
    broken = replace(evidence(), heldout=(replace(item(0, 0.1), candidate=math.nan),))
    assert math.isnan(decode(encode(broken)).heldout[0].candidate)


def test_a_margin_is_in_nats_per_token() -> None:
    assert ItemScore(id="x", tokens=4, base=-8.0, candidate=-6.0).margin == 0.5


def test_items_without_tokens_are_refused() -> None:
    with pytest.raises(DataError, match="item x has 0"):
        ItemScore(id="x", tokens=0, base=0.0, candidate=0.0)
    with pytest.raises(DataError, match="prompt x has 0"):
        DriftScore(id="x", kl=0.0, entropy_base=0.0, entropy_candidate=0.0, tokens=0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_items_that_cannot_be_measured_are_named(value: float) -> None:
    found = evidence()
    broken = replace(
        found,
        heldout=(replace(found.heldout[0], id="h", candidate=value), *found.heldout[1:]),
        core=(*found.core[1:], replace(found.core[0], id="c", previous=value)),
        drift=(replace(found.drift[0], id="d", entropy_candidate=value),),
    )
    assert unmeasurable(found) == ()
    assert unmeasurable(broken) == ("h", "c", "d")


def test_a_file_reads_back(tmp_path: Path) -> None:
    write(tmp_path / "evidence.json", evidence())
    assert read(tmp_path / "evidence.json") == evidence()


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    content = encode(evidence(heldout=(0.1,), core=(), prompts=1))
    for length in range(0, len(content), 7):
        with pytest.raises(DataError):
            decode(content[:length])


def test_a_newer_format_is_refused() -> None:
    fields = json.loads(encode(evidence()))
    with pytest.raises(DataError, match="version 2"):
        decode(json.dumps({**fields, "version": 2}).encode())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.json"):
        read(tmp_path / "absent.json")
