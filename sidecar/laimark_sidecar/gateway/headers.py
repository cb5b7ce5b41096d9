"""Which headers pass: all but those that belong to one connection (RFC 9110, section 7.6.1)."""

from __future__ import annotations

from collections.abc import Iterable

from laimark_sidecar.journal.consent import RECORD_HEADER

Headers = tuple[tuple[str, str], ...]

_KEPT = frozenset({"content-length", "host", RECORD_HEADER, "x-laimark-client", "origin"})
"""What we read ourselves is there whatever Connection says."""
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def passing(raw: Iterable[tuple[bytes, bytes]], *, without: frozenset[str] = frozenset()) -> Headers:
    """Return the headers that go on, in their order and spelling.

    Args:
        raw: as they came over the wire.
        without: further names to leave out, in lower case.

    Raises:
        ValueError: a name or value is not UTF-8, which cannot be written again as it was.
    """
    try:
        headers = tuple((name.decode("ascii"), value.decode()) for name, value in raw)
    except UnicodeDecodeError as error:
        raise ValueError("a header is not UTF-8") from error
    named = _named_by_connection(headers)
    return tuple(
        (name, value)
        for name, value in headers
        if (lower := name.lower()) not in _HOP_BY_HOP and lower not in named and lower not in without
    )


def lowered(headers: Iterable[tuple[str, str]]) -> Headers:
    """Return headers with their names in lower case."""
    return tuple((name.lower(), value) for name, value in headers)


def _named_by_connection(headers: Headers) -> frozenset[str]:
    values = (value for name, value in headers if name.lower() == "connection")
    # What the length of a body is read from is never left out, whatever Connection says: without it a body is another.
    return frozenset(part.strip().lower() for value in values for part in value.split(",")) - _KEPT
