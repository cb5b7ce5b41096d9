from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sources.test_open_webui import At

from laimark_sidecar.errors import DataError
from laimark_sidecar.journal.exchange import Exchange, decode, encode
from laimark_sidecar.sources.ollama_requests import OllamaRequestsSource, parse
from laimark_sidecar.sources.source import SourceBatch

HI = {"role": "user", "content": "Hi"}
HO = {"role": "assistant", "content": "Ho"}
ON = {"role": "user", "content": "On"}


def log(folder: Path, name: str, *bodies: Any) -> Path:
    made = folder / f"ollama-request-logs-{name}"
    made.mkdir(exist_ok=True)
    for number, body in enumerate(bodies):
        (made / f"20251001T120000-{number}_api_chat_body.json").write_bytes(json.dumps(body).encode())
    return made


def look(folder: Path, cursor: bytes | None = None, *, max_lines: int = 1000) -> SourceBatch:
    return OllamaRequestsSource(folder, clock=At(9e9)).read(cursor, max_lines=max_lines)


def answers(batch: SourceBatch) -> list[str]:
    return [one.answer for one in batch.records if isinstance(one, Exchange)]


def test_the_answer_is_in_the_next_request_and_the_last_one_is_lost(tmp_path: Path) -> None:
    log(tmp_path, "1", {"model": "m", "messages": [HI]}, {"model": "m", "messages": [HI, HO, ON]})
    batch = look(tmp_path)
    (exchange,) = batch.records
    assert isinstance(exchange, Exchange)
    assert ([one.content for one in exchange.messages], exchange.answer, exchange.model) == (
        ["Hi"],
        "Ho",
        "m",
    )
    assert answers(look(tmp_path, batch.cursor)) == []


def test_an_answer_that_is_shown_again_is_the_same_exchange() -> None:
    body = json.dumps({"messages": [HI, HO, ON]}).encode()
    (first,), (again,) = parse(body, 1.0), parse(body, 2.0)
    assert first.id == again.id


def test_the_log_of_a_server_that_starts_later_is_found_and_one_that_is_gone_forgotten(
    tmp_path: Path,
) -> None:
    old = log(tmp_path, "old", {"messages": [HI, HO, ON]})
    cursor = look(tmp_path).cursor
    for path in old.iterdir():
        path.unlink()
    old.rmdir()
    log(tmp_path, "new", {"messages": [HI, {**HO, "content": "Hey"}, ON]})
    batch = look(tmp_path, cursor)
    assert answers(batch) == ["Hey"]
    assert b"logs-old" not in batch.cursor


@pytest.mark.parametrize("max_lines", [1, 2, 1000])
def test_batches_of_any_size_tell_every_exchange_once(tmp_path: Path, max_lines: int) -> None:
    for folder in ("1", "2"):
        bodies = [{"messages": [HI, {**HO, "content": f"{folder}{n}"}, ON]} for n in range(3)]
        log(tmp_path, folder, *bodies)
    found: list[str] = []
    cursor, more = None, True
    while more:
        batch = look(tmp_path, cursor, max_lines=max_lines)
        found += answers(batch)
        cursor, more = batch.cursor, batch.more
    assert sorted(found) == ["10", "11", "12", "20", "21", "22"]


def test_a_folder_of_somebody_else_or_a_link_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    real = log(elsewhere, "real", {"messages": [HI, HO, ON]})
    (tmp_path / "ollama-request-logs-link").symlink_to(real)
    assert answers(look(tmp_path)) == []
    log(tmp_path, "mine", {"messages": [HI, HO, ON]})
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    assert answers(look(tmp_path)) == []


def test_a_damaged_body_is_a_fault_and_the_next_is_read(tmp_path: Path) -> None:
    folder = log(tmp_path, "1", {"messages": [HI, HO, ON]}, {"messages": 5})
    (folder / "x_body.json").write_bytes(b"[" * 100_000)
    batch = look(tmp_path)
    assert answers(batch) == ["Ho"]
    assert len(batch.faults) == 2


@given(st.recursive(
    st.none() | st.integers() | st.sampled_from(["user", "assistant", "x"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["messages", "role", "content", "model"]), inner),
    max_leaves=10,
))  # fmt: skip
def test_whatever_stands_in_a_body_is_told_or_refused(body: Any) -> None:
    try:
        found = list(parse(json.dumps(body).encode(), 1.0))
    except DataError:
        return
    assert [decode(encode(one)) for one in found] == found
