"""What the embedded store is asked about alarms: a part of `storage.sqlite`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from storage import alarms, reputation
from storage.events import Event
from storage.limits import Ceiling
from storage.model import PauseReason, QueueState
from storage.tx import Tx
from storage.writer import Writer


class SqliteAlarms:
    """The alarms of `storage.store.Store`."""

    writer: Writer
    _now: Callable[[], int]

    async def raise_alarm(self, alarm: alarms.Alarm, event: Event | None) -> bool:
        return await self.writer.submit(lambda tx: alarms.raise_alarm(tx, alarm, event, self._now()))

    async def pause_for(self, alarm: alarms.Alarm, reason: PauseReason) -> bool:
        return await self.writer.submit(lambda tx: alarms.pause_campaign(tx, alarm, reason, self._now()))

    async def stop_queue(self, alarm: alarms.Alarm, state: QueueState, *, campaigns_too: bool = False) -> bool:
        return await self.writer.submit(
            lambda tx: alarms.stop_queue(tx, alarm, state, self._now(), campaigns_too=campaigns_too)
        )

    async def acknowledge_alarm(self, alarm_id: int, event: Event) -> str:
        return await self.writer.submit(lambda tx: alarms.acknowledge(tx, alarm_id, event, self._now()))

    async def bring_alarm_back(self, alarm_id: int, event: Event) -> str:
        return await self.writer.submit(lambda tx: alarms.bring_back(tx, alarm_id, event, self._now()))

    async def note_feedback(
        self, campaign_id: int | None, queue_id: int, *, bounced: int = 0, complained: int = 0
    ) -> None:
        await self.writer.submit(
            lambda tx: reputation.note_feedback(
                tx, campaign_id, queue_id, bounced=bounced, complained=complained, now=self._now()
            )
        )

    async def reputation_of(self, scope: str, scope_id: int, since: int) -> reputation.Reputation:
        def run(tx: Tx) -> reputation.Reputation:
            alarms.end(tx, self._now())
            return reputation.read(tx, scope, scope_id, since)

        return await self.writer.submit(run)

    async def reputations_changed(self, since: int) -> list[tuple[str, int]]:
        return await self.writer.submit(lambda tx: reputation.changed(tx, since))

    async def content_errors(self, campaign_id: int, error_key: str, most: int) -> int:
        return await self.writer.submit(lambda tx: alarms.content_errors(tx, campaign_id, error_key, most, self._now()))

    async def last_answers(self, queue_id: int, most: int) -> tuple[list[alarms.Answer], int, int]:
        return await self.writer.submit(lambda tx: alarms.last_answers(tx, queue_id, most))

    async def overdue(self, ceilings: Mapping[int, Sequence[Ceiling]]) -> list[alarms.Overdue]:
        return await self.writer.submit(lambda tx: alarms.overdue(tx, ceilings, self._now()))

    async def tell_behind(self, words: Mapping[int, str]) -> None:
        await self.writer.submit(lambda tx: alarms.tell_behind(tx, words, self._now()))
