"""JSON documents that carry a format number: read strictly, refused when a newer program wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import StateError

T = TypeVar("T")


class DamagedError(StateError):
    """The content of a file is no longer what was written. Not raised for what a newer program wrote."""


class _Header(msgspec.Struct):
    format: int


def encode(document: object) -> bytes:
    """Return the document as indented JSON with a final newline, for people who look."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def read(path: Path, kind: type[T], *, newest: int) -> T:
    """Read `path` as a `kind`.

    Raises:
        DamagedError: the content is not a `kind`.
        StateError: the file is not readable, or of a format newer than `newest`; says which.
    """
    try:
        content = path.read_bytes()
        found = decode_json(content, _Header).format
        if found > newest:
            raise StateError(
                f"{path} has format {found}, this program reads up to {newest}",
                hint="upgrade laimark-sidecar: pip install -U laimark-sidecar",
            )
        return decode_json(content, kind)
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}", hint="laimark-sidecar check") from error
    except MalformedError as error:
        raise DamagedError(f"{path} is damaged: {error}", hint="laimark-sidecar check") from error
