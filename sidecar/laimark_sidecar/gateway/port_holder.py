"""Who listens on a port of this machine, where Linux tells it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

_LISTENING = "0A"
_TABLES = ("net/tcp", "net/tcp6")


def port_holder(port: int, *, proc: Path = Path("/proc")) -> str:
    """Return `<program> (pid <pid>)` of who listens on a TCP port; empty where it cannot be told.

    It cannot on other systems, nor of another user's process (proc(5): `/proc/net/tcp`, `/proc/<pid>/fd`).
    """
    sockets = {f"socket:[{inode}]" for inode in _listening(proc, port)}
    if not sockets:
        return ""
    for process in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended, or is another user's
            if any(str(one.readlink()) in sockets for one in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text(encoding='utf-8', errors='replace').strip()} (pid {process.name})"
    return ""


def _listening(proc: Path, port: int) -> Iterator[str]:
    for table in _TABLES:
        with contextlib.suppress(OSError):  # not every kernel has both
            for line in (proc / table).read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                    yield columns[9]
