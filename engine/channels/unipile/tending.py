"""What an engine does for a LinkedIn account besides sending: settles what is in doubt, and learns who accepted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from engine.channels.channel import ChannelError
from engine.channels.unipile.acceptance import Acceptance
from engine.channels.unipile.book import StoreBook
from engine.channels.unipile.client import ServiceError, UnipileClient
from engine.channels.unipile.evidence import AT_START, EVERY, LOOKED_FOR, Evidence
from engine.channels.unipile.session import UnipileChannel
from engine.clock import Clock
from engine.planning.caps import Cap
from storage.errors import PacelineError, StaleEpochError
from storage.model import SECOND, QueueState
from storage.nouns import Queue
from storage.store import Store

log = logging.getLogger("paceline.linkedin")

SETTLED: Final = 10 * SECOND
"""After an invitation became uncertain: its record is written by then, and LinkedIn may show it."""
_STANDS: Final = (QueueState.NEEDS_ATTENTION, QueueState.RESTRICTED)


class Tending:
    """One task for one queue, beside its runner. It only asks for lists, so it may be cancelled at any moment.
    `on_change` tells the scheduler that books changed."""

    def __init__(
        self,
        queue: Queue,
        channel: UnipileChannel,
        look_ups: Cap,
        *,
        store: Store,
        clock: Clock,
        on_change: Callable[[], None],
    ) -> None:
        channel.clock = clock
        channel.book = StoreBook(store, clock, queue.id, look_ups)
        channel.on_doubt = self._doubt
        self._store = store
        self._name = queue.name
        self._channel = channel
        self._clock = clock
        self._on_change = on_change
        self._evidence = Evidence(queue, store, clock)
        self._acceptance = Acceptance(queue, store, clock)
        self._wake = asyncio.Event()
        self._next_look: int | None = clock.now()
        self._within = AT_START

    def _doubt(self) -> None:
        at = self._clock.now() + SETTLED
        self._next_look = at if self._next_look is None else min(at, self._next_look)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. Trouble with the service or the store is told and tried again later."""
        next_poll = self._acceptance.next_poll()
        while True:
            self._wake.clear()
            now = self._clock.now()
            if self._next_look is not None and self._next_look <= now:
                await self._guarded(self._look)
            if next_poll <= now:
                await self._guarded(self._poll)
                next_poll = self._acceptance.next_poll()
            due = next_poll if self._next_look is None else min(next_poll, self._next_look)
            await self._clock.wait(self._wake, max(0, due - self._clock.now()))

    async def _look(self) -> None:
        within, self._within = self._within, LOOKED_FOR
        # Whatever comes of it, it is asked again.
        self._next_look = self._clock.now() + EVERY
        wanted = await self._evidence.wanted(within)
        if not wanted:
            self._next_look = None
        elif await self._asking(lambda client: self._evidence.look(client, wanted)):
            self._on_change()

    async def _poll(self) -> None:
        if waiting := await self._acceptance.waiting():
            await self._asking(lambda client: self._acceptance.poll(client, waiting))
            self._on_change()

    async def _asking(self, question: Callable[[UnipileClient], Awaitable[int]]) -> int:
        queue = await self._store.get_queue(self._name)
        if queue is None or queue.state in _STANDS:
            # A person has to look first; until then LinkedIn is left alone.
            return 0
        client = await self._channel.connect()
        try:
            return await question(client)
        finally:
            await client.close()

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StaleEpochError:
            raise
        except (ServiceError, ChannelError, PacelineError) as error:
            log.warning("account %s: LinkedIn could not be asked: %s", self._name, str(error)[:300])
