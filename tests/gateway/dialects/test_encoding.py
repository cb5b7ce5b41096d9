"""Compressed bodies are read up to a bound, and what cannot be read says so."""

from __future__ import annotations

import gzip
import zlib

import pytest

from laimark_sidecar.errors import DataError
from laimark_sidecar.gateway.dialects.encoding import MAX_BODY_BYTES, TooLongError, decoder_of

BODY = b'{"a": 1}' * 100


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY)),
        ("GZIP ", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
    ],
    ids=["none", "identity", "gzip", "GZIP", "deflate"],  # a packed body tells the second it was made in
)
def test_encoded_bodies_are_decoded_in_pieces(encoding: str, body: bytes) -> None:
    decoder = decoder_of(encoding)

    assert b"".join(decoder.feed(body[at : at + 7]) for at in range(0, len(body), 7)) == BODY


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "x" * 1000])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(DataError, match="Content-Encoding"):
        decoder_of(encoding)


def test_bomb_is_refused_at_the_bound() -> None:
    bomb = gzip.compress(b"0" * (MAX_BODY_BYTES * 4))
    assert len(bomb) < 100_000

    with pytest.raises(TooLongError):
        decoder_of("gzip").feed(bomb)


def test_body_of_exactly_the_bound_is_read() -> None:
    decoder = decoder_of("gzip")

    assert len(decoder.feed(gzip.compress(b"0" * MAX_BODY_BYTES))) == MAX_BODY_BYTES
    with pytest.raises(TooLongError):
        decoder_of("").feed(b"0" * (MAX_BODY_BYTES + 1))


def test_damaged_body_is_an_error() -> None:
    with pytest.raises(DataError, match="damaged"):
        decoder_of("gzip").feed(b"\x1f\x8b\x08\x00 no deflate here")
