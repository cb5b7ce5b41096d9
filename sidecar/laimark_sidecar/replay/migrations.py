"""The schema of `replay.db` as an append-only list of steps, each recorded in the transaction that ran it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from laimark_sidecar.errors import StateError
from laimark_sidecar.replay.failures import damaged

APPLICATION_ID = 0x4C4D524B  # "LMRK", so that another program's database is never written to


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step. Once released it never changes: a later one corrects it."""

    version: int
    name: str
    statements: tuple[str, ...]


_TABLES = Migration(
    version=1,
    name="tables",
    statements=(
        "CREATE TABLE cursors (source TEXT PRIMARY KEY, position BLOB NOT NULL) STRICT, WITHOUT ROWID",
        """CREATE TABLE answered (
            exchange_id TEXT PRIMARY KEY, prefix TEXT NOT NULL, answer TEXT NOT NULL,
            version TEXT NOT NULL, time_s REAL NOT NULL) STRICT""",
        "CREATE INDEX answered_prefix ON answered (prefix, time_s)",
        "CREATE INDEX answered_time ON answered (time_s)",
        # `threshold`: no item that ever left the reservoir half had a smaller random key (see retention.py).
        """CREATE TABLE strata (
            stratum_id INTEGER PRIMARY KEY, split TEXT NOT NULL, signal TEXT NOT NULL, domain TEXT NOT NULL,
            month TEXT NOT NULL, worth INTEGER NOT NULL, held INTEGER NOT NULL DEFAULT 0,
            threshold INTEGER NOT NULL DEFAULT 9223372036854775807,
            UNIQUE (split, signal, domain, month)) STRICT""",
        # Narrow on purpose: a draw, a count or an eviction never touches the pages that hold prompts.
        # `stage`: 0 waits to be trained, 1 has been and may be drawn, NULL is never trained on. A stored column,
        # because neither a partial index nor a generated column makes a covering index in SQLite.
        """CREATE TABLE items (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
            stratum_id INTEGER NOT NULL REFERENCES strata, split TEXT NOT NULL, signal TEXT NOT NULL,
            domain TEXT NOT NULL, month TEXT NOT NULL, source TEXT NOT NULL, weight REAL NOT NULL,
            time_s REAL NOT NULL, added_s REAL NOT NULL, random_key INTEGER NOT NULL,
            loss REAL, loss_accepted REAL, priority REAL, cycle TEXT, stage INTEGER) STRICT""",
        """CREATE TABLE contents (
            seq INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE, body BLOB NOT NULL,
            fingerprint BLOB NOT NULL, bands BLOB NOT NULL) STRICT""",
        "CREATE TABLE bands (band INTEGER, seq INTEGER, PRIMARY KEY (band, seq)) STRICT, WITHOUT ROWID",
        "CREATE TABLE tombstones (id TEXT PRIMARY KEY, removed_s REAL NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE INDEX items_retention ON items (stratum_id, random_key, cycle, priority, weight)",
        "CREATE INDEX items_draw ON items (stage, stratum_id, priority, weight)",
        """CREATE TRIGGER item_added AFTER INSERT ON items BEGIN
            UPDATE strata SET held = held + 1 WHERE stratum_id = NEW.stratum_id; END""",
        """CREATE TRIGGER item_gone AFTER DELETE ON items BEGIN
            UPDATE strata SET held = held - 1 WHERE stratum_id = OLD.stratum_id; END""",
    ),
)

