"""The outbox: messages as `.eml` files in a folder, for trying things out and for programs that pick them up."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from engine.channels.channel import ChannelError, Message
from engine.classify import route_failure, uncertain
from engine.outcomes import Outcome
from storage.model import OutcomeClass

_ODD = re.compile(r"[^A-Za-z0-9@._-]+")


def file_name(message_id: str) -> str:
    """The file of a message: readable, safe on every system, and different for every `message_id`."""
    digest = hashlib.sha256(message_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    readable = _ODD.sub("_", message_id.strip("<> "))[:80].strip("._")
    return f"{readable or 'message'}-{digest}.eml"


class OutboxSession:
    """Writes one message at a time: `prepare` makes a hidden file durable, `deliver` gives it its name.

    The name follows from the Message-ID alone, so a message that is sent again replaces itself. Files are 0600.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prepared: Message | None = None

    @property
    def usable(self) -> bool:
        return True

    async def prepare(self, message: Message, *, begun: bool = False) -> Outcome | None:
        """Write and sync the content under a hidden name. A full disk or a missing right is class ROUTE."""
        hidden, _ = self._paths(message)
        try:
            await asyncio.to_thread(_write, hidden, message.content)
        except OSError as error:
            await asyncio.to_thread(_remove, hidden)
            return self._trouble(error)
        self._prepared = message
        return None

    async def deliver(self, message: Message) -> Outcome:
        """Rename, then sync the folder; uncertain only when the second of the two fails.

        Raises RuntimeError when `message` is not the one that was prepared: a bug of the caller.
        """
        if self._prepared is not message:
            raise RuntimeError("deliver without prepare: this session holds another message")
        self._prepared = None
        hidden, final = self._paths(message)
        try:
            await asyncio.to_thread(hidden.replace, final)
        except OSError as error:
            await asyncio.to_thread(_remove, hidden)
            return self._trouble(error)
        try:
            await asyncio.to_thread(_sync_folder, self._folder)
        except OSError as error:
            return uncertain(f"the file may not survive a power cut: {error}", server=str(self._folder))
        return Outcome(OutcomeClass.ACCEPTED, text=final.name, phase="content", server=str(self._folder))

    async def abandon(self) -> None:
        if self._prepared is not None:
            hidden, _ = self._paths(self._prepared)
            self._prepared = None
            await asyncio.to_thread(_remove, hidden)

    async def close(self) -> None:
        await self.abandon()

    def _paths(self, message: Message) -> tuple[Path, Path]:
        name = file_name(message.message_id)
        return self._folder / f".{name}.part", self._folder / name

    def _trouble(self, error: OSError) -> Outcome:
        return route_failure(str(error), phase="data", server=str(self._folder))


class OutboxChannel:
    """An account whose messages go to a folder, which is made (0700) when it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def open(self) -> OutboxSession:
        """Raises ChannelError (class ROUTE) when the folder cannot be made or written."""
        try:
            await asyncio.to_thread(_make_folder, self._folder)
        except OSError as error:
            raise ChannelError(route_failure(str(error), phase="connect", server=str(self._folder))) from error
        return OutboxSession(self._folder)


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"no right to write in {folder}")


def _write(path: Path, content: bytes) -> None:
    # O_NOFOLLOW: somebody else's link of that name must not lead the message elsewhere.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
