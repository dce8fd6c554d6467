"""Evidence about invitations in doubt: those that LinkedIn shows were sent, and nothing else settles one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final

from engine.channels.unipile.client import Relation, SentInvitation, UnipileClient
from engine.clock import Clock
from storage.errors import RefusedError
from storage.events import Event
from storage.invitations import OpenInvitation, in_doubt
from storage.model import DAY, MINUTE
from storage.nouns import Queue
from storage.store import Store

EVERY: Final = 10 * MINUTE
LOOKED_FOR: Final = DAY
"""How long an invitation in doubt is looked for; then a person decides."""
AT_START: Final = 30 * DAY
"""How old a doubt may be that an engine looks into when it starts."""
_ROUGH: Final = DAY
"""LinkedIn tells times in words such as "yesterday": entries may look this much older than they are."""


class Evidence:
    """Of one queue. What is found is recorded as sent; what is not stays uncertain, for a list may be late or cut."""

    def __init__(self, queue: Queue, store: Store, clock: Clock) -> None:
        self._queue = queue
        self._store = store
        self._clock = clock
        self._told: set[int] = set()
        """Jobs of which it was said that they are looked for."""
        self._given_up: set[int] = set()

    async def wanted(self, within: int = LOOKED_FOR) -> list[OpenInvitation]:
        """What is in doubt and was begun within the last `within` (us)."""
        since = self._clock.now() - within
        return await self._store.read(lambda reader: in_doubt(reader, self._queue.id, since))

    async def look(self, client: UnipileClient, wanted: list[OpenInvitation]) -> int:
        """Ask for the sent invitations and, as somebody may have accepted at once, for the connections. Returns how
        many are settled. Raises ServiceError, StoreError."""
        missing = {one.job_id: one for one in wanted}
        settled = await self._settle(missing, client.sent_invitations(), "among the sent invitations")
        if missing:
            settled += await self._settle(missing, client.relations(), "among the connections")
        for one in missing.values():
            await self._tell(one)
        return settled

    async def _settle(
        self, missing: dict[int, OpenInvitation], entries: AsyncGenerator[SentInvitation | Relation, None], where: str
    ) -> int:
        oldest = min(one.at for one in missing.values()) - _ROUGH
        settled = 0
        async with aclosing(entries):
            async for entry in entries:
                for one in _matching(missing.values(), entry):
                    del missing[one.job_id]
                    settled += await self._resolve(one, entry, where)
                if not missing or 0 < entry.at < oldest:
                    break
        return settled

    async def _resolve(self, one: OpenInvitation, entry: SentInvitation | Relation, where: str) -> int:
        named = f" {entry.id}" if isinstance(entry, SentInvitation) and entry.id else ""
        event = Event(
            "job.resolved",
            f"job {one.job_id} was sent: its invitation{named} to {one.profile} was found {where}",
            queue_id=self._queue.id,
            job_id=one.job_id,
            data={"evidence": where, "invitation": named.strip(), "at": entry.at},
        )
        try:
            await self._store.resolve(one.job_id, sent=True, event=event)
        except RefusedError:
            # A person was faster.
            return 0
        return 1

    async def _tell(self, one: OpenInvitation) -> None:
        """Say when it was looked for: the first time, and the last."""
        where = f"job {one.job_id}: no invitation to {one.profile} among the sent ones or the connections"
        if self._clock.now() - one.at > LOOKED_FOR - EVERY:
            if one.job_id in self._given_up:
                return
            self._given_up.add(one.job_id)
            words, level = f"{where}, and it is not looked for any longer: a person decides", "warning"
        elif one.job_id in self._told:
            return
        else:
            self._told.add(one.job_id)
            words, level = f"{where}; it is looked for every 10 minutes for a day", "info"
        await self._store.add_event(
            Event("job.looked_for", words, level=level, queue_id=self._queue.id, job_id=one.job_id)
        )


def _matching(wanted: Iterable[OpenInvitation], entry: SentInvitation | Relation) -> list[OpenInvitation]:
    """Those that an entry is about: by the service's identifier, or by the public name."""
    return [
        one
        for one in wanted
        if (one.provider_id and one.provider_id == entry.provider_id)
        or (entry.profile and one.profile == entry.profile)
    ]
