from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.registry import reflog, refs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "refs.json"


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "reflog.jsonl"


def move(path: Path, log_path: Path, changes: Mapping[str, str | None]) -> refs.RefsFile:
    current = refs.read(path, log_path)
    return refs.write(path, log_path, current, changes, time_s=1.0, who="test", reason="because")


def test_before_the_first_move_all_refs_are_at_the_base(path: Path, log_path: Path) -> None:
    assert refs.read(path, log_path).refs == {"latest": "", "prev": ""}
    assert not path.exists()


def test_two_refs_move_in_one_entry(path: Path, log_path: Path) -> None:
    move(path, log_path, {"latest": "me:a"})
    move(path, log_path, {"latest": "me:b", "prev": "me:a"})
    assert refs.read(path, log_path).refs == {"latest": "me:b", "prev": "me:a"}
    last = reflog.read(log_path).entries[-1]
    assert last.seq == 2
    assert [(m.ref, m.before, m.after) for m in last.moves] == [
        ("latest", "me:a", "me:b"),
        ("prev", "", "me:a"),
    ]


def test_no_change_leaves_no_entry(path: Path, log_path: Path) -> None:
    move(path, log_path, {"latest": "me:a"})
    before = path.read_bytes()
    move(path, log_path, {"latest": "me:a", "prev": ""})
    assert path.read_bytes() == before
    assert len(reflog.read(log_path).entries) == 1


def test_a_note_moves_nothing_and_is_a_link_of_the_chain(path: Path, log_path: Path) -> None:
    move(path, log_path, {"latest": "me:a"})
    before = refs.read(path, log_path)
    refs.note(path, log_path, before, time_s=2.0, who="test", reason="looked")
    move(path, log_path, {"latest": "me:b"})
    found = reflog.read(log_path)
    assert found.breaks == ()
    assert [(entry.reason, len(entry.moves)) for entry in found.entries] == [
        ("because", 1),
        ("looked", 0),
        ("because", 1),
    ]
    assert reflog.replay(found.entries[:2]) == {"latest": "me:a"}
    assert refs.rebuild(path, log_path).refs == {"latest": "me:b", "prev": ""}


def test_a_note_survives_a_crash_before_the_reflog_was_written(path: Path, log_path: Path) -> None:
    move(path, log_path, {"latest": "me:a"})
    behind = log_path.read_bytes()
    refs.note(path, log_path, refs.read(path, log_path), time_s=2.0, who="test", reason="looked")
    log_path.write_bytes(behind)  # the state that a kill between the two writes leaves
    move(path, log_path, {"latest": "me:b"})
    assert [entry.reason for entry in reflog.read(log_path).entries] == ["because", "looked", "because"]


def test_a_crash_before_the_reflog_was_written_loses_no_entry(path: Path, log_path: Path) -> None:
    move(path, log_path, {"latest": "me:a"})
    behind = log_path.read_bytes()
    move(path, log_path, {"latest": "me:b"})
    log_path.write_bytes(behind)  # the state that a kill between the two writes leaves
    move(path, log_path, {"latest": "me:c"})
    found = reflog.read(log_path)
    assert found.breaks == ()
    assert [entry.moves[0].after for entry in found.entries] == ["me:a", "me:b", "me:c"]


def test_a_reflog_that_cannot_be_written_does_not_deny_the_move(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    unwritable = tmp_path / "file" / "reflog.jsonl"
    with caplog.at_level(logging.WARNING):
        moved = move(path, unwritable, {"latest": "me:a"})
    assert refs.read(path, unwritable) == moved
    assert caplog.records[0].__dict__["action"] == "registry.reflog-late"
    with pytest.raises(OSError, match=r"reflog|file"):  # the entry must be written before the next move
        move(path, unwritable, {"latest": "me:b"})
    assert refs.read(path, unwritable) == moved


@pytest.mark.parametrize("ref", ["base", "../x", "", "me:latest", "LATEST"])
def test_reserved_and_malformed_refs_do_not_move(path: Path, log_path: Path, ref: str) -> None:
    with pytest.raises(DataError):
        move(path, log_path, {"latest": "me:a", ref: "me:a"})
    assert not path.exists()


def test_refs_that_vanished_are_not_taken_for_the_base(path: Path, log_path: Path) -> None:
    move(path, log_path, {"latest": "me:a"})
    path.unlink()
    with pytest.raises(StateError, match="gone"):
        refs.read(path, log_path)


def test_lost_refs_are_rebuilt_from_the_reflog(path: Path, log_path: Path) -> None:
    move(path, log_path, {"latest": "me:a"})
    expected = move(path, log_path, {"latest": "me:b", "prev": "me:a"})
    path.write_bytes(b"\0\0")
    assert refs.rebuild(path, log_path) == expected
    assert refs.read(path, log_path) == expected


def test_refs_are_not_rebuilt_from_a_broken_reflog(path: Path, log_path: Path) -> None:
    move(path, log_path, {"latest": "me:a"})
    log_path.write_bytes(log_path.read_bytes().replace(b"me:a", b"me:x"))
    with pytest.raises(StateError, match="cannot restore"):
        refs.rebuild(path, log_path)


def test_refs_of_a_newer_format_are_refused(path: Path, log_path: Path) -> None:
    move(path, log_path, {"latest": "me:a"})
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(StateError, match="format 99"):
        refs.read(path, log_path)


def test_a_rebuild_keeps_the_move_that_only_the_refs_know(path: Path, log_path: Path) -> None:
    move(path, log_path, {"latest": "me:a"})
    behind = log_path.read_bytes()
    move(path, log_path, {"latest": "me:b"})
    log_path.write_bytes(behind)  # the state that a kill between the two writes leaves
    assert refs.rebuild(path, log_path).refs["latest"] == "me:b"
    assert [entry.seq for entry in reflog.read(log_path).entries] == [1, 2]


def test_a_rebuild_takes_hand_edited_refs_back(path: Path, log_path: Path) -> None:
    move(path, log_path, {"latest": "me:a"})
    path.write_bytes(path.read_bytes().replace(b'"latest": "me:a"', b'"latest": ""'))
    assert refs.rebuild(path, log_path).refs["latest"] == "me:a"


def test_refs_of_a_newer_program_are_not_rebuilt(path: Path, log_path: Path) -> None:
    move(path, log_path, {"latest": "me:a"})
    newer = json.dumps({**json.loads(path.read_text()), "format": 99})
    path.write_text(newer)
    with pytest.raises(StateError, match="format 99"):
        refs.rebuild(path, log_path)
    assert path.read_text() == newer


def test_a_removed_ref_is_gone_and_the_reflog_can_tell(path: Path, log_path: Path) -> None:
    move(path, log_path, {"work": "me:a"})
    move(path, log_path, {"work": None})
    assert refs.read(path, log_path).refs == {"latest": "", "prev": ""}
    last = reflog.read(log_path).entries[-1].moves
    assert [(m.ref, m.before, m.after) for m in last] == [("work", "me:a", None)]
    before = path.read_bytes()
    move(path, log_path, {"work": None})
    assert path.read_bytes() == before
    path.unlink()
    assert refs.rebuild(path, log_path).refs == {"latest": "", "prev": ""}
