"""JSON is decoded here and nowhere else, so that whatever is wrong with the bytes is one error.

msgspec says a wrong shape with its own DecodeError, but text that is not UTF-8 with UnicodeDecodeError and deep nesting
with RecursionError: a reader that knows only the first ends in a traceback on a damaged file.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from laimark_sidecar.errors import DataError

T = TypeVar("T")


class MalformedError(DataError):
    """The content is not the JSON that was expected; who reads it says of which file or answer."""


def decode_json(content: bytes | str | msgspec.Raw, kind: type[T]) -> T:
    """Return JSON as a `kind`; fields that it does not name are ignored unless it forbids them.

    Raises:
        MalformedError: not JSON, not UTF-8, nested too deep, or of another shape.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedError(str(error)) from error
