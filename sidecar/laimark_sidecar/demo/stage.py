"""The demo's stage: a home of its own, a real `serve` and a real `run` as child processes, stopped whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.files import make_dir

START_S = 60.0
STOP_S = 8.0
POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running runner and daemon. Their logs are in the home, for whoever wants to look."""

    home: Path
    url: str
    runner: subprocess.Popen[bytes]
    daemon: subprocess.Popen[bytes]

    def require_running(self) -> None:
        """Raise RunnerError, quoting its log, if the runner or the daemon has died."""
        for name, process in (("serve", self.runner), ("run", self.daemon)):
            if process.poll() is not None:
                raise _ended(self.home, name, process.returncode)


def command(home: Path, *arguments: str) -> list[str]:
    """Return the command line of the sidecar for a home; nothing in the user's folder is taken for a module."""
    return [sys.executable, "-P", "-m", "laimark_sidecar", "--home", str(home), *arguments]


@contextlib.contextmanager
def staged(home: Path, port: int) -> Iterator[Stage]:
    """Start runner and daemon, wait until the runner answers, and stop both at the end."""
    url = f"http://127.0.0.1:{port}"
    make_dir(home / "logs")
    with contextlib.ExitStack() as stack:
        runner = _start(stack, home, "serve")
        _wait_for(url, runner, home)
        daemon = _start(stack, home, "run")
        yield Stage(home=home, url=url, runner=runner, daemon=daemon)


def free_port() -> int:
    """Return a port on the loopback interface that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start(stack: contextlib.ExitStack, home: Path, name: str) -> subprocess.Popen[bytes]:
    log = stack.enter_context((home / "logs" / f"{name}.log").open("ab"))
    process = subprocess.Popen(
        command(home, name), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=_environment()
    )
    stack.callback(_stop, process)
    return process


def _environment() -> dict[str, str]:
    # Two cores, a runner and a trainer: more threads than cores slow llama.cpp down tenfold.
    return {
        **os.environ,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) // 2))),
    }


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], home: Path) -> None:
    # The runner is on this machine: a proxy from the environment has no business in between.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise _ended(home, "serve", process.returncode)
        try:
            direct.open(f"{url}/health", timeout=2).close()
        except OSError:
            time.sleep(POLL_S)
        else:
            return
    raise RunnerError(
        f"the runner did not answer within {START_S:.0f} s: {_tail(home, 'serve')}",
        hint=_whole_log(home, "serve"),
    )


def _ended(home: Path, name: str, status: int | None) -> RunnerError:
    return RunnerError(
        f"`laimark-sidecar {name}` ended with {status}: {_tail(home, name)}", hint=_whole_log(home, name)
    )


def _whole_log(home: Path, name: str) -> str:
    return f"the whole log: {home / 'logs' / f'{name}.log'}"


def _tail(home: Path, name: str) -> str:
    lines = (home / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
    return " | ".join(lines[-5:])
