from __future__ import annotations

from laimark_sidecar.gateway.observing import Head


def test_a_header_is_found_by_its_name_and_the_first_one_counts() -> None:
    head = Head(headers=(("host", "a"), ("x-one", "1"), ("x-one", "2")))
    assert head.header("x-one") == "1"
    assert head.header("x-two") == ""
