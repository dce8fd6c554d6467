"""Mails out of a maildir, as they lie there: nothing is moved, marked or deleted."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from engine.inbound.model import MAX_BYTES, Raw
from storage.errors import UsageError
from storage.model import SECOND

_FOLDERS = ("new", "cur")


def is_maildir(path: Path) -> bool:
    """Whether this folder has the form of a maildir."""
    return all((path / name).is_dir() for name in _FOLDERS)


def read_maildir(path: Path, *, since: int = 0) -> Iterator[Raw]:
    """Each mail in `new` and `cur`, the oldest first; only those that arrived at `since` (us, UTC) or later.

    At most `MAX_BYTES` of each are read. A mail that another program moves meanwhile is found under its new name or
    left for the next time. Raises UsageError for a folder that is no maildir, OSError when it cannot be listed.
    """
    if not is_maildir(path):
        raise UsageError(f"{path} is not a maildir", hint="a maildir holds the folders new and cur")
    for arrived, name in sorted(_listed(path)):
        if arrived < since:
            continue
        data = _read(name)
        if data is not None:
            yield Raw(data, arrived, f"{name.parent.name}/{name.name}")


def read_file(path: Path) -> Raw:
    """One mail or payload out of a file. Raises OSError, and UsageError for what is no regular file."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is not a regular file", hint="name a file, a maildir or an mbox")
        return Raw(file.read(MAX_BYTES), _arrived(status), path.name)


def _listed(path: Path) -> Iterator[tuple[int, Path]]:
    for folder in _FOLDERS:
        with os.scandir(path / folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    status = entry.stat()
                except OSError:
                    continue
                if stat.S_ISREG(status.st_mode):
                    yield _arrived(status), Path(entry.path)


def _read(path: Path) -> bytes | None:
    try:
        return read_file(path).data
    except (FileNotFoundError, UsageError):
        pass
    # A reader that has seen it renames it: cur/NAME:2,FLAGS.
    unique = path.name.partition(":")[0]
    for found in path.parent.parent.joinpath("cur").glob(f"{_literal(unique)}*"):
        try:
            return read_file(found).data
        except (OSError, UsageError):
            return None
    return None


def _literal(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _arrived(status: os.stat_result) -> int:
    return status.st_mtime_ns // 1_000 // SECOND * SECOND
