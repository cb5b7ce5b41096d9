from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.experience.privacy.occurrences import Occurrences, is_findable

WORDS = ("key", "keys", "eye", "密码", "пароль", "yek")


@given(st.text(alphabet="keys 密码парольёa", max_size=80))
def test_every_occurrence_is_found(text: str) -> None:
    """The oracle looks at every position for every word."""
    expected = {(at, word) for at in range(len(text)) for word in WORDS if text.startswith(word, at)}
    found = list(Occurrences(WORDS).find(text))
    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("word", "findable"), [("key", True), ("ke", False), ("密码", True), ("密", False), ("", False)]
)
def test_a_word_needs_three_characters_or_two_of_a_dense_script(word: str, findable: bool) -> None:
    assert is_findable(word) == findable
