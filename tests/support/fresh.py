"""A fresh store as a copy of one that the migrations made: they take 60 ms of work, a copy 3, and most tests need one.

Only a new file with this program's own migrations is copied. Older stores, changed migrations and every program that a
test starts go the whole way, and so do the tests that judge migrations (they override `copied_stores`).
"""

from __future__ import annotations

import sqlite3
from functools import cache
from threading import Lock

from storage import migrate

_migrations = migrate.migrations
_apply = migrate.apply
_one_at_a_time = Lock()


@cache
def _made() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _apply(made, 0)
    return made


def apply(connection: sqlite3.Connection, now: int) -> list[str]:
    """`storage.migrate.apply`, and the same result."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables or migrate.migrations is not _migrations:
        return _apply(connection, now)
    with _one_at_a_time:
        _made().backup(connection)
    connection.execute("UPDATE schema_migrations SET applied_at = ?", (now,))
    return [migration.name for migration in _migrations()]
