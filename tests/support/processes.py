"""Real child processes for tests: the sidecar's own commands, started, watched and always ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from laimark_sidecar.paths import Home

PATIENCE_S = 90.0
_POLL_S = 0.01


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def command(home: Home, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "laimark_sidecar", "--home", str(home.root), *arguments]


def run_command(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command of the sidecar to its end."""
    return subprocess.run(
        command(home, *arguments),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        env=environment(),
        check=False,
    )


@contextlib.contextmanager
def started(arguments: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process whose output goes to `log`; it is killed at the end if it still runs."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            arguments, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment()
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_until(condition: Callable[[], object], what: str, *, log: Path | None = None) -> None:
    """Poll until the condition holds; fails with the end of the log when it does not in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            tail = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log else ""
            raise AssertionError(f"not within {PATIENCE_S:.0f} s: {what}\n{tail}")
        time.sleep(_POLL_S)


@contextlib.contextmanager
def runner(home: Home, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start the real `serve` and wait until it answers."""
    log = home.root.parent / "serve.log"
    with started(command(home, "serve"), log) as process:
        wait_until(lambda: process.poll() is not None or _healthy(port), "serve answers", log=log)
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield process


def _healthy(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
    except OSError:
        return False
    return True
