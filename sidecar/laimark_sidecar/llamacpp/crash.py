"""Says in one line why a child process that ran llama.cpp failed."""

from __future__ import annotations

import os
import signal


def child_environment() -> dict[str, str]:
    """Return the environment for a child that may crash: without it ggml starts a debugger to print a backtrace."""
    return {**os.environ, "GGML_NO_BACKTRACE": "1"}


def explain(returncode: int, stderr: bytes) -> str:
    """Return the reason that a child gave, or what killed it.

    Args:
        returncode: as `subprocess` has it: negative for a signal.
        stderr: of the child; a child that refuses writes its reason last.
    """
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    if returncode >= 0:
        return lines[-1] if lines else f"the child process ended with code {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    # From the assertion on: what stands before it is a path of the machine that built llama.cpp.
    assertion = next(
        (f": {line[line.index('GGML_ASSERT') :]}" for line in lines if "GGML_ASSERT" in line), ""
    )
    return f"it crashes llama.cpp ({name}{assertion})"
