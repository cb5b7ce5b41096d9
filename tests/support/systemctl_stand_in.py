"""A working `systemctl` for one unit, `ollama.service`, of a root folder: it really starts and stops the Ollama stand-in.

As systemd does: unit files and drop-ins are read by `daemon-reload`, the later `Environment=` of a variable holds, and
`restart` uses what was read last.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import wait_until

UNIT = "ollama.service"


def systemctl(root: Path, arguments: list[str]) -> int:
    """Do what a command line says; returns the exit status."""
    units = root / "etc/systemd/system"
    match arguments:
        case ["cat", unit]:
            return 0 if (units / unit).is_file() else 1
        case ["show", _, "--property=Environment", "--value"]:
            sys.stdout.write(f"OLLAMA_HOST={_loaded(root)}\n")
        case ["daemon-reload"]:
            if (root / "refuses").exists():
                sys.stderr.write("Failed to reload daemon: Access denied\n")
                return 1
            texts = [units / UNIT, *sorted((units / f"{UNIT}.d").glob("*.conf"))]
            found = re.findall(
                r'Environment="OLLAMA_HOST=(.*?)"', "\n".join(one.read_text() for one in texts)
            )
            (root / "loaded").write_text(found[-1])
        case ["restart", "ollama.service"]:
            stop(root)
            _start(root, int(_loaded(root).rpartition(":")[2]))
        case _:
            sys.stderr.write(f"unknown operation {arguments}\n")
            return 1
    return 0


def stop(root: Path) -> None:
    """End the service, if it runs."""
    pid = root / "pid"
    if pid.is_file():
        number = int(pid.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
        wait_until(lambda: _ended(number), "the service has ended")
        pid.unlink()


@contextmanager
def installed(root: Path, port: int) -> Iterator[Path]:
    """Install the service on a root folder and start it; gives the folder to put on the PATH."""
    units = root / "etc/systemd/system"
    units.mkdir(parents=True)
    (units / UNIT).write_text(f'[Service]\nEnvironment="OLLAMA_HOST=127.0.0.1:{port}"\n')
    programs = root / "bin"
    programs.mkdir()
    program = programs / "systemctl"
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m tests.support.systemctl_stand_in "{root}" "$@"\n'
    )
    program.chmod(0o755)
    try:
        assert systemctl(root, ["daemon-reload"]) == systemctl(root, ["restart", UNIT]) == 0
        yield programs
    finally:
        stop(root)


def _loaded(root: Path) -> str:
    return (root / "loaded").read_text()


def _start(root: Path, port: int) -> None:
    store = root / "models"
    store.mkdir(exist_ok=True)
    (store / "port").unlink(missing_ok=True)
    arguments = [sys.executable, "-m", "tests.support.ollama_stand_in", str(store), "--version", "0.33.0"]
    with (root / "ollama.log").open("ab") as log:
        process = subprocess.Popen(
            [*arguments, "--port", str(port)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    (root / "pid").write_text(str(process.pid))
    process.returncode = 0  # it outlives this program, as a service does


def _ended(pid: int) -> bool:
    """Whether a process has ended, its sockets with it; its parent may not have asked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


if __name__ == "__main__":
    sys.exit(systemctl(Path(sys.argv[1]), sys.argv[2:]))
