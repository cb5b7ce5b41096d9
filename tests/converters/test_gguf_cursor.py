from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from laimark_converters.errors import ConversionError
from laimark_converters.gguf_cursor import MAX_KEPT_ARRAY, Cursor


def cursor(content: bytes) -> Cursor:
    return Cursor(memoryview(content), "x.gguf")


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (struct.pack("<II", 4, 7), 7),
        (struct.pack("<Iq", 11, -7), -7),
        (struct.pack("<If", 6, 0.5), 0.5),
        (struct.pack("<I?", 7, True), True),
        (struct.pack("<I", 8) + text("héé".encode()), "héé"),
        (struct.pack("<IIQ3H", 9, 2, 3, 1, 2, 3), (1, 2, 3)),
        (struct.pack("<IIQ", 9, 8, 2) + text(b"a") + text(b"bc"), None),
        (struct.pack("<IIQ", 9, 0, MAX_KEPT_ARRAY + 1) + bytes(MAX_KEPT_ARRAY + 1), None),
    ],
)
def test_values_are_read_to_their_end(content: bytes, expected: Any) -> None:
    at = cursor(content)
    assert at.value() == expected
    assert at.position == len(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<I", 4),
        struct.pack("<I", 13),
        struct.pack("<IQ", 8, 1 << 63) + b"abc",
        struct.pack("<IIQ", 9, 4, 1 << 62),
        struct.pack("<IIQ", 9, 8, 1 << 40),
        struct.pack("<IIQ", 9, 9, 1),
        struct.pack("<I", 8) + text(b"\xff"),
    ],
)
def test_damage_is_named_with_its_place_and_allocates_nothing(content: bytes) -> None:
    with pytest.raises(ConversionError, match=r"x\.gguf is damaged or truncated at byte \d+"):
        cursor(content).value()


READS: dict[str, Callable[[Cursor], object]] = {
    "number": lambda c: c.number("Q"),
    "text": lambda c: c.text(),
    "count": lambda c: c.count("things", 1),
}


@pytest.mark.parametrize("what", READS)
def test_end_of_the_file_is_damage(what: str) -> None:
    with pytest.raises(ConversionError, match="it ends here"):
        READS[what](cursor(b"\0" * 7))
