"""How long until `laimark-sidecar --help` has answered?

Question: does the command line stay free of heavy imports? Regime: a warm file cache, one child process at a time,
wall time from start to exit. Ceiling: the same interpreter running nothing (`bare_ms`). Aim: under 250 ms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence


def wall_ms(command: Sequence[str]) -> float:
    """Run `command` once and return its wall time in milliseconds."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1000


def measure(command: Sequence[str], runs: int) -> list[float]:
    """Return the wall times of `runs` runs, in milliseconds, after two that are not counted."""
    for _ in range(2):
        wall_ms(command)
    return sorted(wall_ms(command) for _ in range(runs))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    help_ms = measure([sys.executable, "-m", "laimark_sidecar", "--help"], runs)
    bare_ms = measure([sys.executable, "-c", "pass"], runs)
    print(
        json.dumps(
            {
                "runs": runs,
                "help_ms": round(statistics.median(help_ms), 1),
                "help_ms_min": round(help_ms[0], 1),
                "help_ms_max": round(help_ms[-1], 1),
                "bare_ms": round(statistics.median(bare_ms), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
