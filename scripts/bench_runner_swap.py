"""How long from registering a version with llama-server to its first token, and is any answer cut meanwhile?

Regime: a real llama-server in router mode (or single mode: see below), one thread a process, demo base in f16 unless another GGUF is given, random
adapters of rank 16. Two listeners ask the base without a pause, streaming, during the busy half; nobody during the
quiet half. A round registers a new version (its process is started, loaded and asked, before anything points at it),
asks it once more, streaming, moves `me:latest` to it, which a process is already serving, and asks that. All times are
wall time as a user feels it, so other programs on the machine count. Ceiling: starting a process and loading the base
from the page cache. A stream that ends without `[DONE]` was cut; the count must be 0, or the exit status is 1.

In single mode a new version needs a managed restart, which waits for the quiet: only the quiet half registers, and a
version's first token is that of the stable name after its move. In the busy half only that name is moved, between two
versions that are loaded, while two listeners stream.

Usage: python -m scripts.bench_runner_swap [--base BASE.gguf] [--rounds 10] [--mode single]; the server is the one that
LAIMARK_LLAMA_SERVER names, or the one on the PATH. The last line is JSON.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

# Run by its path, a script has only its own folder on the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.bench_adapter_switch import random_adapter

from laimark_converters.base_gguf import write_base_gguf
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.files import sha256_file
from laimark_sidecar.paths import modelfiles
from laimark_sidecar.registry.version import BaseIdentity
from laimark_sidecar.runners.llama_server.client import LlamaServerRunner
from laimark_sidecar.runners.llama_server.managed import router_server, single_server
from laimark_sidecar.runners.llama_server.presets import Presets
from laimark_sidecar.runners.llama_server.sections import Section
from laimark_sidecar.runners.llama_server.settings import RouterSettings, SingleSettings
from laimark_sidecar.runners.llama_server.single_client import SingleRunner
from laimark_sidecar.runners.llama_server.single_names import NamesFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from laimark_sidecar.runners.llama_server.process import ManagedServer
    from laimark_sidecar.runners.runner import Runner

Figures = dict[str, dict[str, float]]

LISTENED_TOKENS = 200
STABLE = "me:latest"


def stream(url: str, model: str, tokens: int) -> tuple[float, bool]:
    """Ask once; returns the milliseconds to the first token, and whether the answer came to its proper end."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "def add(a, b):"}],
        "max_tokens": tokens,
        "temperature": 2,
        "ignore_eos": True,
        "stream": True,
    }
    start = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(f"{model}: HTTP {response.status} {response.read()!r}")
    first_ms, whole = 0.0, False
    try:
        for line in response:
            if not first_ms and b'"content":"' in line:
                first_ms = (time.perf_counter() - start) * 1e3
            whole = whole or line.strip() == b"data: [DONE]"
    except (OSError, http.client.HTTPException):
        whole = False
    connection.close()
    return first_ms, whole


