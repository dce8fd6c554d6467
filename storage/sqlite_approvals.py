"""What the embedded store is asked about approvals. A part of `storage.sqlite`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from storage import approvals, deciding
from storage.acts import Acted, Seen, Tell
from storage.approvals import ApprovedLane
from storage.deciding import Approved, Awaiting, Draft, Known
from storage.events import Event
from storage.letters import Letter
from storage.nouns import Campaign
from storage.writer import Writer


class SqliteApprovals:
    """The approvals of `storage.store.Store`."""

    writer: Writer
    _now: Callable[[], int]

    async def awaiting(self, ids: Sequence[int]) -> dict[int, Awaiting]:
        return await self.writer.submit(lambda tx: deciding.awaiting(tx, ids))

    async def approved_pending(self, campaign_id: int, after: int) -> list[int]:
        return await self.writer.submit(lambda tx: deciding.to_check(tx, campaign_id, after, approvals.SLICE))

    async def last_due(self, campaign_id: int, queue_id: int, step_id: int) -> int:
        return await self.writer.submit(lambda tx: deciding.last_due(tx, campaign_id, queue_id, step_id))

    async def approve_jobs(self, given: Sequence[Approved], by: str, tell: Tell) -> Acted:
        return await self.writer.submit(lambda tx: deciding.approve(tx, given, by, tell, self._now()))

    async def reject_jobs(self, jobs: Sequence[Seen], why: str, by: str, tell: Tell) -> Acted:
        return await self.writer.submit(lambda tx: deciding.reject(tx, jobs, why, by, tell, self._now()))

    async def void_approvals(self, ids: Sequence[int]) -> int:
        return await self.writer.submit(lambda tx: approvals.ask(tx, ids, self._now(), void=True))

    async def approve_campaign(
        self, campaign_id: int, version: int | None, by: str, event: Event, senders: Mapping[int, str]
    ) -> bool:
        return await self.writer.submit(
            lambda tx: approvals.approve_campaign(tx, campaign_id, version, by, event, self._now(), senders)
        )

    async def approved_lanes(self) -> list[ApprovedLane]:
        return await self.writer.submit(approvals.approved_lanes)

    async def void_campaign(self, campaign_id: int, why: str) -> bool:
        return await self.writer.submit(lambda tx: approvals.void_campaign(tx, campaign_id, why, self._now()))

    async def write_letter(self, seen: Seen, letter: Letter, by: str, event: Event) -> None:
        await self.writer.submit(lambda tx: deciding.write_letter(tx, seen, letter, by, event, self._now()))

    async def known_people(self, campaign_id: int, step_id: int, keys: Sequence[str]) -> list[Known]:
        return await self.writer.submit(lambda tx: deciding.known_people(tx, campaign_id, step_id, keys))

    async def add_drafts(
        self, batch_id: int, campaign: Campaign, step_id: int, drafts: Sequence[Draft], by: str
    ) -> list[int]:
        return await self.writer.submit(
            lambda tx: deciding.add_drafts(
                tx, batch_id, campaign.id, step_id, campaign.priority, drafts, by, self._now()
            )
        )
