"""Run one measured thing in a fresh child process: its time on the clock and on the CPU, its memory, its output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

_MEASURE = (
    "import json, resource, subprocess, sys, time; start = time.perf_counter(); "
    "done = subprocess.run(sys.argv[1:], capture_output=True, text=True); "
    "seconds = time.perf_counter() - start; "
    "used = resource.getrusage(resource.RUSAGE_CHILDREN); cpu = used.ru_utime + used.ru_stime; "
    "print(json.dumps([done.returncode, seconds, cpu, used.ru_maxrss, done.stdout, done.stderr[-2000:]]))"
)
_ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What a child took."""

    seconds: float
    """From its start to its end."""
    cpu_s: float
    """User and system together; on a busy machine the steadier figure."""
    peak_mib: float
    """Its largest resident set."""
    printed: str


def run_child(*arguments: str) -> Child:
    """Run Python with `arguments` to its end, on one thread.

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
    code, seconds, cpu_s, peak, printed, errors = json.loads(output.stdout)
    if code:
        raise RuntimeError(errors)
    units_per_mib = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Child(seconds=seconds, cpu_s=cpu_s, peak_mib=peak / units_per_mib, printed=printed)
