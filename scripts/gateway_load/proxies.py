"""What may stand between the clients and the runner: nothing, our gateway, nginx, mitmproxy."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_S = 30.0
_NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream runner {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port}; client_max_body_size 0;
    location / {{
      proxy_pass http://runner; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 1d;
    }}
  }}
}}
"""


class MissingError(Exception):
    """A proxy is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process and its children took so far."""

    cpu_s: float
    rss_mib: float


def usage(pid: int) -> Usage:
    """Read /proc for a process and its children (Linux)."""
    ticks, pages = 0, 0
    for one in (pid, *children(pid)):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
        pages += int(fields[21])
    return Usage(cpu_s=ticks / os.sysconf("SC_CLK_TCK"), rss_mib=pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def children(pid: int) -> list[int]:
    """Return the direct children of a process."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def proxy(arm: str, upstream: int, folder: Path) -> Iterator[tuple[int, int | None]]:
    """Run a proxy in front of a port of this machine; yields its own port and process, None for none.

    Raises:
        MissingError: it is not installed; the message says how to.
    """
    if arm == "direct":
        yield upstream, None
        return
    port = free_port()
    with running(_COMMANDS[arm](upstream, port, folder), port) as pid:
        yield port, pid


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """Run a server until the block ends; yields its pid once it takes connections."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline_s = time.monotonic() + _PATIENCE_S
        while not _takes_connections(port):
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"{command[0]} did not start")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def _takes_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _gateway(upstream: int, port: int, folder: Path) -> list[str]:
    module = "scripts.gateway_load.recording_gateway"
    return [sys.executable, "-m", module, f"http://127.0.0.1:{upstream}", str(port), str(folder / "journal")]


def _blind_gateway(upstream: int, port: int, folder: Path) -> list[str]:
    return _gateway(upstream, port, folder)[:-1]


def _nginx(upstream: int, port: int, folder: Path) -> list[str]:
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise MissingError("nginx is not installed (on Debian: apt-get install nginx-light)")
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder, upstream=upstream, port=port))
    return [program, "-c", str(configuration)]


def _mitmproxy(upstream: int, port: int, folder: Path) -> list[str]:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "laimark-sidecar"
    program = shutil.which("mitmdump", path=f"{cache}/mitmproxy/bin:{os.environ.get('PATH', '')}")
    if program is None:
        raise MissingError("mitmproxy is not installed (scripts/setup/mitmproxy.sh installs it)")
    mode = ["--mode", f"reverse:http://127.0.0.1:{upstream}", "--listen-host", "127.0.0.1"]
    streaming = ["--set", "stream_large_bodies=1", "--set", f"confdir={folder}/mitmproxy"]
    return [program, "-q", *mode, "--listen-port", str(port), *streaming]


_COMMANDS: dict[str, Callable[[int, int, Path], list[str]]] = {
    "gateway": _gateway,
    "blind": _blind_gateway,
    "nginx": _nginx,
    "mitmproxy": _mitmproxy,
}
ARMS = ("direct", *_COMMANDS)
