"""An item as stored: JSON, so that a later format can be upgraded by a migration and read by people."""

from __future__ import annotations

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.replay.item import Item


def encode_body(item: Item) -> bytes:
    """Return the item as JSON.

    Raises:
        DataError: its text is not Unicode (a lone surrogate).
    """
    try:
        return msgspec.json.encode(item)
    except UnicodeEncodeError as error:
        raise DataError(
            f"item {item.id} has text that is not Unicode (a lone surrogate): {error.reason}"
        ) from error


def decode_body(body: bytes) -> Item:
    """Return the item that `encode_body` wrote.

    Raises:
        StateError: the stored JSON is not an item; the text itself is not shown.
    """
    try:
        return decode_json(body, Item)
    except MalformedError as error:
        raise StateError(
            f"an item of the replay buffer cannot be read: {error}",
            hint="restore replay.db from a backup, or move it away: it is filled again from the journal",
        ) from error
