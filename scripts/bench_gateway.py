"""What does the recording gateway cost, beside nginx and mitmproxy?

Question: how much later does a token come, and how many fewer, through the gateway than directly; how much memory and
CPU does it take? Arms: `direct`, `gateway` (every exchange recorded to a journal), `blind` (nothing recorded), `nginx`
(unbuffered, one worker), `mitmproxy` (reverse mode, streaming; keeps nothing). Regime: STREAMS clients each listen to one
stream after another of a paced runner (100 tokens a second, 200 tokens), all processes on this machine; before that one
client asks short questions over one connection. Every arm is measured ROUNDS times, in turn; medians over the rounds.
Ceiling: `direct`. `first_ms` is the time from a question to its first token, `token_ms` from a token's being written by
the runner to its being read by the client; the clock is one for all processes (Linux). The machine's cores are shared by
load, runner and proxy: `cpu` is the proxy's share of one core, `load_cpu` and `runner_cpu` the others'.

Aim: first token at most 1 ms (p50) and 3 ms (p99) later, tokens per second at most 2% fewer, memory flat.

Usage: python -m scripts.bench_gateway [--seconds 30] [--streams 64] [--rounds 1] [--arms direct,gateway,...]
scripts/setup/mitmproxy.sh installs mitmproxy beside the compiled programs; nginx is the system's. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Run by its path, a script has only its own folder on the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.gateway_load.proxies import ARMS, MissingError, Usage, proxy, usage

Figures = dict[str, float]
TOKENS = 200


def measure(arm: str, options: argparse.Namespace) -> Figures:
    """Measure one arm once, with processes of its own."""
    command = [sys.executable, "-m", "scripts.gateway_load.paced_upstream", str(options.rate), str(TOKENS)]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(command, stdout=subprocess.PIPE) as runner:
        try:
            assert runner.stdout is not None
            upstream = int(runner.stdout.readline())
            with proxy(arm, upstream, Path(folder)) as (port, pid):
                return _loaded(port, pid, runner.pid, options)
        finally:
            runner.kill()


def _loaded(port: int, pid: int | None, runner: int, options: argparse.Namespace) -> Figures:
    load = [port, options.streams, options.seconds, options.short]
    command = [sys.executable, "-m", "scripts.gateway_load.listeners", *map(str, load)]
    began_s, begin, runner_begin = time.monotonic(), _usage(pid), usage(runner)
    listening = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    took_s, end = time.monotonic() - began_s, _usage(pid)
    figures: Figures = json.loads(listening.stdout)
    return figures | {
        "cpu": (end.cpu_s - begin.cpu_s) / took_s,
        "load_cpu": figures.pop("load_cpu_s") / took_s,
        "runner_cpu": (usage(runner).cpu_s - runner_begin.cpu_s) / took_s,
        "rss_mib_begin": begin.rss_mib,
        "rss_mib_end": end.rss_mib,
    }


def _usage(pid: int | None) -> Usage:
    return usage(pid) if pid is not None else Usage(cpu_s=0, rss_mib=0)


def medians(rounds: list[Figures]) -> Figures:
    """Return the medians over the rounds of one arm."""
    return {name: round(statistics.median(one[name] for one in rounds), 3) for name in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--rate", type=float, default=100, help="tokens a second of one stream")
    parser.add_argument("--short", type=int, default=2000, help="short questions")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--arms", default=",".join(ARMS))
    options = parser.parse_args()
    measured: dict[str, list[Figures]] = {}
    missing: dict[str, str] = {}
    for number in range(options.rounds):
        for arm in options.arms.split(","):
            try:
                measured.setdefault(arm, []).append(measure(arm, options))
            except MissingError as error:
                del measured[arm]
                missing[arm] = str(error)
                continue
            print(f"round {number + 1} {arm:10} {json.dumps(medians(measured[arm][-1:]))}", file=sys.stderr)
    if cut := sum(one["cut"] for arm in measured.values() for one in arm):
        print(f"{cut:.0f} streams were cut", file=sys.stderr)
    arms = {arm: medians(rounds) for arm, rounds in measured.items()}
    settings = {name: getattr(options, name) for name in ("seconds", "streams", "rate", "rounds")}
    print(json.dumps({**settings, "tokens_per_stream": TOKENS, "arms": arms, "missing": missing}))
    sys.exit(1 if cut else 0)


if __name__ == "__main__":
    main()
