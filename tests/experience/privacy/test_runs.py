from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from laimark_sidecar.experience.privacy.runs import BASE64, WORD, count_digits, runs


@given(st.text(alphabet="ab_-+=/ .\né漢", max_size=60), st.integers(1, 8))
def test_runs_are_those_of_a_pattern(text: str, shortest: int) -> None:
    """The oracle is a regular expression of the same meaning."""
    for table, characters in ((WORD, "A-Za-z0-9_-"), (BASE64, "A-Za-z0-9_+/=-")):
        pattern = re.compile(f"[{characters}]+")
        expected = [
            match.span() for match in pattern.finditer(text) if match.end() - match.start() >= shortest
        ]
        assert list(runs(text, table, shortest)) == expected


def test_digits_are_counted() -> None:
    assert count_digits("a1 2é٣") == 2
