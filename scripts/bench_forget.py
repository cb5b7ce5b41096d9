"""What does it cost to forget, to know again what was forgotten, and to seal the journal?

Regime: a journal of `--count` exchanges of about 1.5 kB each (a question with two earlier turns), written by `JournalWriter`
plainly and sealed, then read to its end, then one line in a thousand erased; then what was read is asked, 500 at a time,
whether it repeats something forgotten, with nothing forgotten and with `--forgotten` other exchanges. One process, warm page cache, no fsync between
lines. Ceiling of sealing: age's own work on a line of this size, in memory. Medians of `--runs` runs; the spread is
the lowest and the highest.

The last line of stdout is JSON. `python scripts/bench_forget.py --count 20000`
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.experience.traces import traces
from laimark_sidecar.journal.erasing import erase
from laimark_sidecar.journal.exchange import Exchange, Message, encode, exchange_id
from laimark_sidecar.journal.reader import read
from laimark_sidecar.journal.sealing import Opener, Sealer, turn_on
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.pipeline.recall import repeating
from laimark_sidecar.replay.store import ReplayStore

EVERY = 1000
BATCH = 500
WORDS = "the quick brown fox jumps over the lazy dog and back again "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--forgotten", type=int, default=10_000)
    options = parser.parse_args()
    exchanges = [made(number) for number in range(options.count)]
    gone = [made(-number - 1) for number in range(options.forgotten)]
    runs = [measured(exchanges, gone) for _ in range(options.runs)]
    figures = {name: spread([run[name] for run in runs]) for name in runs[0]}
    print(json.dumps({"count": options.count, "line_bytes": len(encode(exchanges[0])), **figures}))


def made(number: int) -> Exchange:
    messages = (
        Message(role="user", content=f"{number} {WORDS * 6}"),
        Message(role="assistant", content=WORDS * 6),
        Message(role="user", content=f"{WORDS * 4} {number}"),
    )
    answer = WORDS * 5
    return Exchange(
        id=exchange_id(time_s=float(number), source="bench", messages=messages, answer=answer),
        time_s=float(number),
        source="bench",
        client="bench",
        model="me:latest",
        base_sha256="",
        adapter_version="",
        messages=messages,
        answer=answer,
        finish="stop",
    )


def measured(exchanges: list[Exchange], gone: list[Exchange]) -> dict[str, float]:
    """Return microseconds a line."""
    with tempfile.TemporaryDirectory() as name:
        plain, sealed = Path(name) / "plain", Path(name) / "sealed"
        turn_on(sealed, Path(name) / "key")
        return {
            **passes(plain, "plain", exchanges),
            **passes(sealed, "sealed", exchanges),
            **ceiling(sealed, encode(exchanges[0])),
            **recognising(Path(name) / "replay.db", exchanges, gone),
        }


def passes(folder: Path, kind: str, exchanges: list[Exchange]) -> dict[str, float]:
    lines = len(exchanges)
    doomed = {one.id.encode() for one in exchanges[::EVERY]}
    return {
        f"write_{kind}_us": timed(lambda: write(folder, exchanges), lines),
        f"read_{kind}_us": timed(lambda: drain(folder), lines),
        f"erase_{kind}_us": timed(
            lambda: erase(folder, lambda line: any(one in line for one in doomed)), lines
        ),
    }


def ceiling(folder: Path, line: bytes) -> dict[str, float]:
    sealer, opener = Sealer(folder), Opener(folder)
    sealed = sealer.sealed(line, "0" * 32)
    return {
        "seal_us": timed(lambda: [sealer.sealed(line, "0" * 32) for _ in range(EVERY)], EVERY),
        "open_us": timed(lambda: [opener.opened(sealed) for _ in range(EVERY)], EVERY),
        "sealed_line_bytes": len(sealed),
    }


def recognising(path: Path, exchanges: list[Exchange], gone: list[Exchange]) -> dict[str, float]:
    batches = [exchanges[start : start + BATCH] for start in range(0, len(exchanges), BATCH)]
    with ReplayStore.open(path, clock=SystemClock()) as store:
        before = timed(lambda: [repeating(store, batch) for batch in batches], len(exchanges))
        known_by = [trace for one in gone for trace in traces(one)]
        store.oblivion.forget_exchanges([one.id for one in gone], traces=known_by)
        after = timed(lambda: [repeating(store, batch) for batch in batches], len(exchanges))
    return {"ask_nothing_forgotten_us": before, "ask_us": after}


def write(folder: Path, exchanges: list[Exchange]) -> None:
    with JournalWriter(folder, clock=SystemClock(), fsync="never") as writer:
        for exchange in exchanges:
            writer.append(exchange)


def drain(folder: Path) -> None:
    cursor, more = None, True
    while more:
        batch = read(folder, cursor, max_lines=500)
        cursor, more = batch.cursor, batch.more


def timed(work: Callable[[], object], lines: int) -> float:
    started_s = time.perf_counter()
    work()
    return (time.perf_counter() - started_s) / lines * 1e6


def spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 1),
        "low": round(min(values), 1),
        "high": round(max(values), 1),
    }


if __name__ == "__main__":
    main()
