"""Read the primitives of a GGUF from bytes that may be hostile: nothing is read or allocated beyond the end."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from laimark_converters.errors import ConversionError

Scalar = int | float | bool | str
MAX_KEPT_ARRAY = 4096
"""Longer arrays (vocabularies, merges) are skipped, not kept."""

_SCALARS: Mapping[int, struct.Struct] = {
    code: struct.Struct("<" + letter)
    for code, letter in {
        0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
    }.items()
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_LENGTH = struct.Struct("<Q")


class Cursor:
    """A position in the bytes of one file.

    Args:
        view: the mapped file.
        file_name: for messages.
    """

    def __init__(self, view: memoryview, file_name: str) -> None:
        self._view = view
        self._file_name = file_name
        self.position = 0

    def damaged(self, what: str) -> ConversionError:
        """Return the error for a file that is damaged here."""
        return ConversionError(
            f"{self._file_name} is damaged or truncated at byte {self.position}: {what}",
            hint="copy or download the file again",
        )

    def number(self, kind: str) -> int:
        """Read one integer of the struct format `kind`, for example `I`."""
        return int(self._unpack(struct.Struct("<" + kind)))

    def count(self, what: str, least_bytes: int) -> int:
        """Read a number of things of at least `least_bytes` each; more than fit into the rest is damage."""
        number = int(self._unpack(_LENGTH))
        if number * least_bytes > len(self._view) - self.position:
            raise self.damaged(f"it announces {number} {what}")
        return number

    def text(self) -> str:
        """Read a string."""
        length = self.count("bytes of text", 1)
        start, self.position = self.position, self.position + length
        try:
            return str(self._view[start : self.position], "utf-8")
        except UnicodeDecodeError as error:
            raise self.damaged("a text is not UTF-8") from error

    def value(self) -> Scalar | tuple[Scalar, ...] | None:
        """Read a typed value; None for an array that is too long or too deep to be kept."""
        return self._value(self.number("I"), nested=False)

    def _value(self, kind: int, *, nested: bool) -> Scalar | tuple[Scalar, ...] | None:
        if kind == _STRING:
            return self.text()
        if kind in _SCALARS:
            number: Scalar = self._unpack(_SCALARS[kind])
            return number
        if kind != _ARRAY or nested:
            raise self.damaged(f"value type {kind}")
        return self._array()

    def _array(self) -> tuple[Scalar, ...] | None:
        kind = self.number("I")
        if kind == _STRING:
            self._skip_texts(self.count("texts", _LENGTH.size))
            return None
        if kind not in _SCALARS:
            raise self.damaged(f"array of value type {kind}")
        item = _SCALARS[kind]
        length = self.count("array items", item.size)
        if length > MAX_KEPT_ARRAY:
            self._skip(length * item.size)
            return None
        start, self.position = self.position, self.position + length * item.size
        return tuple(number for (number,) in item.iter_unpack(self._view[start : self.position]))

    def _skip_texts(self, texts: int) -> None:
        # A vocabulary has a hundred thousand texts and more, so this loop makes no calls of its own.
        view, end, position, unpack = self._view, len(self._view), self.position, _LENGTH.unpack_from
        for _ in range(texts):
            if position + _LENGTH.size > end:
                raise self.damaged("a text in an array ends beyond the file")
            position += _LENGTH.size + unpack(view, position)[0]
        if position > end:
            raise self.damaged("a text in an array ends beyond the file")
        self.position = position

    def _skip(self, length: int) -> None:
        self.position += length

    def _unpack(self, item: struct.Struct) -> int | float | bool:
        if self.position + item.size > len(self._view):
            raise self.damaged("it ends here")
        (number,) = item.unpack_from(self._view, self.position)
        self.position += item.size
        result: int | float | bool = number
        return result
