"""The file of a store: how it is addressed, and how it is copied while it is in use."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote


def file_uri(path: Path, mode: str) -> str:
    """The URI of a store for SQLite; `mode` is `ro` or `rw`, neither of which makes a file that is not there."""
    return f"file:{quote(str(path.absolute()))}?mode={mode}"


def read_only_uri(path: Path) -> str:
    """The URI with which everyone but the lock holder opens the store."""
    return file_uri(path, "ro")


def backup(source: sqlite3.Connection, target: Path) -> None:
    """A consistent copy by SQLite's online backup, 0600, in place only when it is whole."""
    part = target.with_name(target.name + ".part")
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
    copy = sqlite3.connect(part)
    try:
        # In one step: a copy in steps begins anew whenever somebody wrote between two of them.
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    finally:
        copy.close()
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(target)
