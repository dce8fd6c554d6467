"""Numbered migrations, forward only, each in one transaction with a ledger row.

`PRAGMA user_version` mirrors the ledger so that a store can be recognised before any table is read;
`application_id` says that the file is ours.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from storage.errors import StoreError

APPLICATION_ID = 0x50414345
"""'PACE': in the SQLite header, so that a foreign database is never taken for a store."""


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    sql: str

    @cached_property
    def digest(self) -> str:
        import hashlib  # loads OpenSSL, which a reader of the version does not need

        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations of this program, in order. Read once: every opening of a store compares its ledger with them."""
    folder = Path(__file__).parent / "sql" / "migrations"
    return tuple(
        Migration(int(entry.name.split("_")[0]), entry.name, entry.read_text("utf-8"))
        for entry in sorted(folder.glob("*.sql"))
    )


def version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def apply(connection: sqlite3.Connection, now: int) -> list[str]:
    """Bring an open, exclusively owned store to this program's version; returns the names applied."""
    applied = []
    have = version_of(connection)
    for migration in migrations():
        if migration.number <= have:
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in _statements(migration.sql):
                connection.execute(statement)
            connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, "
                "sha256 TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT"
            )
            connection.execute(
                "INSERT INTO schema_migrations VALUES (?, ?, ?, ?)",
                (migration.number, migration.name, migration.digest, now),
            )
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {migration.number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        applied.append(migration.name)
    return applied


def _statements(script: str) -> list[str]:
    """Split a script into statements (triggers hold semicolons, so `;` alone does not end one)."""
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    if current.strip():
        raise ValueError("a migration ends inside a statement")
    return statements


def check_identity(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is not a store of ours, is damaged, or was written by a newer program."""
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = version_of(connection)
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"the store {path} is damaged ({error})",
            hint=f"restore a backup: paceline --db {path} db restore BACKUP",
        ) from error
    newest = migrations()[-1].number
    if version > newest:
        raise StoreError(
            f"the store {path} was written by a newer Paceline (schema {version}, this program knows {newest})",
            hint="install that version, or restore the backup made before its migration",
        )
    if application == APPLICATION_ID and version >= 1:
        _check_ledger(connection, path)
    if application != APPLICATION_ID or version < 1 or tables == 0:
        raise StoreError(
            f"the store {path} holds no Paceline data (emptied, or another program's file)",
            hint=f"restore a backup: paceline --db {path} db restore BACKUP; or make a new store elsewhere "
            "with `paceline init`",
        )


def check_current(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a store that waits for a migration: who only reads cannot make it, and knows later tables only."""
    have, newest = version_of(connection), migrations()[-1].number
    if have < newest:
        raise StoreError(
            f"the store {path} was written by an older Paceline (schema {have}, this program reads {newest})",
            hint=f"bring it up to date, a backup is kept beside it: paceline --db {path} db recount --yes, "
            "or start its engine",
        )


def _check_ledger(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a store whose applied migrations differ from this program's: its tables are not what is expected."""
    try:
        applied = dict(connection.execute("SELECT number, sha256 FROM schema_migrations").fetchall())
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"the store {path} is damaged ({error})", hint=f"restore a backup: paceline --db {path} db restore BACKUP"
        ) from error
    for migration in migrations():
        if applied.get(migration.number, migration.digest) != migration.digest:
            raise StoreError(
                f"the store {path} was made by another build of Paceline ({migration.name} differs)",
                hint="use the build that made it, or begin a new store: paceline --db NEW init",
            )
