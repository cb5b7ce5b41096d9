from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.replay.examples import make_item

from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.replay.body import decode_body, encode_body


@given(prompt=st.text(), target=st.text())
def test_decoding_inverts_encoding(prompt: str, target: str) -> None:
    item = make_item(1, prompt=prompt, target=target)
    assert decode_body(encode_body(item)) == item


def test_a_lone_surrogate_is_refused_with_the_id_and_without_the_text() -> None:
    with pytest.raises(DataError, match="item item-000001 ") as caught:
        encode_body(make_item(1, target="secret \ud800"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"id": 3}', b"\xff"])
def test_what_is_not_an_item_is_a_state_error_with_a_way_out(body: bytes) -> None:
    with pytest.raises(StateError) as caught:
        decode_body(body)
    assert "backup" in caught.value.hint


def test_an_item_of_an_earlier_release_has_nothing_rejected() -> None:
    body = encode_body(replace(make_item(1), rejected="no"))
    assert decode_body(body).rejected == "no"
    assert decode_body(body.replace(b',"rejected":"no"', b"")) == make_item(1)
