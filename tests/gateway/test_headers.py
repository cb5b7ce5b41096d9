from __future__ import annotations

import pytest

from laimark_sidecar.gateway.headers import lowered, passing


def test_order_spelling_and_repeats_stay() -> None:
    raw = [(b"X-B", b"1"), (b"x-a", b"2"), (b"X-B", b"3")]
    assert passing(raw) == (("X-B", "1"), ("x-a", "2"), ("X-B", "3"))
    assert lowered(passing(raw)) == (("x-b", "1"), ("x-a", "2"), ("x-b", "3"))


def test_what_belongs_to_one_connection_stays_behind() -> None:
    raw = [
        (b"Connection", b"close, X-One"),
        (b"X-One", b"1"),
        (b"Transfer-Encoding", b"chunked"),
        (b"X-Two", b"2"),
    ]
    assert passing(raw) == (("X-Two", "2"),)


def test_connection_cannot_take_the_length_of_a_body_away() -> None:
    raw = [(b"Connection", b"Content-Length, Host"), (b"Content-Length", b"5"), (b"Host", b"h")]
    assert passing(raw) == (("Content-Length", "5"), ("Host", "h"))
    assert passing(raw, without=frozenset({"host"})) == (("Content-Length", "5"),)


def test_bytes_that_could_not_be_written_again_are_refused() -> None:
    assert passing([(b"X", "ü".encode())]) == (("X", "ü"),)
    with pytest.raises(ValueError, match="not UTF-8"):
        passing([(b"X", b"\xff")])
