from __future__ import annotations

from datetime import UTC, datetime

from laimark_sidecar.clock import SystemClock, day, iso

SECONDS = datetime(2026, 11, 22, 20, 31, 7, tzinfo=UTC).timestamp()


def test_iso_is_utc_with_seconds() -> None:
    assert iso(SECONDS) == "2026-11-22T20:31:07Z"


def test_day_is_the_utc_date_to_the_last_second() -> None:
    midnight = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    assert (day(midnight - 0.001), day(midnight)) == ("2026-11-22", "2026-11-23")


def test_the_systems_clock_tells_unix_time() -> None:
    # A datetime is rounded to microseconds, so the oracle may be one off.
    before = datetime.now(UTC).timestamp() - 1e-5  # noqa: TID251 - the oracle
    assert before <= SystemClock().now_s() <= datetime.now(UTC).timestamp() + 1e-5  # noqa: TID251


def test_monotonic_time_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic_s() for _ in range(1000)]
    assert readings == sorted(readings)
