from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.experience.privacy.views import View, views


def readings(text: str) -> list[str]:
    return [view.text for view in views(text)]


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("４１１１", "4111"),
        ("pass\u200bword", "password"),
        ("𝐩𝐚𝐬𝐬", "pass"),
        ("٤١١١", "4111"),
        ("a\u00a0b", "a b"),
        ("1\u20112", "1-2"),
        ("p%40ss%3Dx", "p@ss=x"),
        ("abcdefghijklmnop\n   qrst", "abcdefghijklmnopqrst"),
        ("abcdefghijklmnop\r\nqrst", "abcdefghijklmnopqrst"),
    ],
)
def test_a_disguise_is_undone(disguised: str, plain: str) -> None:
    assert readings(disguised) == [disguised, plain]


@pytest.mark.parametrize("text", ["", "plain", "Grüße\nan alle", "100%", "short\nlines\nhere"])
def test_plain_text_has_one_reading(text: str) -> None:
    assert readings(text) == [text]


def test_base64_is_decoded_where_it_holds_text() -> None:
    secret = "the password is inside of this"
    wrapped = f"see {base64.b64encode(secret.encode()).decode()} there"
    plain, decoded = views(wrapped)
    assert decoded.text == secret
    assert wrapped[slice(*decoded.origin(4, 12))] == base64.b64encode(secret.encode()).decode()
    assert plain.origin(4, 12) == (4, 12)


def test_base64_of_an_image_is_left_alone() -> None:
    assert len(readings(base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(200))).decode())) == 1


@given(st.text(alphabet="abc １２３\u200b%=\n", max_size=40))
def test_every_reading_knows_where_it_stands(text: str) -> None:
    for view in views(text):
        for at in range(len(view.text)):
            start, end = view.origin(at, at + 1)
            assert 0 <= start < end <= len(text)


@given(st.text(alphabet="abc XYZ=&@:/", min_size=1, max_size=40))
def test_what_is_percent_encoded_reads_as_it_was(text: str) -> None:
    """The oracle is the encoder of the standard library."""
    assert text in readings(quote(text, safe=""))


def test_a_reading_without_changes_is_its_own_origin() -> None:
    assert View(text="abc").origin(1, 3) == (1, 3)
