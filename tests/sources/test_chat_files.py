from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sources.test_open_webui import At

from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.journal.exchange import Exchange
from laimark_sidecar.sources import chat_files
from laimark_sidecar.sources.linear_chat import Place, Version, exchanges
from laimark_sidecar.sources.source import SourceBatch

LATER = At(9e9)


def parse(content: bytes, since_s: float) -> Iterator[Exchange]:
    """Read a chat of one answer: its time and text."""
    time, _, text = content.decode().partition(" ")
    if text == "damaged":
        raise DataError("it is damaged")
    asked = Place(role="user", versions=(Version(text="Hi", time_s=1.0),), chosen=0)
    answer = Place(role="assistant", versions=(Version(text=text, time_s=float(time)),), chosen=0)
    return exchanges((asked, answer), source="s", since_s=since_s)


def look(
    folder: Path, cursor: bytes | None = None, *, max_lines: int = 1000, clock: At = LATER
) -> SourceBatch:
    return chat_files.read(folder, ".chat", parse, cursor, clock=clock, max_lines=max_lines)


def answers(batch: SourceBatch) -> list[str]:
    return sorted(one.answer for one in batch.records if isinstance(one, Exchange))


def put(path: Path, content: str, changed_s: float | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    if changed_s is not None:
        os.utime(path, (changed_s, changed_s))


def test_chats_below_a_folder_are_read_and_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    put(tmp_path / "a.chat", "10 one")
    put(tmp_path / "deep" / "er" / "b.chat", "10 two")
    put(tmp_path / "c.other", "10 three")
    batch = look(tmp_path)
    assert answers(batch) == ["one", "two"]
    assert answers(look(tmp_path, batch.cursor)) == []


def test_a_chat_that_changed_is_read_again_and_what_is_new_in_it_told(tmp_path: Path) -> None:
    put(tmp_path / "a.chat", "10 one")
    cursor = look(tmp_path).cursor
    put(tmp_path / "a.chat", "9999999998 new")
    assert answers(look(tmp_path, cursor)) == ["new"]


def test_a_backup_that_is_put_back_with_its_old_time_is_read(tmp_path: Path) -> None:
    put(tmp_path / "a.chat", "10 one")
    cursor = look(tmp_path).cursor
    put(tmp_path / "b.chat", "9999999998 from the backup", changed_s=1000.0)
    assert answers(look(tmp_path, cursor)) == ["from the backup"]


@pytest.mark.parametrize("max_lines", [1, 3, 1000])
def test_batches_of_any_size_tell_every_chat_once(tmp_path: Path, max_lines: int) -> None:
    for number in range(10):
        put(tmp_path / f"{number}.chat", f"{10 + number} {number}")
    cursor, found = None, []
    while True:
        batch = look(tmp_path, cursor, max_lines=max_lines)
        found += answers(batch)
        cursor = batch.cursor
        if not batch.more:
            break
    assert sorted(found) == [str(number) for number in range(10)]


def test_a_change_of_this_very_second_is_read_a_second_later(tmp_path: Path) -> None:
    put(tmp_path / "a.chat", "10 one")
    changed_s = (tmp_path / "a.chat").stat().st_mtime
    batch = look(tmp_path, clock=At(changed_s + 0.5))
    assert answers(batch) == []
    assert answers(look(tmp_path, batch.cursor, clock=At(changed_s + 2))) == ["one"]


def test_a_damaged_chat_is_a_fault_and_the_next_is_read(tmp_path: Path) -> None:
    put(tmp_path / "a.chat", "10 damaged")
    put(tmp_path / "b.chat", "10 one")
    batch = look(tmp_path)
    assert answers(batch) == ["one"]
    assert [(fault.segment, fault.reason) for fault in batch.faults] == [("a.chat", "it is damaged")]


def test_a_chat_that_is_too_large_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_files, "MAX_BYTES", 100)
    put(tmp_path / "a.chat", "10 " + "x" * 100)
    assert "at most 100 are read" in look(tmp_path).faults[0].reason


def test_links_pipes_and_sockets_are_no_chats(tmp_path: Path) -> None:
    folder = tmp_path / "chats"
    put(tmp_path / "outside.chat", "10 outside")
    put(folder / "real.chat", "10 real")
    (folder / "circle").symlink_to(folder)
    (folder / "link.chat").symlink_to(tmp_path / "outside.chat")
    os.mkfifo(folder / "pipe.chat")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket.chat"))
        batch = look(folder)
    assert answers(batch) == ["real"]
    assert batch.faults == ()


def test_a_folder_that_is_not_there_yet_or_gone_again_is_an_empty_log(tmp_path: Path) -> None:
    folder = tmp_path / "chats"
    assert look(folder).records == ()
    put(folder / "a.chat", "10 one")
    cursor = look(folder).cursor
    shutil.rmtree(folder)
    assert look(folder, cursor).records == ()


def test_a_damaged_cursor_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="damaged"):
        look(tmp_path, b"[")
