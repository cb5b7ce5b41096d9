from __future__ import annotations

import pytest

from laimark_sidecar.sources.times import seconds

NOON = 1_759_320_000.0  # date -u -d 2025-10-01T12:00:00Z +%s


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        int(NOON),
        NOON * 1000,
        "2025-10-01T12:00:00",
        "2025-10-01T12:00:00Z",
        "2025-10-01 14:00:00+02:00",
        "2025-10-01 12:00:00.000000001+00:00",
        "2025-10-1@12h00m00s",
        "2025-10-01 @12h 00m 00s 000ms",
        "October 1, 2025 12:00pm",
    ],
)
def test_times_are_read_however_they_are_written(value: object) -> None:
    assert seconds(value) == NOON


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "2025-13-01",
        None,
        True,
        float("nan"),
        -5,
        0,
        [],
        "1969-01-01",
        1e30,
        10**400,
        -(10**400),
    ],
)
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        seconds(value)
