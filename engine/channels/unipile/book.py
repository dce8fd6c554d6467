"""What an account remembers of the profiles that it looked up, and how many look-ups it has left."""

from __future__ import annotations

from typing import Final, Protocol

from engine.channels.unipile.outcomes import TOO_EARLY
from engine.clock import Clock
from engine.planning.caps import Cap
from storage.invitations import others_refused
from storage.model import DAY
from storage.profiles import KnownProfile
from storage.store import Store

FRESH: Final = 30 * DAY
"""How long what a look-up said is used again."""
WITHDRAWN_REST: Final = 21 * DAY
"""LinkedIn takes no new invitation for about three weeks after one was withdrawn."""


class ProfileBook(Protocol):
    """One account's memory. It outlives the engine: a look-up that was made is made, whoever asks again."""

    async def known(self, profile: str) -> KnownProfile | None:
        """What the last look-up said, however old (`checked_at`); None for a profile that was never looked up."""
        ...

    async def take_look_up(self) -> int | None:
        """Book one look-up, durably. None: it may be made; else when the next one is free (us)."""
        ...

    async def keep(self, profile: KnownProfile) -> None:
        """Remember what was learnt."""
        ...

    async def refused_again(self, profile: str) -> bool:
        """Whether within the last day somebody else, too, could not be invited again yet: then it is the account's."""
        ...


class NoBook:
    """A book for one question of a person's own (`account test`): it remembers nothing and looks nobody up."""

    async def known(self, profile: str) -> KnownProfile | None:
        return None

    async def take_look_up(self) -> int | None:
        return 0

    async def keep(self, profile: KnownProfile) -> None:
        """Nothing is kept."""

    async def refused_again(self, profile: str) -> bool:
        return False


class StoreBook:
    """The book of one queue, in the store. Raises StoreError."""

    def __init__(self, store: Store, clock: Clock, queue_id: int, look_ups: Cap) -> None:
        self._store = store
        self._clock = clock
        self._queue_id = queue_id
        self._look_ups = look_ups

    async def known(self, profile: str) -> KnownProfile | None:
        return await self._store.known_profile(self._queue_id, profile)

    async def take_look_up(self) -> int | None:
        return await self._store.take_look_up(self._queue_id, self._look_ups.n, self._look_ups.period)

    async def keep(self, profile: KnownProfile) -> None:
        await self._store.keep_profile(self._queue_id, profile)

    async def refused_again(self, profile: str) -> bool:
        since = self._clock.now() - DAY
        return await self._store.read(lambda reader: others_refused(reader, self._queue_id, TOO_EARLY, profile, since))
