from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from laimark_sidecar.registry.reflog import Entry, Move, catch_up, chain, digest, read, replay


def entries(count: int) -> list[Entry]:
    made: list[Entry] = []
    for number in range(count):
        move = Move(ref="latest", before=f"me:{number}" if number else "", after=f"me:{number + 1}")
        last = made[-1] if made else None
        made.append(chain(last, time_s=float(number), who="test", reason="because", moves=(move,)))
    return made


def line(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reflog.jsonl"


def test_a_chain_reads_back_whole(path: Path) -> None:
    made = entries(5)
    for entry in made:
        catch_up(path, entry)
    found = read(path)
    assert found.entries == tuple(made)
    assert found.breaks == ()
    assert not found.torn
    assert [entry.seq for entry in made] == [1, 2, 3, 4, 5]


def test_an_absent_log_is_empty(path: Path) -> None:
    assert read(path).entries == ()
    catch_up(path, None)
    assert not path.exists()


def test_the_hash_covers_every_field() -> None:
    (entry,) = entries(1)
    fields = msgspec.to_builtins(entry)
    for key, value in {
        "seq": 2,
        "time_s": 9.0,
        "who": "x",
        "reason": "x",
        "moves": [],
        "previous": "x",
    }.items():
        other = msgspec.convert({**fields, key: value}, type=Entry)
        assert digest(other) != entry.hash


def test_a_changed_line_breaks_the_chain(path: Path) -> None:
    made = entries(3)
    path.write_bytes(b"".join(map(line, made)).replace(b'"reason":"because"', b'"reason":"no cause"', 1))
    assert read(path).breaks == ("line 1 was changed after it was written",)


def test_a_dropped_line_breaks_the_chain(path: Path) -> None:
    made = entries(3)
    path.write_bytes(line(made[0]) + line(made[2]))
    assert read(path).breaks == ("line 2 does not follow the line before it",)


def test_a_damaged_line_is_a_break_and_the_rest_is_read(path: Path) -> None:
    made = entries(3)
    path.write_bytes(line(made[0]) + b"\xff{\n" + line(made[2]))
    found = read(path)
    assert len(found.breaks) == 2
    assert found.entries == (made[0], made[2])


def test_every_torn_tail_is_completed(path: Path) -> None:
    first, second = entries(2)
    for length in {0, 1, *range(40, len(line(second)), 40), len(line(second)) - 1}:
        path.write_bytes(line(first) + line(second)[:length])
        assert read(path).torn == (length > 0)
        catch_up(path, second)
        assert path.read_bytes() == line(first) + line(second)


def test_catching_up_twice_changes_nothing(path: Path) -> None:
    (entry,) = entries(1)
    catch_up(path, entry)
    before = path.read_bytes()
    catch_up(path, entry)
    assert path.read_bytes() == before


def test_replay_ends_where_the_last_move_led() -> None:
    assert replay(entries(4)) == {"latest": "me:4"}
