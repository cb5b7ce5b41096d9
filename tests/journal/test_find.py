from __future__ import annotations

import os
from pathlib import Path

from laimark_sidecar.journal.exchange import Exchange, Feedback, Message, encode
from laimark_sidecar.journal.find import find_exchange, find_record


def exchange(name: str, text: str = "hello") -> Exchange:
    return Exchange(
        id=name,
        time_s=1.0,
        source="embedded",
        client="",
        model="base",
        base_sha256="",
        adapter_version="",
        messages=(Message(role="user", content=text),),
        answer="",
        finish="stop",
    )


def segment(folder: Path, number: int, *lines: bytes) -> Path:
    path = folder / f"20261122T20000{number}.000-{os.getpid()}.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def test_exchange_is_found_in_any_segment(tmp_path: Path) -> None:
    segment(tmp_path, 1, encode(exchange("a")), encode(exchange("b")))
    segment(tmp_path, 2, encode(exchange("c")))
    segment(tmp_path, 3)
    for name in "abc":
        found = find_exchange(tmp_path, name)
        assert found is not None
        assert found.id == name


def test_unknown_one_is_none_and_so_is_a_journal_that_is_not_there(tmp_path: Path) -> None:
    segment(tmp_path, 1, encode(exchange("a")))
    assert find_exchange(tmp_path, "b") is None
    assert find_exchange(tmp_path / "nowhere", "a") is None


def test_text_that_looks_like_the_id_and_feedback_on_it_are_passed_over(tmp_path: Path) -> None:
    feedback = Feedback(id="f", time_s=2.0, source="x", exchange_id="a", kind="accept")
    tricky = exchange("other", 'she said "id":"a" and \n"id":"a"')
    segment(tmp_path, 1, encode(exchange("a", "the real one")))
    segment(tmp_path, 2, encode(feedback), encode(tricky))
    found = find_exchange(tmp_path, "a")
    assert found is not None
    assert found.messages[0].content == "the real one"


def test_torn_and_damaged_lines_hide_nothing(tmp_path: Path) -> None:
    line = encode(exchange("a"))
    segment(tmp_path, 1, b"\x00garbage\n", line)
    segment(tmp_path, 2, line.replace(b'"version":1', b'"version":x'), line[:-20])
    found = find_exchange(tmp_path, "a")
    assert found is not None


def test_feedback_with_an_id_of_its_own_is_no_exchange(tmp_path: Path) -> None:
    segment(tmp_path, 1, encode(Feedback(id="f", time_s=2.0, source="x", exchange_id="a", kind="reject")))
    assert find_exchange(tmp_path, "f") is None


def test_segment_deleted_since_it_was_listed_is_passed_over(tmp_path: Path) -> None:
    segment(tmp_path, 1, encode(exchange("a")))
    (tmp_path / "20261122T200002.000-1.jsonl").symlink_to(tmp_path / "gone")
    assert find_exchange(tmp_path, "a") is not None


def test_feedback_is_a_record_and_no_exchange(tmp_path: Path) -> None:
    said = Feedback(id="f", time_s=2.0, source="embedded", exchange_id="a", kind="accept")
    segment(tmp_path, 1, encode(exchange("a")), encode(said))
    assert find_record(tmp_path, "f") == said
    assert find_exchange(tmp_path, "f") is None
    assert find_record(tmp_path, "a") == exchange("a")
