"""JSON is decoded here and nowhere else, so that whatever is wrong with the bytes is one error.

msgspec says a wrong shape with its own DecodeError, but text that is not UTF-8 with UnicodeDecodeError and deep nesting
with RecursionError: a reader that knows only the first ends in a traceback on a damaged file.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import msgspec

from laimark_sidecar.errors import DataError, StateError

T = TypeVar("T")


class Versioned(Protocol):
    """What says which version of its format it is."""

    @property
    def version(self) -> int: ...


V = TypeVar("V", bound=Versioned)


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


class NewerFormatError(StateError):
    """A newer version of this program wrote it: what it says is there, and must not be overwritten."""


def decode_versioned(content: bytes, kind: type[V], *, newest: int, what: str, hint: str) -> V:
    """Return a file or cursor of ours.

    Args:
        content: as it was written.
        kind: of what it holds.
        newest: format version that this program knows.
        what: names it in messages.
        hint: what to do where it is damaged.

    Raises:
        NewerFormatError: its version is beyond `newest`.
        StateError: it is damaged.
    """
    try:
        held = decode_json(content, kind)
    except MalformedError as error:
        raise StateError(f"{what} is damaged: {error}", hint=hint) from error
    if held.version > newest:
        raise NewerFormatError(
            f"{what} is newer than this program: it has format version {held.version}, this program reads up to {newest}",
            hint="upgrade laimark-sidecar",
        )
    return held
