"""The logs that the user added, kept in `sources.json` of the home."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from laimark_sidecar.decoding import decode_versioned
from laimark_sidecar.errors import StateError
from laimark_sidecar.files import exclusive, write_atomic

FORMAT_VERSION = 1
_LOCK_WAIT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """One log."""

    name: str
    """What the user calls it: the `source` of its records, and what its cursor is stored under."""
    kind: str
    """The source that reads it."""
    path: str
    since_s: float
    """What was said before is left out: the time at which it was added, or 0 where its history is wanted."""
    trusted: bool = False
    """Whether it may bring as many lessons as it likes, as the runner's own log may."""
    user: str = ""
    """Whose records are taken in, by the id that the program gives the person; empty for everybody's."""

    @property
    def cursor(self) -> str:
        """Under which key its cursor is stored.

        A history that is wanted after all is read under another key from its beginning: whoever still reads the log as
        it was added before cannot move this one.
        """
        return f"source:{self.name}" if self.since_s > 0 else f"source:{self.name}:history"


class _File(msgspec.Struct):
    version: int
    sources: list[Added]


def read_added(path: Path) -> tuple[Added, ...]:
    """Return the logs in the order in which they were added; none where there is no file.

    Raises:
        StateError: it is damaged, or a newer version wrote it.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    held = decode_versioned(
        content,
        _File,
        newest=FORMAT_VERSION,
        what=str(path),
        hint="remove it and add your logs again (laimark-sidecar sources add); what was taken in stays",
    )
    return tuple(held.sources)


def change_added(path: Path, change: Callable[[tuple[Added, ...]], tuple[Added, ...]]) -> None:
    """Replace the list by what `change` makes of it, durably; two that change it at once follow one another.

    Raises:
        LockedError: another process is changing it.
        StateError: it is damaged, or what `change` raises; the list is what it was.
    """
    with exclusive(path.with_suffix(".lock"), "laimark-sidecar sources", wait_s=_LOCK_WAIT_S):
        held = _File(version=FORMAT_VERSION, sources=list(change(read_added(path))))
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
