from __future__ import annotations

from laimark_converters.errors import ConversionError


def test_error_carries_what_to_do_next() -> None:
    error = ConversionError("tensor x is NaN", hint="train again")
    assert (str(error), error.hint) == ("tensor x is NaN", "train again")


def test_hint_may_be_absent() -> None:
    assert ConversionError("no").hint == ""
