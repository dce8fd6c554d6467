"""Looks into the configured mailboxes every few minutes, and takes in what came back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.accounts import Account
from engine.clock import Clock
from engine.inbox_settings import InboxTable
from storage.errors import PacelineError
from storage.events import Event
from storage.inbox import Effect
from storage.model import MINUTE
from storage.store import Store

if TYPE_CHECKING:
    from engine.inbound.imap import Cursor, Reading

log = logging.getLogger("paceline.inbox")

SLICE = 50
"""Mails of one reading: a folder of thousands is worked off in slices, each remembered."""
Accounts = Callable[[], Mapping[str, Account]]
LONGEST = 60 * MINUTE
"""The longest wait after failures in a row."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one reading led to, and whether further mails wait."""

    effects: tuple[Effect, ...]
    more: bool


class Mailboxes:
    """The mailboxes of the configuration, each looked after by a task of its own."""

    def __init__(self, store: Store, clock: Clock, *, accounts: Accounts, on_change: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._accounts = accounts
        self._on_change = on_change
        self._tasks: dict[str, tuple[InboxTable, asyncio.Task[None]]] = {}

    async def set(self, tables: Mapping[str, InboxTable]) -> None:
        """Look after these from now on; one whose table did not change goes on undisturbed."""
        gone = [name for name, (table, _) in self._tasks.items() if tables.get(name) != table]
        await self._leave(gone)
        for name, table in tables.items():
            if name not in self._tasks:
                mailbox = Mailbox(
                    name,
                    table,
                    store=self._store,
                    clock=self._clock,
                    accounts=self._accounts,
                    on_change=self._on_change,
                )
                self._tasks[name] = (table, asyncio.create_task(mailbox.run(), name=f"inbox-{name}"))

    async def stop(self) -> None:
        """Look no more. What a reading still brings is not taken in; the next one finds it again."""
        await self._leave(list(self._tasks))

    async def _leave(self, names: Sequence[str]) -> None:
        tasks = [self._tasks.pop(name)[1] for name in names]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Mailbox:
    """One mailbox, looked into until it is cancelled. A reading that fails is told once and tried again, ever later."""

    def __init__(
        self,
        name: str,
        table: InboxTable,
        *,
        store: Store,
        clock: Clock,
        accounts: Accounts,
        on_change: Callable[[], None],
    ) -> None:
        self._name = name
        self._table = table
        self._store = store
        self._clock = clock
        self._accounts = accounts
        self._on_change = on_change
        self._failures = 0

    async def run(self) -> None:
        """Look, wait, look again."""
        while True:
            wait = self._table.every
            try:
                while (await self.look()).more:
                    pass
                self._failures = 0
            except Exception as error:
                if not isinstance(error, PacelineError):
                    # A mistake of ours about one mail must not end the reading of all others in silence.
                    log.exception("mailbox %s", self._name)
                await self._failed(str(error) or type(error).__name__)
                wait = min(max(LONGEST, wait), wait * 2**self._failures)
            await self._clock.sleep(wait)

    async def look(self) -> Look:
        """One reading, from where the last one ended. Raises PacelineError."""
        # An engine without a mailbox is spared the parser.
        from engine.inbound.file import events
        from engine.inbound.imap import Cursor
        from engine.inbound.taking import take_in

        source = f"imap:{self._name}"
        cursor = Cursor.parse(await self._store.inbox_cursor(source))
        reading = await asyncio.to_thread(self._read, cursor)
        found = [(event, raw.data) for raw in reading.mails for event in events(raw)]
        effects = await take_in(self._store, self._accounts(), source, found) if found else []
        # Remembered after it was taken in: what is read twice after a crash changes nothing.
        if reading.cursor != cursor:
            await self._store.set_inbox_cursor(source, str(reading.cursor))
        if any(effect.effect != "known already" for effect in effects):
            self._on_change()
        return Look(tuple(effects), reading.more)

    def _read(self, cursor: Cursor) -> Reading:
        from engine.inbound.imap import read_imap

        now = self._clock.now()
        return read_imap(self._table.settings(), cursor, limit=SLICE, seen=self._table.mark_read, now=now)

    async def _failed(self, why: str) -> None:
        self._failures = min(self._failures + 1, 10)
        if self._failures == 1:
            text = f"the mailbox {self._name} could not be read: {why}"
            try:
                await self._store.add_event(Event("inbox.failed", text[:400], "warning"))
            except PacelineError as error:
                # A full disk is told by others; this mailbox is read on when there is room.
                log.warning("%s; %s", text[:400], error.message)
