from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.journal.conftest import SteppingClock

from laimark_sidecar.errors import DataError, MissingExtraError, StateError
from laimark_sidecar.journal.erasing import erase
from laimark_sidecar.journal.exchange import Exchange, encode
from laimark_sidecar.journal.find import find_exchange
from laimark_sidecar.journal.reader import read
from laimark_sidecar.journal.sealing import SEALED, Opener, Sealer, read_seal, turn_off, turn_on
from laimark_sidecar.journal.writer import JournalWriter

Make = Callable[..., Exchange]
SECRET = "the dog is called Wotan"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "journal.key"


def append(folder: Path, clock: SteppingClock, *exchanges: Exchange) -> None:
    clock.time_s += 1
    with JournalWriter(folder, clock=clock) as writer:
        for exchange in exchanges:
            writer.append(exchange)


def raw(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("*.jsonl"))


def test_what_was_said_is_in_no_file_and_comes_back_with_the_key(
    folder: Path, key: Path, clock: SteppingClock, make: Make
) -> None:
    turn_on(folder, key)
    one = make(1, prompt=SECRET, answer=SECRET)
    append(folder, clock, one)
    assert SECRET.encode() not in raw(folder)
    assert raw(folder).startswith(SEALED)
    assert read(folder, None).records == (one,)
    assert find_exchange(folder, one.id) == one


def test_the_key_is_its_owner_s_alone_and_the_journal_holds_none(folder: Path, key: Path) -> None:
    turn_on(folder, key)
    assert key.stat().st_mode & 0o777 == 0o600
    secret = key.read_text().strip()
    assert secret.startswith("AGE-SECRET-KEY-1")
    assert secret not in (folder / "seal.json").read_text()


def test_plain_and_sealed_lines_stand_in_one_journal(
    folder: Path, key: Path, clock: SteppingClock, make: Make
) -> None:
    exchanges = [make(number) for number in range(3)]
    append(folder, clock, exchanges[0])
    turn_on(folder, key)
    append(folder, clock, exchanges[1])
    turn_off(folder)
    append(folder, clock, exchanges[2])
    assert raw(folder).count(SEALED) == 1
    assert list(read(folder, None).records) == exchanges


def test_turning_it_on_again_takes_the_same_key(
    folder: Path, key: Path, clock: SteppingClock, make: Make
) -> None:
    turn_on(folder, key)
    append(folder, clock, make(1))
    turn_off(folder)
    turn_on(folder, key)
    assert read(folder, None).records == (make(1),)


def test_without_the_key_writing_goes_on_and_reading_waits_for_it(
    folder: Path, key: Path, clock: SteppingClock, make: Make
) -> None:
    turn_on(folder, key)
    secret = key.read_text()
    key.unlink()
    append(folder, clock, make(1))
    with pytest.raises(StateError, match="is gone") as caught:
        read(folder, None)
    assert "put it back" in caught.value.hint
    key.write_text(secret)
    assert read(folder, None).records == (make(1),)


def test_lines_of_a_lost_key_are_stepped_over_once_there_is_a_new_one(
    folder: Path, key: Path, clock: SteppingClock, make: Make
) -> None:
    turn_on(folder, key)
    append(folder, clock, make(1))
    key.unlink()
    (folder / "seal.json").unlink()
    turn_on(folder, key)
    append(folder, clock, make(2))
    batch = read(folder, None)
    assert batch.records == (make(2),)
    (fault,) = batch.faults
    assert "another key" in fault.reason


@pytest.mark.parametrize("damage", [b"", b"!!!", b"AAAA", b"YWdlLWVuY3J5cHRpb24ub3JnL3YxCg=="])
def test_a_damaged_sealed_line_is_one_fault(
    folder: Path, key: Path, clock: SteppingClock, make: Make, damage: bytes
) -> None:
    turn_on(folder, key)
    append(folder, clock, make(1))
    with (folder / "20991122T204512.123-1.jsonl").open("wb") as handle:
        handle.write(SEALED + b'"id":"x","body":"' + damage + b'"}\n')
    batch = read(folder, None)
    assert batch.records == (make(1),)
    assert len(batch.faults) == 1


def test_a_flipped_bit_is_noticed(folder: Path, key: Path, make: Make) -> None:
    turn_on(folder, key)
    line = bytearray(Sealer(folder).sealed(encode(make(1)), "x"))
    line[-10] ^= 1
    with pytest.raises(DataError, match=r"damaged|malformed"):
        Opener(folder).opened(bytes(line))


def test_a_sealed_line_is_erased_by_its_id_without_the_key(
    folder: Path, key: Path, clock: SteppingClock, make: Make
) -> None:
    turn_on(folder, key)
    append(folder, clock, make(1), make(2))
    secret = key.read_text()
    key.unlink()
    erase(folder, lambda line: make(1).id.encode() in line)
    key.write_text(secret)
    assert read(folder, None).records == (make(2),)


@pytest.mark.parametrize("content", ["", "no key\n", "AGE-SECRET-KEY-1QQ\n"])
def test_a_file_that_holds_no_key_is_refused(folder: Path, key: Path, content: str) -> None:
    key.write_text(content)
    with pytest.raises(StateError, match="holds no age key"):
        turn_on(folder, key)


def test_a_damaged_or_newer_seal_stops_writing_rather_than_writing_plainly(
    folder: Path, clock: SteppingClock, make: Make
) -> None:
    folder.mkdir()
    for content in (
        b"{",
        b'{"recipient":"","key_file":"","version":9}',
        b'{"recipient":"age1no","key_file":""}',
    ):
        (folder / "seal.json").write_bytes(content)
        with pytest.raises(OSError, match="cannot be sealed"):
            append(folder, clock, make(1))
    assert raw(folder) == b""


def test_where_it_was_never_turned_on_there_is_nothing_to_turn_off(folder: Path) -> None:
    turn_off(folder)
    assert read_seal(folder) is None
    assert not folder.exists()


def test_without_the_package_it_is_named(folder: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyrage", None)
    with pytest.raises(MissingExtraError) as caught:
        turn_on(folder, key)
    assert "encryption" in caught.value.hint
