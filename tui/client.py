"""How the command line and the console reach control: the engine's socket, or the lock itself.

With an engine on the database its socket is used. With none, the command takes the lock, applies the one action
and gives the lock back; either way the same function of `engine.control` runs.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from storage.errors import EngineUnavailableError, LockHeldError, RefusedError
from storage.lock import read_holder
from storage.model import Actor

if TYPE_CHECKING:
    from engine.config import Config

STARTING = 5.0
"""Seconds that a holder which does not answer yet (an engine that starts, a command that ends) is waited for."""

PATIENCE = 600.0
"""Seconds that an answer may take: a large start writes its whole plan first."""


class Control(Protocol):
    """One door to changes. `call` raises storage.errors.PacelineError with the sentence to show."""

    def call(self, action: str, args: dict[str, Any] | None = None) -> dict[str, Any]: ...

    def close(self) -> None: ...


def this_actor(via: str) -> Actor:
    """Who acts: user, host, and the SSH client when there is one."""
    ssh = os.environ.get("SSH_CONNECTION", "").split(" ")[0]
    host = socket.gethostname() + (f" from {ssh}" if ssh else "")
    try:
        user = os.environ.get("PACELINE_USER") or getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return Actor(user, host, via)


class SocketControl:
    """Through a running engine; an answer may take `patience` seconds."""

    def __init__(self, path: str, actor: Actor, *, patience: float = PATIENCE) -> None:
        from engine.socket_client import ControlClient

        self._client = ControlClient(path, timeout=patience)
        self._actor = actor

    def call(self, action: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._client.call(action, args or {}, self._actor)

    def hang_up(self) -> None:
        """From another thread: end a call that waits; it raises EngineUnavailableError."""
        self._client.hang_up()

    def close(self) -> None:
        self._client.close()


class LocalControl:
    """With no engine: holds the lock for as long as it is open, on an event loop of its own."""

    def __init__(self, database: Path, config: Config, actor: Actor) -> None:
        from engine.channels.make import make_channel
        from engine.clock import SystemClock
        from engine.composer import Composer
        from engine.control import all_actions
        from engine.control.actions import Context
        from engine.recovery import recover
        from storage.sqlite import SqliteStore

        all_actions()
        self._loop = asyncio.new_event_loop()
        self._actor = actor
        clock = SystemClock()
        try:
            self._store = self._loop.run_until_complete(SqliteStore.open(database, role="command", now=clock.now))
        except BaseException:
            self._loop.close()
            raise
        self._context = Context(self._store, clock, config, Composer(), make_channel)
        try:
            # Whoever takes the lock settles what a dead holder left, before anything is built on it.
            self._loop.run_until_complete(recover(self._store, clock))
        except BaseException:
            self.close()
            raise

    def call(self, action: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
        from engine.control import actions

        return self._loop.run_until_complete(actions.call(self._context, action, args or {}, self._actor))

    def close(self) -> None:
        self._loop.run_until_complete(self._store.close(note="command"))
        self._loop.close()


@contextmanager
def open_control(
    database: Path, load_config: Callable[[], Config], *, via: str = "cli", read_only: bool = False
) -> Iterator[Control]:
    """A control for one command. Raises RefusedError when read-only, StoreError, LockHeldError, UsageError."""
    if read_only:
        raise RefusedError("this command was started with --read-only: changes are refused", hint="leave it out")
    control = _connect(database, load_config, this_actor(via))
    try:
        yield control
    finally:
        control.close()


def _connect(database: Path, load_config: Callable[[], Config], actor: Actor) -> Control:
    deadline = time.monotonic() + STARTING
    while True:
        holder = read_holder(database)
        try:
            if holder is None:
                return LocalControl(database, load_config(), actor)
            if holder.role != "command":
                return SocketControl(holder.socket, actor)
        except (LockHeldError, EngineUnavailableError):
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise LockHeldError(f"{database.name} is held by another command", hint="try again when it has ended")
        time.sleep(0.05)
