"""The base's file as a runner names it, for us to read as well."""

from __future__ import annotations

from pathlib import Path

from laimark_sidecar.errors import RunnerError


def readable(path: Path) -> Path:
    """Return `path` if it is a file that this process may read.

    Raises:
        RunnerError: it is not there, or may not be read.
    """
    try:
        with path.open("rb"):
            return path
    except (OSError, ValueError) as error:  # the latter where it holds a NUL
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunnerError(
            f"{path}: the base that the runner serves cannot be read: {reason}",
            hint="restart the runner where the file is gone; else let your user read it",
        ) from error
