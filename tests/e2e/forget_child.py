"""A process to be killed: carries `forget.json` on, and kills itself at the n-th thing that it asks of the system.

Python tells each opening, renaming, removing and database call before it happens (audit events), so n goes through
every step there is.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.forget import carry_on
from laimark_sidecar.pipeline.workshop import open_workshop


def main() -> None:
    workshop = open_workshop(Home(root=Path(sys.argv[1])), clock=SystemClock())
    last, seen = int(sys.argv[2]), 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in (
            "open",
            "os.rename",
            "os.remove",
            "os.utime",
            "os.rmdir",
            "shutil.rmtree",
            "sqlite3.connect",
        ):
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    carry_on(workshop)
    sys.stdout.write(f"{seen}\n")


if __name__ == "__main__":
    main()
