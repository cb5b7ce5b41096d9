from __future__ import annotations

import pytest

from laimark_sidecar.errors import StateError
from laimark_sidecar.pipeline.learned import Learned, decode_learned, encode_learned

LESSONS = (
    Learned(id="1" * 64, pool="new", signal="correction", weight=1.0),
    Learned(id="2" * 64, pool="user", signal="accept", weight=0.25),
)


def test_what_was_learned_comes_back_as_it_was() -> None:
    assert decode_learned(encode_learned(LESSONS), of="me:2026-11-22-3f9a") == LESSONS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"learned": [{"id": 1}], "version": 1}', "learned.json of me:x is damaged"),
        (encode_learned(LESSONS)[:-9], "is damaged"),
        (b'{"learned": [], "version": 99}', "format version 99"),
    ],
)
def test_damaged_or_newer_records_are_told_with_their_version(content: bytes, said: str) -> None:
    with pytest.raises(StateError, match=said):
        decode_learned(content, of="me:x")
