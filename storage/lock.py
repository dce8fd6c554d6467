"""Ownership of a database: `flock` on a file beside it, held for the engine's life.

The kernel frees it on SIGKILL. It is one half of the guard; the epoch in the store is the other: a heartbeat
alone let two engines run after a suspend, a lock file alone after its deletion; both together never did.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import NamedTuple

from storage.errors import LockHeldError


class Holder(NamedTuple):
    """Who owns a database, as the lock file tells."""

    pid: int
    host: str
    role: str
    socket: str
    since: int

    def describe(self) -> str:
        role = {"engine": "an engine", "console": "a console's engine", "command": "a command"}.get(
            self.role, "a process"
        )
        return f"{role} (pid {self.pid} on {self.host})"


def lock_path(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


def read_holder(database: Path) -> Holder | None:
    """Who holds the lock now; None when it is free. Never blocks."""
    path = lock_path(database)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        try:
            # Shared: two lookers never mistake each other for an engine.
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _parse(os.pread(fd, 4096, 0))
        fcntl.flock(fd, fcntl.LOCK_UN)
        return None
    finally:
        os.close(fd)


def _parse(raw: bytes) -> Holder:
    try:
        return Holder(**json.loads(raw))
    except (ValueError, TypeError):
        return Holder(pid=0, host="?", role="engine", socket="", since=0)


class OwnerLock:
    """The exclusive lock of one database. Use `acquire`; `release` or the process's end frees it."""

    def __init__(self, fd: int, path: Path) -> None:
        self._fd = fd
        self.path = path

    @classmethod
    def acquire(cls, database: Path, *, role: str, socket_path: str, now: int) -> OwnerLock:
        """Take the lock or raise LockHeldError naming the holder."""
        path = lock_path(database)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # A looker (`read_holder`) takes the lock shared for microseconds: try again before believing it held.
        for _ in range(5):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.01)
        else:
            holder = _parse(os.pread(fd, 4096, 0))
            os.close(fd)
            raise LockHeldError(
                f"{database.name} is held by {holder.describe()}",
                hint="commands and `paceline` attach to it; stop it with `paceline engine drain`",
            )
        text = json.dumps(Holder(os.getpid(), socket.gethostname(), role, socket_path, now)._asdict())
        os.ftruncate(fd, 0)
        os.pwrite(fd, text.encode(), 0)
        return cls(fd, path)

    def still_ours(self) -> bool:
        """False when the lock file was deleted or replaced under us: a second engine may have started."""
        try:
            ours, there = os.fstat(self._fd), self.path.stat()
        except OSError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

    def release(self) -> None:
        if self._fd >= 0:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1
