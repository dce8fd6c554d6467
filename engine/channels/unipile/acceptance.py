"""Who has accepted: the account's connections, asked for at most three times a day and never at the same hours."""

from __future__ import annotations

import random
from contextlib import aclosing
from typing import Final

from engine.channels.unipile.client import UnipileClient
from engine.clock import Clock
from storage.invitations import OpenInvitation, unanswered
from storage.model import DAY
from storage.nouns import Queue
from storage.store import Store

A_DAY: Final = 3
"""Polls a day: LinkedIn watches who asks for lists by the clock."""
WAITED_FOR: Final = 90 * DAY
"""How long after an invitation an acceptance is looked for."""
_ROUGH: Final = DAY


def next_poll(seed: str, now: int) -> int:
    """When the connections are asked for next (us, later than `now`): once in each third of a UTC day, at a moment
    drawn from `seed` and the day. The same for the same seed, so that a restart asks no more often."""
    third = DAY // A_DAY
    part = now // third
    while True:
        rng = random.Random(f"{seed}:{part}")  # noqa: S311 - a time, no secret
        at = part * third + rng.randrange(third)
        if at > now:
            return at
        part += 1


class Acceptance:
    """Of one queue."""

    def __init__(self, queue: Queue, store: Store, clock: Clock) -> None:
        self._queue = queue
        self._store = store
        self._clock = clock

    def next_poll(self) -> int:
        return next_poll(self._queue.name, self._clock.now())

    async def waiting(self) -> list[OpenInvitation]:
        """Everybody who was invited and has not answered."""
        since = self._clock.now() - WAITED_FOR
        return await self._store.read(lambda reader: unanswered(reader, self._queue.id, since))

    async def poll(self, client: UnipileClient, waiting: list[OpenInvitation]) -> int:
        """Ask who is connected, back to the oldest invitation without an answer. Returns of how many people that is
        news. Raises ServiceError, StoreError."""
        by_id = {one.provider_id: one.profile for one in waiting if one.provider_id}
        by_name = {one.profile: one.profile for one in waiting}
        oldest = min((one.at for one in waiting), default=self._clock.now()) - _ROUGH
        news = 0
        async with aclosing(client.relations()) as entries:
            async for entry in entries:
                profile = by_id.get(entry.provider_id) or by_name.get(entry.profile)
                if profile:
                    at = min(entry.at or self._clock.now(), self._clock.now())
                    news += await self._store.note_accepted(self._queue.id, [profile], at)
                if 0 < entry.at < oldest:
                    break
        return news
