"""The logs that the user added, kept in `sources.json` of the home."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import StateError
from laimark_sidecar.files import write_atomic

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """One log."""

    name: str
    """What the user calls it; its cursor is stored under it."""
    kind: str
    """The source that reads it, which is also the `source` of its records."""
    path: str
    since_s: float
    """What was said before is left out: the time at which it was added, or 0 where its history is wanted."""
    trusted: bool = False
    """Whether it may bring as many lessons as it likes, as the runner's own log may."""

    @property
    def cursor(self) -> str:
        """Under which key its cursor is stored."""
        return f"source:{self.name}"


class _File(msgspec.Struct):
    version: int
    sources: list[Added]


def read_added(path: Path) -> tuple[Added, ...]:
    """Return the logs in the order in which they were added; none where there is no file.

    Raises:
        StateError: it is damaged, or a newer version wrote it.
    """
    try:
        held = decode_json(path.read_bytes(), _File)
    except FileNotFoundError:
        return ()
    except MalformedError as error:
        raise StateError(
            f"{path} is damaged: {error}",
            hint="remove it and add your logs again (laimark-sidecar sources add); what was taken in stays",
        ) from error
    if held.version > FORMAT_VERSION:
        raise StateError(
            f"{path} has format version {held.version}, this program reads up to {FORMAT_VERSION}",
            hint="upgrade laimark-sidecar",
        )
    return tuple(held.sources)


def write_added(path: Path, added: tuple[Added, ...]) -> None:
    """Replace the list, durably."""
    held = _File(version=FORMAT_VERSION, sources=list(added))
    write_atomic(path, msgspec.json.format(msgspec.json.encode(held), indent=2))


def find(added: tuple[Added, ...], name: str) -> Added:
    """Return the log of that name.

    Raises:
        StateError: there is none; lists those there are.
    """
    for one in added:
        if one.name == name:
            return one
    raise StateError(
        f"no log was added under the name {name!r} (there are: {', '.join(one.name for one in added) or 'none'})",
        hint="laimark-sidecar sources list",
    )


def with_history(added: tuple[Added, ...], name: str) -> tuple[Added, ...]:
    """Return the list, one log's history wanted from now on."""
    return tuple(replace(one, since_s=0.0) if one.name == name else one for one in added)
