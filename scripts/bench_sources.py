"""How many exchanges a second does each log source bring into the journal, and in how much memory?

Regime: a log of its own for each kind, made by this script: conversations of three answers, about 1 KiB each. It is read
by the source that the entry point names, 500 entries a batch, each batch appended to a journal and flushed, then the
cursor stored durably in the replay buffer: what the daemon does for a log that was added. Ceiling, measured in the same
run: the journal alone, written from memory. One process, warm page cache; memory is the peak resident set of a child
process for each kind, above what it was after its imports, once after the first tenth and once at the end, so that growth
would show. Kinds that hold a file for each exchange or chat are run with `--files` exchanges.

The last line of stdout is JSON. `python scripts/bench_sources.py --count 1000000 --folder <a real disk>`
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.journal.exchange import Exchange
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.replay.store import ReplayStore
from laimark_sidecar.sources.source import load_sources

BATCH_LINES = 500
TURNS = 3
START_S = 1_760_000_000
FILLER = "The quick brown fox jumps over the lazy dog. " * 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=30_000, help="exchanges of kinds with many files")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--kinds", nargs="*", default=[*ONE_FILE, *MANY_FILES])
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    found: dict[str, Any] = {}
    for kind in options.kinds:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            count = options.count if kind in ONE_FILE else options.files
            with context.Pool(1) as pool:
                found[kind] = pool.apply(measure, (kind, Path(name), count))
            print(f"{kind}: {found[kind]}", file=sys.stderr)
    print(json.dumps(found))


def measure(kind: str, folder: Path, count: int) -> dict[str, float]:
    """Make a log of `count` exchanges and take it in."""
    log = folder / "log"
    log.mkdir()
    {**ONE_FILE, **MANY_FILES}[kind](log, count)
    wait_until_settled()
    source = load_sources()[kind](log)
    before_mib, tenth_mib, taken, more, faults = peak_mib(), 0.0, 0, True, 0
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    with (
        ReplayStore.open(folder / "replay.db", clock=SystemClock()) as store,
        JournalWriter(folder / "journal", clock=SystemClock(), fsync="never") as journal,
    ):
        while more:
            batch = source.read(store.cursor(kind), max_lines=BATCH_LINES)
            for record in batch.records:
                journal.append(record)
            journal.flush()
            store.move_cursor(kind, batch.cursor)
            taken += sum(isinstance(one, Exchange) for one in batch.records)
            faults += len(batch.faults)
            more = batch.more
            if not tenth_mib and taken * 10 >= count:
                tenth_mib = peak_mib()
    spent_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    if taken != count or faults:
        sys.exit(f"{kind}: {count} exchanges written, {taken} read, {faults} faults")
    return {
        "count": count,
        "per_s": round(count / spent_s),
        "per_cpu_s": round(count / cpu_s),
        "memory_mib_after_tenth": round(tenth_mib - before_mib, 1),
        "memory_mib_at_end": round(peak_mib() - before_mib, 1),
    }


def wait_until_settled() -> None:
    """Wait until files are old enough to be read for good."""
    time.sleep(1.5)


def history(number: int) -> tuple[list[dict[str, str]], str]:
    """Return the messages before an answer, and the answer."""
    chat, turn = divmod(number, TURNS)
    messages: list[dict[str, str]] = []
    for at in range(turn + 1):
        messages.append({"role": "user", "content": f"Question {at} of {chat}: {FILLER}"})
        messages.append({"role": "assistant", "content": f"Answer {at} of {chat}: {FILLER}"})
    return messages[:-1], messages[-1]["content"]


def chats(count: int) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Return chats of three turns each, as many as give at least `count` answers."""
    for chat in range(0, count, TURNS):
        turns = range(min(TURNS, count - chat))
        yield (
            chat,
            [(f"Question {at} of {chat}: {FILLER}", f"Answer {at} of {chat}: {FILLER}") for at in turns],
        )


def openai_jsonl(log: Path, count: int) -> None:
    with (log / "chats.jsonl").open("w", encoding="utf-8") as file:
        for number in range(count):
            messages, answer = history(number)
            line = {
                "messages": [*messages, {"role": "assistant", "content": answer}],
                "created": START_S + number,
            }
            file.write(json.dumps(line) + "\n")


def continue_dev(log: Path, count: int) -> None:
    (log / "0.2.0").mkdir()
    with (log / "0.2.0" / "chatInteraction.jsonl").open("w", encoding="utf-8") as file:
        for number in range(count):
            messages, answer = history(number)
            prompt = "".join(f"<{one['role']}>\n{one['content']}\n\n" for one in messages)
            file.write(
                json.dumps({"prompt": prompt, "completion": answer, "createdAt": START_S + number}) + "\n"
            )


def ollama_requests(log: Path, count: int) -> None:
    folder = log / "ollama-request-logs-1"
    folder.mkdir()
    for number in range(count):
        messages, answer = history(number)
        told = [*messages, {"role": "assistant", "content": answer}, {"role": "user", "content": "On"}]
        body = json.dumps({"model": "m", "messages": told})
        (folder / f"20251001T120000-{number}_api_chat_body.json").write_text(body, encoding="utf-8")


