"""A book of records on this machine: an SQLite file beside the data that jobs work with, one row an id.

It is a file of the jobs' own, apart from the store: what a job keeps about customers or opportunities is the operator's
data, which they may copy, open or throw away.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from storage.errors import UsageError
from storage.files import file_uri

IDENTITY = 0x50614263
"""`application_id` of a book, so that no other database is taken for one."""
BUSY = 10.0
"""Seconds that a statement waits for another job's transaction."""
Record = dict[str, str]

_TABLE = (
    "CREATE TABLE IF NOT EXISTS records (id TEXT PRIMARY KEY, fields TEXT NOT NULL, updated_at INTEGER NOT NULL) "
    "STRICT, WITHOUT ROWID"
)
_PUT = (
    "INSERT INTO records (id, fields, updated_at) VALUES (?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET fields = excluded.fields, updated_at = excluded.updated_at"
)


@dataclass(frozen=True, slots=True)
class Put:
    """What became of records that were put into a book."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


class Book:
    """One open book; a context manager, for one thread. Blocks on the file.

    Raises UsageError for a file that is no book, that is not there (unless `create`), or that cannot be used.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        try:
            if create and not path.exists():
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            elif not path.is_file():
                raise UsageError(f"there is no file {path.name}", hint="fill it with a job of kind sync_customer_data")
            self._connection = sqlite3.connect(file_uri(path, "rw"), uri=True, timeout=BUSY, isolation_level=None)
            self._check()
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from None

    def _check(self) -> None:
        if self._is_book():
            return
        # Looked at again under the lock: several jobs may open a new book at the same moment, and one of them makes it.
        self._connection.execute("BEGIN IMMEDIATE")
        empty = self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
        if empty:
            self._connection.execute(f"PRAGMA application_id = {IDENTITY}")
            self._connection.execute(_TABLE)
        is_book = self._is_book()
        self._connection.execute("COMMIT")
        if not is_book:
            self._connection.close()
            raise UsageError(f"{self.path.name} is a database of something else", hint="name another file")

    def _is_book(self) -> bool:
        return bool(self._connection.execute("PRAGMA application_id").fetchone()[0] == IDENTITY)

    def _unusable(self, error: Exception) -> UsageError:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        return UsageError(f"{self.path.name} cannot be used: {reason}", hint="check the file and its rights")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, ident: str) -> Record | None:
        """The record of an id; None without one."""
        row = self._connection.execute("SELECT fields FROM records WHERE id = ?", (ident,)).fetchone()
        return None if row is None else json.loads(row[0])

    def all(self) -> Iterator[tuple[str, Record]]:
        """Every record with its id, by id."""
        for ident, fields in self._connection.execute("SELECT id, fields FROM records ORDER BY id"):
            yield ident, json.loads(fields)

    def put(self, records: Iterable[tuple[str, Record]], now: int) -> Put:
        """Add records, or replace those that differ, in one transaction; `now` in microseconds UTC."""
        added = changed = unchanged = 0
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for ident, record in records:
                known = self._connection.execute("SELECT fields FROM records WHERE id = ?", (ident,)).fetchone()
                text = json.dumps(record, ensure_ascii=False, sort_keys=True)
                if known is not None and known[0] == text:
                    unchanged += 1
                    continue
                self._connection.execute(_PUT, (ident, text, now))
                added, changed = added + (known is None), changed + (known is not None)
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._unusable(error) from None
            raise
        return Put(added, changed, unchanged)