_REVIEW = Migration(
    version=2,
    name="review",
    statements=(
        # Of what was left out, where it came from and which rules found something: never the text.
        """CREATE TABLE findings (
            item_id TEXT PRIMARY KEY, exchange_id TEXT NOT NULL, record_id TEXT NOT NULL, time_s REAL NOT NULL,
            source TEXT NOT NULL, signal TEXT NOT NULL, rules TEXT NOT NULL, places TEXT NOT NULL,
            found_s REAL NOT NULL) STRICT, WITHOUT ROWID""",
        "CREATE INDEX findings_exchange ON findings (exchange_id)",
        "CREATE INDEX findings_found ON findings (found_s)",
        # By content hash, so that what was accepted stays so when it is evicted and comes back.
        """CREATE TABLE accepted (
            item_id TEXT PRIMARY KEY, accepted_s REAL NOT NULL, false_alarm INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
        """CREATE TABLE arrivals (
            source TEXT NOT NULL, day TEXT NOT NULL, items INTEGER NOT NULL,
            PRIMARY KEY (source, day)) STRICT, WITHOUT ROWID""",
        # Whoever forgets an example, here or elsewhere, forgets what was said of it too.
        """CREATE TRIGGER forgotten AFTER INSERT ON tombstones BEGIN
            DELETE FROM findings WHERE item_id = NEW.id; DELETE FROM accepted WHERE item_id = NEW.id; END""",
    ),
)

_ORIGINS = Migration(
    version=3,
    name="origins",
    statements=(
        # Stays when its item is evicted: which versions learned from an exchange must be known when it is forgotten.
        """CREATE TABLE origins (
            exchange_id TEXT NOT NULL, item_id TEXT NOT NULL,
            PRIMARY KEY (exchange_id, item_id)) STRICT, WITHOUT ROWID""",
        """INSERT OR IGNORE INTO origins SELECT made.value, items.id FROM items JOIN contents USING (seq),
            json_each(CAST(contents.body AS TEXT), '$.exchange_ids') AS made""",
        """CREATE TRIGGER content_added AFTER INSERT ON contents BEGIN
            INSERT OR IGNORE INTO origins SELECT made.value, items.id FROM items,
                json_each(CAST(NEW.body AS TEXT), '$.exchange_ids') AS made WHERE items.seq = NEW.seq; END""",
    ),
)

_TWINS = Migration(
    version=4,
    name="twins",
    statements=(
        "ALTER TABLE answered ADD COLUMN source TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE answered ADD COLUMN pair TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX answered_pair ON answered (pair, time_s)",
        """CREATE TABLE early_feedback (
            id TEXT PRIMARY KEY, exchange_id TEXT NOT NULL, time_s REAL NOT NULL, source TEXT NOT NULL,
            kind TEXT NOT NULL, text TEXT NOT NULL) STRICT, WITHOUT ROWID""",
        "CREATE INDEX early_feedback_exchange ON early_feedback (exchange_id)",
        """CREATE TRIGGER early_forgotten AFTER INSERT ON tombstones BEGIN
            DELETE FROM early_feedback WHERE id = NEW.id OR exchange_id = NEW.id; END""",
    ),
)

_FAIR_SHARES = Migration(
    version=5,
    name="fair shares",
    statements=(
        # Whose a stratum is: otherwise a log with many invented months has many shares.
        "DROP TRIGGER item_added",
        "DROP TRIGGER item_gone",
        """CREATE TABLE strata_of_sources (
            stratum_id INTEGER PRIMARY KEY, source TEXT NOT NULL, split TEXT NOT NULL, signal TEXT NOT NULL,
            domain TEXT NOT NULL, month TEXT NOT NULL, worth INTEGER NOT NULL, held INTEGER NOT NULL DEFAULT 0,
            threshold INTEGER NOT NULL DEFAULT 9223372036854775807,
            UNIQUE (source, split, signal, domain, month)) STRICT""",
        """INSERT INTO strata_of_sources (source, split, signal, domain, month, worth, held, threshold)
            SELECT items.source, strata.split, strata.signal, strata.domain, strata.month, strata.worth, count(*),
                strata.threshold
            FROM items JOIN strata USING (stratum_id) GROUP BY items.source, stratum_id""",
        """UPDATE items SET stratum_id = (
            SELECT new.stratum_id FROM strata AS old JOIN strata_of_sources AS new
                ON (old.split, old.signal, old.domain, old.month) = (new.split, new.signal, new.domain, new.month)
            WHERE old.stratum_id = items.stratum_id AND new.source = items.source)""",
        "DROP TABLE strata",
        "ALTER TABLE strata_of_sources RENAME TO strata",
        """CREATE TRIGGER item_added AFTER INSERT ON items BEGIN
            UPDATE strata SET held = held + 1 WHERE stratum_id = NEW.stratum_id; END""",
        """CREATE TRIGGER item_gone AFTER DELETE ON items BEGIN
            UPDATE strata SET held = held - 1 WHERE stratum_id = OLD.stratum_id; END""",
        # Answers that hold a secret stand in the journal alone. NULL: nobody has looked through it for any yet.
        "ALTER TABLE answered ADD COLUMN withheld INTEGER",
        "CREATE INDEX answered_unsearched ON answered (exchange_id) WHERE withheld IS NULL",
        "DROP INDEX answered_time",
        "CREATE INDEX answered_source ON answered (source)",
        # With row numbers, which are the order of arrival.
        "DROP TRIGGER early_forgotten",
        "ALTER TABLE early_feedback RENAME TO early_feedback_by_id",
        """CREATE TABLE early_feedback (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, exchange_id TEXT NOT NULL,
            time_s REAL NOT NULL, source TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL) STRICT""",
        """INSERT INTO early_feedback (id, exchange_id, time_s, source, kind, text)
            SELECT id, exchange_id, time_s, source, kind, text FROM early_feedback_by_id ORDER BY time_s, id""",
        "DROP TABLE early_feedback_by_id",
        "CREATE INDEX early_feedback_exchange ON early_feedback (exchange_id)",
        """CREATE TRIGGER early_forgotten AFTER INSERT ON tombstones BEGIN
            DELETE FROM early_feedback WHERE id = NEW.id OR exchange_id = NEW.id; END""",
        "DROP TRIGGER forgotten",
        "ALTER TABLE findings RENAME TO findings_by_id",
        """CREATE TABLE findings (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, item_id TEXT NOT NULL UNIQUE, exchange_id TEXT NOT NULL,
            record_id TEXT NOT NULL, time_s REAL NOT NULL, source TEXT NOT NULL, signal TEXT NOT NULL,
            rules TEXT NOT NULL, places TEXT NOT NULL, found_s REAL NOT NULL) STRICT""",
        """INSERT INTO findings
                (item_id, exchange_id, record_id, time_s, source, signal, rules, places, found_s)
            SELECT item_id, exchange_id, record_id, time_s, source, signal, rules, places, found_s
            FROM findings_by_id ORDER BY found_s, item_id""",
        "DROP TABLE findings_by_id",
        "CREATE INDEX findings_exchange ON findings (exchange_id)",
        "CREATE INDEX findings_found ON findings (found_s)",
        """CREATE TRIGGER forgotten AFTER INSERT ON tombstones BEGIN
            DELETE FROM findings WHERE item_id = NEW.id; DELETE FROM accepted WHERE item_id = NEW.id; END""",
    ),
)

_TRACES = Migration(
    version=6,
    name="traces",
    statements=(
        # What forgotten exchanges are known by: hashes, never text.
        """CREATE TABLE traces (
            hash TEXT NOT NULL, since_s REAL NOT NULL, until_s REAL NOT NULL, removed_s REAL NOT NULL,
            PRIMARY KEY (hash, since_s, until_s)) STRICT, WITHOUT ROWID""",
    ),
)

_OPENING = Migration(
    version=7,
    name="opening",
    statements=(
        # The newest item when held-out items began to be kept from the screen; no row before that, one ever after.
        """CREATE TABLE opening (
            only INTEGER PRIMARY KEY CHECK (only = 1), seq INTEGER NOT NULL, opened_s REAL NOT NULL) STRICT""",
    ),
)

_REJECTED = Migration(
    version=8,
    name="rejected answers",
    # Bodies may hold `rejected` from here on, those before do not. No table changes, but the number does: a program that
    # does not know of it would forget a text and leave it standing there.
    statements=(),
)

MIGRATIONS: tuple[Migration, ...] = (
    _TABLES,
    _REVIEW,
    _ORIGINS,
    _TWINS,
    _FAIR_SHARES,
    _TRACES,
    _OPENING,
    _REJECTED,
)


def migrate(
    connection: sqlite3.Connection,
    *,
    path: Path,
    now_s: float,
    migrations: tuple[Migration, ...] = MIGRATIONS,
) -> None:
    """Bring the schema up to date; a crash between two steps leaves the first one done and recorded.

    Several processes may call it at once: each step takes the write lock and looks again before it runs.

    Raises:
        StateError: a newer program wrote the file, or it is not a replay buffer at all.
    """
    _refuse_foreign(connection, path)
    _refuse_newer(connection, path, migrations[-1].version)
    # A step that makes a table anew drops one that others refer to (sqlite.org/lang_altertable.html, section 7).
    enforced = connection.execute("PRAGMA foreign_keys").fetchone()[0]
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        for step in migrations:
            if step.version > _version(connection):
                _step(connection, step, now_s)
    finally:
        connection.execute(f"PRAGMA foreign_keys = {enforced}")


def _step(connection: sqlite3.Connection, step: Migration, now_s: float) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if step.version > _version(connection):
            _apply(connection, step, now_s)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _apply(connection: sqlite3.Connection, step: Migration, now_s: float) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_s REAL) STRICT"
    )
    for statement in step.statements:
        connection.execute(statement)
    connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", (step.version, step.name, now_s))


def _version(connection: sqlite3.Connection) -> int:
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migrations'").fetchone():
        return 0
    return int(connection.execute("SELECT coalesce(max(version), 0) FROM migrations").fetchone()[0])


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    # In this order: another process may make the tables, and with them the id, between the two.
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID and tables:
        raise damaged(path, f"it is another program's database (application id {application:#x})")


def _refuse_newer(connection: sqlite3.Connection, path: Path, known: int) -> None:
    found = _version(connection)
    if found > known:
        raise StateError(
            f"the replay buffer {path} has schema version {found}, this program knows up to {known}",
            hint="upgrade laimark-sidecar, or restore the backup made before the upgrade",
        )
