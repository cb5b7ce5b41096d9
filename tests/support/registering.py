"""Registers a version with a llama-server and is killed at a step of it: `registering.py MODE FOLDER BASE PORT ADAPTER STEP`.

A step is what the operating system is asked for: a connection, a process, a signal, a rename, a file that goes.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path

from tests.support import llama_server

STEPS = frozenset(
    {
        "os.kill",
        "os.posix_spawn",
        "os.remove",
        "os.rename",
        "os.symlink",
        "socket.connect",
        "subprocess.Popen",
    }
)


def main() -> None:
    mode, folder, base, port, adapter, step = sys.argv[1:]
    if mode == "router":
        router = llama_server.router_settings(Path(folder), Path(base), port=int(port))
        register = llama_server.runner(router).register
    else:
        single = llama_server.single_settings(Path(folder), Path(base), port=int(port))
        register = llama_server.single_runner(single).register
    count = itertools.count(1)

    def hook(event: str, _arguments: object) -> None:
        if event in STEPS and next(count) == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    register("me:two", Path(adapter))


if __name__ == "__main__":
    main()
