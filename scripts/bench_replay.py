"""How long does a draw of 64 lessons take from a buffer of a million, and how long does a new one take to get in?

Regime: the buffer is exactly full, every item has been trained once and has a priority; so a draw may take any of
them and every insert evicts one. One process, warm page cache, a commit is fsynced. Each measured insert is a batch
of one item, the worst case; the bulk load uses batches of 50,000 in a child process, so that its memory does not
count. Ceilings, measured in the same run: for a draw, reading (row, stratum, priority, weight) of every item
from the covering index into Python; for an insert, a durable transaction that only moves a cursor.

The last line of stdout is JSON. `python scripts/bench_replay.py --items 1000000 --folder <a real disk>`
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.replay.item import Item, Signal, Span
from laimark_sidecar.replay.quotas import heldout_capacity
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.replay.surprise import ItemLoss

DRAW = 64
CHUNK = 50_000
SIGNALS: tuple[Signal, ...] = ("correction", "edit", "kept", "accept")
DOMAINS = ("text", "code:python", "code:rust")
START_S = 1_767_225_600.0  # 2026-01-01
YEAR_S = 365 * 86_400.0


def main() -> None:
    options = parse()
    if options.load is not None:
        load(options.load, options.items)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "replay.db"
        started_s = time.perf_counter()
        arguments = ["--items", str(options.items), "--load", str(path)]
        subprocess.run([sys.executable, __file__, *arguments], check=True)
        load_s = time.perf_counter() - started_s
        print(
            json.dumps(
                measure(path, options.items, options.draws, options.inserts) | {"load_s": round(load_s, 1)}
            )
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--draws", type=int, default=30)
    parser.add_argument("--inserts", type=int, default=200)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where to put the file; the temporary folder else"
    )
    parser.add_argument("--load", type=Path, default=None, help=argparse.SUPPRESS)
    return parser.parse_args()


def capacity_for(items: int) -> int:
    """Return the capacity whose train split is exactly `items`."""
    capacity = round(items / 0.85)
    while capacity - heldout_capacity(capacity) < items:
        capacity += 1
    while capacity - heldout_capacity(capacity) > items:
        capacity -= 1
    return capacity


def make_item(number: int, rng: random.Random) -> Item:
    """Return a lesson of about 1 KB whose words are its own."""
    text = " ".join(f"{rng.getrandbits(24):06x}" for _ in range(100))
    return Item(
        id=f"{number:032x}",
        time_s=START_S + rng.random() * YEAR_S,
        source="journal",
        signal=rng.choice(SIGNALS),
        weight=rng.choice((0.5, 0.8, 1.0)),
        domain=rng.choice(DOMAINS),
        split="train",
        messages=(Message(role="user", content=text[:350]),),
        target=text[350:],
        spans=(Span(start=0, end=len(text) - 350, provenance="typed", learn=True),),
        exchange_ids=(f"{number:032x}",),
    )


def seeded(number: int) -> random.Random:
    return random.Random(number)


def chunks(items: int) -> Iterator[list[Item]]:
    rng = seeded(0)
    for start in range(0, items, CHUNK):
        yield [make_item(number, rng) for number in range(start, min(items, start + CHUNK))]


def load(path: Path, items: int) -> None:
    rng = seeded(1)
    started_s = time.perf_counter()
    with ReplayStore.open(path, clock=SystemClock(), capacity=capacity_for(items)) as store:
        for number, chunk in enumerate(chunks(items)):
            store.ingest("bench", b"%d" % number, [], chunk)
            store.record_surprise(
                [ItemLoss(id=item.id, loss=1.0 + rng.expovariate(1.0), loss_hint=1.0) for item in chunk]
            )
            store.mark_trained([item.id for item in chunk], "cycle-1")
            elapsed_s = time.perf_counter() - started_s
            print(f"loaded {number * CHUNK + len(chunk):,} in {elapsed_s:.0f} s", file=sys.stderr)


def measure(path: Path, items: int, draws: int, inserts: int) -> dict[str, object]:
    with ReplayStore.open(path, clock=SystemClock(), capacity=capacity_for(items)) as store:
        held = store.stats().items
        before_kib = peak_kib()
        draw_ms = times_ms(lambda number: store.draw(DRAW, rng=seeded(number)), draws)
        after_kib = peak_kib()
        fresh = [make_item(items + number, seeded(number)) for number in range(inserts + 1)]
        insert_ms = times_ms(lambda number: store.ingest("bench", b"x", [], [fresh[number]]), inserts)
        commit_ms = times_ms(lambda number: store.ingest("bench", b"%d" % number, [], []), inserts)
        faults = store.check() if items <= 100_000 else ()
    return {
        "benchmark": "replay",
        "items": held,
        "draw": DRAW,
        "draw_ms": spread(draw_ms),
        "draw_ceiling_scan_ms": spread(scan_ms(path, draws)),
        "insert_ms": spread(insert_ms),
        "insert_ceiling_commit_ms": spread(commit_ms),
        "draw_memory_mib": round((after_kib - before_kib) / 1024, 1),
        "peak_memory_mib": round(peak_kib() / 1024, 1),
        "file_mib": round(path.stat().st_size / 2**20, 1),
        "bytes_per_item": round(path.stat().st_size / held),
        "faults": len(faults),
    }


def scan_ms(path: Path, repeats: int) -> list[float]:
    import sqlite3

    connection = sqlite3.connect(path)
    query = (
        "SELECT seq, stratum_id, priority, weight FROM items WHERE stage = 1 ORDER BY stratum_id, priority"
    )
    try:
        return times_ms(lambda _: sum(1 for _ in connection.execute(query)), repeats)
    finally:
        connection.close()


def times_ms(act: Callable[[int], object], repeats: int) -> list[float]:
    act(0)  # warm up: the page cache, and numpy's import
    measured = []
    for number in range(1, repeats + 1):
        started_s = time.perf_counter()
        act(number)
        measured.append((time.perf_counter() - started_s) * 1000)
    return measured


def spread(measured_ms: list[float]) -> dict[str, float]:
    ordered = sorted(measured_ms)
    return {
        "p50": round(ordered[len(ordered) // 2], 3),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 3),
        "n": len(ordered),
    }


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
