"""Gives the memory of names back to the machine: the router ends their processes, and starts them again when asked."""

from __future__ import annotations

import contextlib
import time

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.runners.llama_server import idle
from laimark_sidecar.runners.llama_server.connection import RefusedError
from laimark_sidecar.runners.llama_server.router import Model, Router, listed

_POLL_S = 0.02


def unload(router: Router, model: Model, *, patience_s: float, timeout_s: float) -> None:
    """End a section's process once it answers nobody, and return when it is gone.

    A request that arrives between the last look and the end is cut, as in every change of a section.

    Raises:
        RunnerError: it was answering all of `patience_s`, or has not ended within `timeout_s`.
    """
    if not model.running:
        return
    idle.wait_until_quiet(router, model, timeout_s=patience_s)
    with contextlib.suppress(RefusedError):  # "not running": it has ended meanwhile
        router.call("POST", "/models/unload", {"model": model.id})
    deadline_s = time.monotonic() + timeout_s
    while (now := listed(router.models(), model.id)) is not None and now.running:
        if time.monotonic() > deadline_s:
            raise RunnerError(
                f"llama-server still holds {model.id} in memory after {timeout_s:g} s",
                hint="somebody may be asking it; try again when it is quiet",
            )
        time.sleep(_POLL_S)
