"""The clockwork beside the runners: promotes due rows, fires schedules, ends graces, completes campaigns, beats the
heart.

Sleeps until the next due time, never a fixed minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from engine.clock import Clock
from engine.schedules import Schedules
from engine.sequences import Sequences
from storage.errors import DamagedStoreError, PacelineError, StaleEpochError
from storage.model import MINUTE, SECOND
from storage.promotion import SLICE
from storage.store import Store

log = logging.getLogger("paceline.scheduler")

CANCEL_GRACE = 10 * SECOND
HEARTBEAT = 5 * SECOND
RESCUE = MINUTE
"""Also the round of `watch`."""
SETTLE = SECOND // 5
"""Books are settled at most five times a second: completion needs no more, and the Writer has messages to record."""


class Scheduler:
    """One loop. `wake_runners` is called when rows became due; `owned` is false when the lock file was replaced;
    `watch` looks for alarms, `sequences` plans what follows a message, `schedules` makes what recurs."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        wake_runners: Callable[[], None],
        owned: Callable[[], bool],
        note: Callable[[], tuple[str, str]],
        watch: Callable[[], Awaitable[None]],
        sequences: Sequences,
        schedules: Schedules,
        held: Callable[[], frozenset[int]] = frozenset,
        cancel_grace: int = CANCEL_GRACE,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wake_runners = wake_runners
        self._owned = owned
        self._note = note
        self._watch = watch
        self._sequences = sequences
        self._schedules = schedules
        self._held = held
        self._cancel_grace = cancel_grace
        self._wake = asyncio.Event()
        self._books_changed = True
        self._stopping = False
        # Monotonic: a wall clock that is set back must not stop the heart.
        self._next_heartbeat = 0
        self._next_rescue = clock.monotonic() + RESCUE
        self._next_settle = 0
        self._wall_ahead = clock.now() - clock.monotonic()
        self._grace_ends: int | None = None
        self._expires_at: int | None = None
        self._next_due: int | None = None
        self._last: dict[str, int] = {}
        """Wall time (us) of the last run of each round."""

    def wake(self) -> None:
        """Look again now: rows, states or times changed."""
        self._books_changed = True
        self._schedules.look_again()
        self._wake.set()

    def books_changed(self) -> None:
        """A job ended: settle soon."""
        if not self._books_changed:
            self._books_changed = True
            self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Until stopped. Trouble of the store is waited out; a stale epoch ends the engine."""
        while not self._stopping:
            self._wake.clear()
            try:
                wait = await self._pass()
            except (StaleEpochError, DamagedStoreError):
                raise
            except PacelineError as error:
                log.error("%s", error.message)
                wait = SECOND
            await self._clock.wait(self._wake, wait)

    async def _pass(self) -> int:
        """One look at everything; returns how long to sleep (us)."""
        moved, self._next_due = await self._store.promote()
        self._ran("promote")
        if moved:
            self._wake_runners()
        self._notice_clock_step()
        await self._fire()
        now = self._clock.monotonic()
        self._grace_ends = await self._end_graces()
        if self._expires_at is not None and self._expires_at <= self._clock.now():
            self._books_changed = True
        if self._books_changed and now >= self._next_settle:
            self._books_changed = False
            self._next_settle = now + SETTLE
            # What follows a message that is over is planned before a campaign with nothing open is completed.
            while await self._sequences.advance():
                self._ran("advance")
            settled = await self._store.settle()
            self._expires_at = settled.expires_at
            if settled.released:
                # More of a large stage may wait behind the slice that was let go.
                self._books_changed = True
                self._wake_runners()
            if settled.resumed:
                # What waits in them has a time to wake for.
                self._wake.set()
            self._ran("settle")
            if await self._schedules.begin_waiting():
                self._wake_runners()
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + HEARTBEAT
            if not self._owned():
                raise StaleEpochError(
                    "the lock file was deleted or replaced: this engine stops before another one starts",
                    hint="start the engine again; do not remove the .lock file",
                )
            await self._store.heartbeat(*self._note())
            self._ran("heartbeat")
        if now >= self._next_rescue:
            self._next_rescue = now + RESCUE
            rescued = await self._store.rescue(everything=False, held=self._held())
            self._ran("rescue")
            if rescued.requeued:
                self._wake_runners()
            if rescued.uncertain:
                self._books_changed = True
            self._sequences.look_again()
            await self._sequences.advance()
            await self._watch()
            self._ran("watch")
        waits = [self._next_heartbeat - now, self._next_rescue - now]
        times = (self._next_due, self._grace_ends, self._schedules.next_at, self._expires_at)
        waits += [at - self._clock.now() for at in times if at is not None]
        if self._books_changed:
            waits.append(self._next_settle - now)
        return 0 if moved == SLICE else max(1_000, min(waits))

    async def _fire(self) -> None:
        fires = self._schedules.next_at
        made = await self._schedules.fire()
        if fires is not None and fires <= self._clock.now():
            self._ran("schedules")
        if made:
            self._wake_runners()

    def _ran(self, name: str) -> None:
        self._last[name] = self._clock.now()

    def rounds(self) -> list[dict[str, Any]]:
        """What runs by the clock, for people to see: `{round, does, every, last_at, next_at}` in microseconds; `every`
        and `next_at` are None for what runs when something happens."""
        ahead = self._clock.now() - self._clock.monotonic()
        settles = self._next_settle + ahead if self._books_changed else None
        rounds = (
            ("promote", "lets begin what became due", None, self._next_due),
            ("settle", "ends what has nothing open", None, settles),
            ("advance", "plans what follows", None, None),
            ("schedules", "makes what recurs", None, self._schedules.next_at),
            ("heartbeat", "shows that the engine lives", HEARTBEAT,
             self._next_heartbeat + ahead),
            ("rescue", "takes back lost leases", RESCUE, self._next_rescue + ahead),
            ("watch", "raises and ends alarms", RESCUE, self._next_rescue + ahead),
            ("cancel", "makes cancels final", None, self._grace_ends),
        )  # fmt: skip
        return [
            {"round": name, "does": does, "every": every, "last_at": self._last.get(name), "next_at": next_at}
            for name, does, every, next_at in rounds
        ]

    def _notice_clock_step(self) -> None:
        """A laptop slept or the clock was set: what runners wait for may be over, or further away."""
        ahead = self._clock.now() - self._clock.monotonic()
        if abs(ahead - self._wall_ahead) >= SECOND:
            self._wake_runners()
        self._wall_ahead = ahead

    async def _end_graces(self) -> int | None:
        while True:
            moved, grace_ends = await self._store.skip_cancelled(self._cancel_grace)
            if not moved:
                return grace_ends
            self._ran("cancel")
            self._books_changed = True
