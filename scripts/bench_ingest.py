"""How many exchanges a second does the tail take in, and in how much memory, on a journal of a million?

Regime: conversations of three exchanges over unique code prompts, written by `JournalWriter` into segments of 64 MiB,
then tailed as the daemon does: read 500 lines, extract lessons, store items, answers and cursor in one durable
transaction. A fifth of the conversations hold a typed correction, another fifth an accept; the buffer (4096 places) is
full after the first few per cent, so most inserts evict. One process, warm page cache. Ceilings, measured in the same
run: decoding the same lines without lessons or store, and a journal that is only written. Rates are the median over
windows of 5,000 exchanges, with the 10th and 90th percentile; memory is the peak resident set above the process after
its imports, once after the first tenth and once at the end, so that growth would show. `ingest_cpu_s` is the
processor time of the pass: on a machine that is busy otherwise, trust it before the rates.

The last line of stdout is JSON. `python scripts/bench_ingest.py --count 1000000 --folder <a real disk>`
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.experience.batch import experience_of
from laimark_sidecar.journal.exchange import Exchange, Feedback, Message, exchange_id
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.replay.answered import Answered
from laimark_sidecar.replay.item import Item
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.sources.journal import JournalSource

BATCH_LINES = 500
WINDOW = 5_000
TURNS = 3
START_S = 1_767_225_600.0  # 2026-01-01
REACTIONS = (
    "No, the next line is:\n```python\n    return total_{number} + offset\n```",
    "Yes, that is right.",
    "Now do the same for the other branch.",
    "Thanks, great!",
    "Please explain the second line.",
)


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        before_mib = peak_mib()
        written_s = write(folder / "journal", options.count)
        journal_bytes = sum(path.stat().st_size for path in (folder / "journal").iterdir())
        segments = len(list((folder / "journal").iterdir()))
        decoded = tail(folder, options.count, store=None)
        with ReplayStore.open(folder / "replay.db", clock=SystemClock()) as store:
            learned = tail(folder, options.count, store=store)
            held = store.stats()
        print(
            json.dumps(
                {
                    "count": options.count,
                    "journal_mib": round(journal_bytes / 2**20, 1),
                    "segments": segments,
                    "write_per_s": round(options.count / written_s),
                    "decode_per_s": decoded.spread(),
                    "ingest_per_s": learned.spread(),
                    "ingest_s": round(learned.total_s, 1),
                    "ingest_cpu_s": round(learned.cpu_s, 1),
                    "items_found": learned.items,
                    "items_held": held.items,
                    "memory_mib_after_tenth": round(learned.tenth_mib - before_mib, 1),
                    "memory_mib_at_end": round(peak_mib() - before_mib, 1),
                }
            )
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where to put the files; the temporary folder else"
    )
    return parser.parse_args()


@dataclass(kw_only=True)
class Run:
    """Times of one pass over the journal."""

    window_s: list[float] = field(default_factory=list)
    total_s: float = 0.0
    cpu_s: float = 0.0
    items: int = 0
    tenth_mib: float = 0.0

    def spread(self) -> dict[str, int]:
        """Return exchanges a second: median, 10th and 90th percentile of the windows."""
        rates = sorted(WINDOW / seconds for seconds in self.window_s)
        ranks = {"median": 0.5, "p10": 0.1, "p90": 0.9}
        return {name: round(rates[int(share * (len(rates) - 1))]) for name, share in ranks.items()}


class Stored:
    """What lessons ask about earlier exchanges; there is no feedback here, so no exchange is looked for."""

    def __init__(self, store: ReplayStore) -> None:
        self._store = store

    def answers(self, prefix: str) -> tuple[Answered, ...]:
        return self._store.answers(prefix)

    def twins(self, pairs: Sequence[str], *, since_s: float, until_s: float) -> tuple[Answered, ...]:
        return self._store.twins(pairs, since_s=since_s, until_s=until_s)

    def early_feedback(self, exchange_ids: Sequence[str]) -> tuple[Feedback, ...]:
        return self._store.early_feedback(exchange_ids)

    def made_by(self, exchange_id: str) -> tuple[Item, ...]:
        return self._store.made_by(exchange_id)

    def exchange(self, exchange_id: str) -> Exchange | None:
        return None


def write(folder: Path, count: int) -> float:
    started_s = time.perf_counter()
    with JournalWriter(folder, clock=SystemClock()) as writer:
        for exchange in exchanges(count):
            writer.append(exchange)
    return time.perf_counter() - started_s


def tail(folder: Path, count: int, *, store: ReplayStore | None) -> Run:
    source, run, cursor = JournalSource(folder / "journal"), Run(), None
    seen = 0
    cpu_started_s = time.process_time()
    started_s = window_started_s = time.perf_counter()
    more = True
    while more:
        batch = source.read(cursor, max_lines=BATCH_LINES)
        cursor, more = batch.cursor, batch.more
        if store is not None:
            learned = experience_of(batch.records, Stored(store), heldout_share=0.15)
            run.items += len(learned.items)
            store.ingest(source.name, cursor, learned.answered, learned.items)
        seen += len(batch.records)
        if seen % WINDOW == 0 and batch.records:
            now_s = time.perf_counter()
            run.window_s.append(now_s - window_started_s)
            window_started_s = now_s
        if not run.tenth_mib and seen * 10 >= count:
            run.tenth_mib = peak_mib()
    run.total_s = time.perf_counter() - started_s
    run.cpu_s = time.process_time() - cpu_started_s
    if seen != count:
        sys.exit(f"{count} exchanges written, {seen} read")
    return run


def exchanges(count: int) -> Iterator[Exchange]:
    for number in range(count):
        conversation, turn = divmod(number, TURNS)
        messages = history(conversation, turn)
        answer = reply(conversation, turn)
        time_s = START_S + number
        yield Exchange(
            id=exchange_id(time_s=time_s, source="bench", messages=messages, answer=answer),
            time_s=time_s,
            source="bench",
            client="bench/1.0",
            model="me:latest",
            base_sha256="0" * 64,
            adapter_version="",
            messages=messages,
            answer=answer,
            finish="stop",
            prompt_tokens=150,
            answer_tokens=20,
            options={"temperature": 0.7, "max_tokens": 128},
        )


def history(conversation: int, turn: int) -> tuple[Message, ...]:
    code = "\n".join(
        f"    total_{conversation} += values[{index}] * {conversation % 97}" for index in range(8)
    )
    asked = f"Complete this function of module m{conversation}:\n```python\ndef f{conversation}(values):\n{code}\n```"
    messages = [Message(role="system", content="You complete code."), Message(role="user", content=asked)]
    for earlier in range(turn):
        reaction = REACTIONS[(conversation + earlier) % len(REACTIONS)].replace("{number}", str(conversation))
        messages.append(Message(role="assistant", content=reply(conversation, earlier)))
        messages.append(Message(role="user", content=reaction))
    return tuple(messages)


def reply(conversation: int, turn: int) -> str:
    return f"```python\n    return total_{conversation} - {turn}\n```\nThis closes `f{conversation}`."


def peak_mib() -> float:
    """Return the largest resident set so far; Linux counts it in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    main()
