"""The converters' own error: they stand alone, so the sidecar wraps it in its own tree."""

from __future__ import annotations


class ConversionError(Exception):
    """An adapter or model cannot be converted faithfully, so it is not converted at all.

    Args:
        message: what is wrong, with the offending value and the file or tensor it was found in.
        hint: what the user can do about it; empty when nothing helps.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
