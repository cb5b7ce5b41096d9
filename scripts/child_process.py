"""Run one measured thing in a fresh child process: its wall time, its peak memory and what it printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

_MEASURE = (
    "import json, resource, subprocess, sys, time; start = time.perf_counter(); "
    "done = subprocess.run(sys.argv[1:], capture_output=True, text=True); "
    "seconds = time.perf_counter() - start; "
    "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss; "
    "print(json.dumps([done.returncode, seconds, peak, done.stdout, done.stderr[-2000:]]))"
)
_ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def run_child(*arguments: str) -> tuple[float, float, str]:
    """Run Python with `arguments` to its end, on one thread, and return (seconds, peak MiB, its stdout).

    Raises:
        RuntimeError: it failed; the message is the end of its stderr.
    """
    # A second child measures the first, because the kernel keeps one peak for all children of a process.
    output = subprocess.run(
        [sys.executable, "-c", _MEASURE, sys.executable, *arguments],
        env=os.environ | _ALONE,
        capture_output=True,
        text=True,
        check=True,
    )
    code, seconds, peak, printed, errors = json.loads(output.stdout)
    if code:
        raise RuntimeError(errors)
    units_per_mib = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return seconds, peak / units_per_mib, printed