def sillytavern(log: Path, count: int) -> None:
    for chat, turns in chats(count):
        lines: list[dict[str, Any]] = [{"user_name": "You", "chat_metadata": {}}]
        for asked, answer in turns:
            lines.append({"mes": asked, "is_user": True, "send_date": START_S + chat})
            lines.append({"mes": answer, "is_user": False, "send_date": START_S + chat})
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (log / f"{chat}.jsonl").write_text(text, encoding="utf-8")


def open_webui(log: Path, count: int) -> None:
    with sqlite3.connect(log / "webui.db") as connection:
        connection.execute(
            "CREATE TABLE chat (id TEXT PRIMARY KEY, user_id TEXT, chat TEXT, created_at INTEGER, updated_at INTEGER)"
        )
        connection.execute("CREATE INDEX chat_updated ON chat (updated_at)")
        for chat, turns in chats(count):
            held: dict[str, Any] = {}
            last = ""
            for at, texts in enumerate(turns):
                for role, text in zip(("user", "assistant"), texts, strict=True):
                    key = f"{chat}-{at}-{role}"
                    held[key] = {"id": key, "parentId": last or None, "role": role, "content": text}
                    held[key] |= {"timestamp": START_S + chat + at, "done": True, "model": "m"}
                    last = key
            body = json.dumps({"history": {"messages": held, "currentId": last}})
            connection.execute(
                "INSERT INTO chat VALUES (?, 'u', ?, ?, ?)", (str(chat), body, START_S + chat, START_S + chat)
            )
    connection.close()


def ollama_desktop(log: Path, count: int) -> None:
    with sqlite3.connect(log / "db.sqlite") as connection:
        connection.execute("CREATE TABLE chats (id TEXT PRIMARY KEY, title TEXT)")
        connection.execute(
            "CREATE TABLE messages (id INTEGER PRIMARY KEY, chat_id TEXT, role TEXT, content TEXT, thinking TEXT,"
            " model_name TEXT, created_at TEXT, updated_at TEXT)"
        )
        connection.execute("CREATE INDEX by_chat ON messages (chat_id)")
        connection.execute(
            "CREATE TABLE tool_calls (id INTEGER PRIMARY KEY, message_id INTEGER, function_name TEXT, function_arguments TEXT)"
        )
        connection.execute("CREATE TABLE attachments (id INTEGER PRIMARY KEY, message_id INTEGER, data BLOB)")
        connection.execute("CREATE INDEX call_of ON tool_calls (message_id)")
        connection.execute("CREATE INDEX file_of ON attachments (message_id)")
        for chat, turns in chats(count):
            for texts in turns:
                for role, text in zip(("user", "assistant"), texts, strict=True):
                    connection.execute(
                        "INSERT INTO messages VALUES (NULL, ?, ?, ?, '', 'm', ?, ?)",
                        (str(chat), role, text, "2025-10-01 12:00:00", "2025-10-01 12:00:00"),
                    )
    connection.close()


def llm(log: Path, count: int) -> None:
    with sqlite3.connect(log / "logs.db") as connection:
        connection.execute(
            "CREATE TABLE responses (id TEXT PRIMARY KEY, model TEXT, prompt TEXT, system TEXT, response TEXT,"
            " conversation_id TEXT, datetime_utc TEXT)"
        )
        for chat, turns in chats(count):
            begun_s = START_S + chat
            for at, (asked, answer) in enumerate(turns):
                time = datetime.fromtimestamp(begun_s + at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
                connection.execute(
                    "INSERT INTO responses VALUES (?, 'm', ?, NULL, ?, ?, ?)",
                    (ulid(begun_s + at, count + chat), asked, answer, ulid(begun_s, chat), time),
                )
    connection.close()


def ulid(time_s: int, number: int) -> str:
    """Return an id as llm makes them: when it began, then a number (github.com/ulid/spec)."""
    whole, digits = time_s * 1000 << 80 | number, []
    for _ in range(26):
        whole, digit = divmod(whole, 32)
        digits.append("0123456789abcdefghjkmnpqrstvwxyz"[digit])
    return "".join(reversed(digits))


def lm_studio(log: Path, count: int) -> None:
    for chat, turns in chats(count):
        messages: list[dict[str, Any]] = []
        for at, (asked, answer) in enumerate(turns):
            said = {"role": "user", "content": [{"type": "text", "text": asked}]}
            block = {"type": "contentBlock", "content": [{"type": "text", "text": answer}]}
            block["stepIdentifier"] = f"{(START_S + chat + at) * 1000}-0.5"
            made = {"type": "multiStep", "role": "assistant", "steps": [block]}
            messages += [{"versions": [one], "currentlySelected": 0} for one in (said, made)]
        body = json.dumps({"createdAt": START_S * 1000, "messages": messages})
        (log / f"{chat}.conversation.json").write_text(body, encoding="utf-8")


ONE_FILE: dict[str, Callable[[Path, int], None]] = {
    "openai-jsonl": openai_jsonl,
    "continue": continue_dev,
    "open-webui": open_webui,
    "ollama-desktop": ollama_desktop,
    "llm": llm,
}
MANY_FILES: dict[str, Callable[[Path, int], None]] = {
    "ollama-requests": ollama_requests,
    "sillytavern": sillytavern,
    "lm-studio": lm_studio,
}


def peak_mib() -> float:
    """Return the largest resident set so far; Linux counts it in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    main()
