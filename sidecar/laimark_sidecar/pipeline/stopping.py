"""A cycle that is asked to stop stops by raising; what it has written so far is where it goes on."""

from __future__ import annotations

from laimark_sidecar.errors import LaimarkError


class Yielded(LaimarkError):  # noqa: N818 - not a fault: control flow with a name
    """The cycle gave way (the runner is wanted, or a pause, or a signal). Nothing is lost; call again to go on."""

    exit_code = 75
