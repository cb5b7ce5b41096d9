"""How commands open what they work on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import StateError
from laimark_sidecar.files import exclusive
from laimark_sidecar.paths import home

if TYPE_CHECKING:
    from laimark_sidecar.pipeline.workshop import Workshop
    from laimark_sidecar.registry.version import Version


def workshop() -> Workshop:
    """Open the home named by `--home` or `LAIMARK_HOME`."""
    from laimark_sidecar.pipeline.workshop import open_workshop

    return open_workshop(home(), clock=SystemClock())


@contextmanager
def alone(command: str) -> Iterator[None]:
    """Keep the daemon, and other commands that change what is served, out of the home meanwhile.

    Raises:
        LockedError: the daemon or another command is at it; says which.
    """
    with exclusive(home().daemon_lock, f"laimark-sidecar {command} (pid {os.getpid()})"):
        yield


def version_named(opened: Workshop, name: str) -> Version:
    """Return the version that `name` means; `latest` where nothing was ever promoted gets an answer of its own.

    Raises:
        StateError: nothing or several versions are meant, or the base is.
    """
    if name == "latest" and not opened.registry.refs().get(name):
        raise StateError(
            f"{opened.ref(name)} is the base, which has no adapter",
            hint="see the versions: laimark-sidecar list",
        )
    return opened.registry.resolve(name)
