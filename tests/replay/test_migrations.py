from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from laimark_sidecar.errors import StateError
from laimark_sidecar.replay.migrations import MIGRATIONS, Migration, migrate


@pytest.fixture
def empty(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        yield opened


def recorded(connection: sqlite3.Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT version FROM migrations ORDER BY version")]


def test_versions_count_up_from_one() -> None:
    assert [step.version for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_every_step_is_recorded_once(empty: sqlite3.Connection, path: Path) -> None:
    migrate(empty, path=path, now_s=1.0)
    migrate(empty, path=path, now_s=2.0)
    assert recorded(empty) == [step.version for step in MIGRATIONS]


def test_a_failing_step_leaves_the_earlier_ones_done(empty: sqlite3.Connection, path: Path) -> None:
    broken = Migration(version=2, name="broken", statements=("CREATE TABLE extra (x INTEGER)", "NOT SQL"))
    with pytest.raises(sqlite3.OperationalError):
        migrate(empty, path=path, now_s=1.0, migrations=(MIGRATIONS[0], broken))
    assert recorded(empty) == [1]
    assert not empty.execute("SELECT 1 FROM sqlite_schema WHERE name = 'extra'").fetchone()


def test_an_old_file_is_upgraded(empty: sqlite3.Connection, path: Path) -> None:
    migrate(empty, path=path, now_s=1.0, migrations=MIGRATIONS[:1])
    newer = Migration(version=2, name="column", statements=("ALTER TABLE items ADD COLUMN note TEXT",))
    migrate(empty, path=path, now_s=2.0, migrations=(MIGRATIONS[0], newer))
    assert recorded(empty) == [1, 2]
    assert empty.execute("SELECT count(note) FROM items").fetchone() == (0,)


def test_a_newer_schema_is_refused_with_both_versions(empty: sqlite3.Connection, path: Path) -> None:
    migrate(empty, path=path, now_s=1.0)
    empty.execute("INSERT INTO migrations VALUES (99, 'from the future', 1.0)")
    with pytest.raises(StateError, match="schema version 99, this program knows up to") as caught:
        migrate(empty, path=path, now_s=2.0)
    assert "upgrade" in caught.value.hint


def test_another_programs_database_is_not_touched(empty: sqlite3.Connection, path: Path) -> None:
    empty.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(StateError, match="another program's database"):
        migrate(empty, path=path, now_s=1.0)
    assert path.read_bytes() == before


def test_a_file_that_another_process_is_just_making_is_no_foreign_one(path: Path) -> None:
    class Overtaken(sqlite3.Connection):
        """Another process makes the whole schema behind the first statement of this one."""

        overtaken = False

        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            done = super().execute(*arguments)
            if not self.overtaken:
                self.overtaken = True
                done = iter(done.fetchall())  # type: ignore[assignment] # the read transaction ends here
                with closing(sqlite3.connect(path, isolation_level=None)) as other:
                    migrate(other, path=path, now_s=1.0)
                return Answered(done)  # type: ignore[return-value]
            return done

    class Answered:
        def __init__(self, rows: Any) -> None:
            self._rows = rows

        def fetchone(self) -> Any:
            return next(self._rows, None)

    with closing(sqlite3.connect(path, isolation_level=None, factory=Overtaken)) as late:
        migrate(late, path=path, now_s=2.0)
        assert recorded(late) == [step.version for step in MIGRATIONS]


def test_what_waited_and_what_was_answered_is_carried_over_to_fair_shares(
    empty: sqlite3.Connection, path: Path
) -> None:
    migrate(empty, path=path, now_s=1.0, migrations=MIGRATIONS[:4])
    empty.execute("INSERT INTO answered VALUES ('e', 'p', 'hunter2 is it', 'v', 5.0, 'log', 'pair')")
    empty.executemany(
        "INSERT INTO early_feedback VALUES (?, 'e', ?, 'log', 'accept', '')",
        [("later", 2.0), ("sooner", 1.0)],
    )
    empty.execute(
        "INSERT INTO findings VALUES ('item', 'e', 'r', 1.0, 'log', 'edit', '[]', '[]', 3.0)",
    )
    migrate(empty, path=path, now_s=2.0)
    answered = empty.execute("SELECT exchange_id, answer, version, pair, withheld FROM answered").fetchall()
    assert answered == [("e", "hunter2 is it", "v", "pair", None)]
    assert empty.execute("SELECT id FROM early_feedback ORDER BY seq").fetchall() == [("sooner",), ("later",)]
    assert empty.execute("SELECT item_id, found_s FROM findings").fetchall() == [("item", 3.0)]
    empty.execute("INSERT INTO tombstones VALUES ('item', 4.0), ('later', 4.0)")
    assert empty.execute("SELECT id FROM early_feedback").fetchall() == [("sooner",)]
    assert empty.execute("SELECT count(*) FROM findings").fetchone() == (0,)
    assert empty.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_program_that_knows_of_no_rejected_answers_does_not_open_the_file(
    empty: sqlite3.Connection, path: Path
) -> None:
    migrate(empty, path=path, now_s=1.0)
    before = [step.name for step in MIGRATIONS].index("rejected answers")
    with pytest.raises(StateError, match=f"this program knows up to {before}"):
        migrate(empty, path=path, now_s=2.0, migrations=MIGRATIONS[:before])
