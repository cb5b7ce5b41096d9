"""A process to be killed: carries the home's cycle on to its end, saying on stdout what it does."""

from __future__ import annotations

import sys
from pathlib import Path

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.cycle import advance, open_cycle
from laimark_sidecar.pipeline.workshop import open_workshop


def main() -> None:
    workshop = open_workshop(Home(root=Path(sys.argv[1])), clock=SystemClock())
    said = ""

    def report(step: str, share: float) -> None:
        nonlocal said
        if step != said:
            said = step
            sys.stdout.write(f"{step}\n")
            sys.stdout.flush()

    closed = advance(workshop, open_cycle(workshop), report=report, should_stop=lambda: False)
    sys.stdout.write(f"ended: {closed.ending}\n")


if __name__ == "__main__":
    main()