@contextmanager
def listeners(url: str, count: int, ends: list[bool]) -> Iterator[None]:
    """Ask the base without a pause meanwhile; how each answer ended is added to `ends`."""
    stop = threading.Event()

    def listen() -> None:
        while not stop.is_set():
            ends.append(stream(url, "base", LISTENED_TOKENS)[1])

    threads = [threading.Thread(target=listen, name=f"listener-{number}") for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def one_round(runner: Runner, url: str, name: str, adapter: Path) -> tuple[dict[str, float], list[bool]]:
    """Register, ask, move the stable name, ask it; returns milliseconds and how the two answers ended."""
    start = time.perf_counter()
    runner.register(name, adapter)
    registered_ms = (time.perf_counter() - start) * 1e3
    by_name = [stream(url, name, 8)] if runner.capabilities().switch_per_request else []
    start = time.perf_counter()
    runner.point(STABLE, name)
    moved_ms = (time.perf_counter() - start) * 1e3
    stable_ms, stable_whole = stream(url, STABLE, 8)
    times = {
        "register_ms": registered_ms,
        "register_to_first_token_ms": registered_ms + (by_name[0][0] if by_name else moved_ms + stable_ms),
        **({"first_token_ms": by_name[0][0]} if by_name else {}),
        "move_stable_name_ms": moved_ms,
        "stable_first_token_ms": stable_ms,
    }
    return times, [*(whole for _, whole in by_name), stable_whole]


def moves(runner: Runner, url: str, versions: dict[str, Path], rounds: int) -> tuple[Figures, list[bool]]:
    """Move the stable name between loaded versions while two listeners stream."""
    for name, adapter in versions.items():
        runner.register(name, adapter)
    ends: list[bool] = []
    times_ms = []
    with listeners(url, 2, ends):
        for _, name in zip(range(rounds), itertools.cycle(versions), strict=False):
            start = time.perf_counter()
            runner.point(STABLE, name)
            times_ms.append({"move_stable_name_ms": (time.perf_counter() - start) * 1e3})
            time.sleep(0.1)
    return spread(times_ms), ends


def spread(rounds: list[dict[str, float]]) -> Figures:
    return {
        key: {
            "median": round(statistics.median(times[key] for times in rounds), 1),
            "least": round(min(times[key] for times in rounds), 1),
            "most": round(max(times[key] for times in rounds), 1),
        }
        for key in rounds[0]
    }


def half(runner: Runner, url: str, adapters: dict[str, Path], listening: int) -> tuple[Figures, list[bool]]:
    ends: list[bool] = []
    rounds = []
    with listeners(url, listening, ends):
        for name, adapter in adapters.items():
            times, own_ends = one_round(runner, url, name, adapter)
            rounds.append(times)
            ends += own_ends
            runner.point(STABLE, "")
            stream(url, STABLE, 1)
            runner.withdraw(name)
    return spread(rounds), ends


def managed(
    settings: RouterSettings | SingleSettings, identity: BaseIdentity
) -> tuple[ManagedServer, Runner, Callable[[], None]]:
    """Return the server, the runner over it, and what prepares its first start."""
    seeded: dict[Section, Path | None] = {Section(name="demo", kind="base"): None}
    clock = SystemClock()
    if isinstance(settings, RouterSettings):
        router = router_server(settings, environment=os.environ)
        presets = Presets(settings)
        return (
            router,
            LlamaServerRunner(settings, identify=lambda _: identity, clock=clock, timeout_s=120),
            lambda: presets.seed(seeded),
        )
    single = single_server(settings, environment=os.environ)
    names = NamesFile(settings)
    return (
        single,
        SingleRunner(settings, server=single, identify=lambda _: identity, clock=clock, timeout_s=120),
        lambda: names.seed(seeded),
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--mode", choices=["router", "single"], default="router")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        base = options.base or root / "base.gguf"
        if not options.base:
            write_base_gguf(modelfiles() / "demo_base", base)
        common: dict[str, Any] = {
            "folder": root / "llama-server",
            "base_path": base,
            "base_name": "demo",
            "port": free_port(),
            "threads": 1,
            "context": 1024,
        }
        single = options.mode == "single"
        settings = SingleSettings(**common, answering=STABLE) if single else RouterSettings(**common)
        identity = BaseIdentity(
            sha256=sha256_file(base), architecture="", template_sha256="", tokenizer_sha256=""
        )
        server, runner, prepare = managed(settings, identity)
        adapters = {
            f"me:2026-11-22-{number:04x}": random_adapter(base, root / f"{number}.gguf", number)
            for number in range(options.rounds + 1)
        }
        warm_up = dict([adapters.popitem()])
        server.start(prepare=prepare)
        try:
            stream(settings.url, "base", 8)
            half(runner, settings.url, warm_up, 0)
            quiet, quiet_ends = half(runner, settings.url, adapters, 0)
            busy, busy_ends = (
                moves(runner, settings.url, dict(list(adapters.items())[:2]), options.rounds)
                if single
                else half(runner, settings.url, adapters, 2)
            )
        finally:
            server.stop()
    ends = quiet_ends + busy_ends
    for title, found in (("quiet", quiet), ("two listeners", busy)):
        print(title)
        for key, times in found.items():
            print(f"  {key:28} {times['median']:8.1f} ({times['least']:.1f} to {times['most']:.1f})")
    cut = ends.count(False)
    print(f"{len(ends)} streams, {cut} cut")
    print(
        json.dumps(
            {
                "mode": options.mode,
                "quiet": quiet,
                "busy": busy,
                "rounds": options.rounds,
                "streams": len(ends),
                "cut_streams": cut,
            }
        )
    )
    return 1 if cut else 0


if __name__ == "__main__":
    sys.exit(main())
