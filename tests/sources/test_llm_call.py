from __future__ import annotations

import pytest

from laimark_sidecar.sources.llm_call import count, seconds


def test_a_time_without_a_zone_is_utc() -> None:
    assert seconds("2025-10-01T12:00:00") == seconds("2025-10-01T14:00:00+02:00") == 1_759_320_000


@pytest.mark.parametrize("text", ["", "yesterday", "2025-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        seconds(text)


def test_no_number_of_tokens_is_none() -> None:
    assert [count(value) for value in (3, 0, -1, None, "3")] == [3, 0, 0, 0, 0]
