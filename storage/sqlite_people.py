"""What the embedded store is asked about people: sequences, suppressions, profiles, what came back. A part of
`storage.sqlite`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from storage import campaigns, inbox, lanes, profiles, sequences, step_edits, suppressions
from storage.events import Event, add_event
from storage.tx import Tx
from storage.writer import Writer


class SqlitePeople:
    """The people of `storage.store.Store`."""

    writer: Writer
    _now: Callable[[], int]

    async def get_lanes(self, campaign_id: int) -> list[tuple[int, str, str]]:
        return await self.writer.submit(lambda tx: campaigns.get_lanes(tx, campaign_id))

    async def reassign(
        self, campaign_id: int, old: int, new: int, moves: Sequence[tuple[int, int, int]], event: Event
    ) -> int:
        return await self.writer.submit(lambda tx: lanes.reassign(tx, campaign_id, old, new, moves, event, self._now()))

    async def ended(self, *, without: frozenset[int] = frozenset()) -> list[sequences.Ended]:
        def run(tx: Tx) -> list[sequences.Ended]:
            return sequences.ended(tx, without=without) or sequences.too_late(tx, self._now(), without=without)

        return await self.writer.submit(run)

    async def follow(self, what: Sequence[sequences.Following]) -> int:
        return await self.writer.submit(lambda tx: sequences.follow(tx, what, self._now()))

    async def unfinished_step_edits(self) -> list[step_edits.StepEdit]:
        return await self.writer.submit(step_edits.unfinished)

    async def look_again(self, edit: step_edits.StepEdit, after: int) -> step_edits.Looked:
        return await self.writer.submit(lambda tx: step_edits.look_again(tx, edit, after))

    async def replan_steps(self, what: Sequence[tuple[int, sequences.Following]]) -> step_edits.Replanned:
        return await self.writer.submit(lambda tx: step_edits.replan(tx, what, self._now()))

    async def note_accepted(self, queue_id: int, profiles: Sequence[str], at: int) -> int:
        return await self.writer.submit(lambda tx: sequences.note_accepted(tx, queue_id, profiles, at, self._now()))

    async def stop_suppressed(self, campaign_id: int, after: int) -> tuple[int, int | None]:
        return await self.writer.submit(lambda tx: suppressions.stop_suppressed(tx, campaign_id, after, self._now()))

    async def suppress(self, entries: Sequence[suppressions.Entry], event: Event | None, by: str) -> tuple[int, int]:
        def run(tx: Tx) -> tuple[int, int]:
            done = suppressions.add(tx, entries, by, self._now())
            if event is not None:
                add_event(tx, event, self._now())
            return done

        return await self.writer.submit(run)

    async def unsuppress(self, ids: Sequence[int], event: Event) -> list[dict[str, Any]]:
        def run(tx: Tx) -> list[dict[str, Any]]:
            removed = suppressions.remove(tx, ids, self._now())
            if removed:
                add_event(tx, event, self._now())
            return removed

        return await self.writer.submit(run)

    async def known_profile(self, queue_id: int, profile: str) -> profiles.KnownProfile | None:
        return await self.writer.submit(lambda tx: profiles.known(tx, queue_id, profile))

    async def keep_profile(self, queue_id: int, known: profiles.KnownProfile) -> None:
        await self.writer.submit(lambda tx: profiles.keep(tx, queue_id, known))

    async def take_look_up(self, queue_id: int, cap: int, period: int) -> int | None:
        return await self.writer.submit(lambda tx: profiles.take_look_up(tx, queue_id, cap, period, self._now()))

    async def take_returned(self, items: Sequence[inbox.Returned]) -> list[inbox.Effect]:
        return await self.writer.submit(lambda tx: inbox.apply(tx, items, self._now()))

    async def inbox_cursor(self, source: str) -> str:
        return await self.writer.submit(lambda tx: inbox.cursor(tx, source))

    async def set_inbox_cursor(self, source: str, value: str) -> None:
        await self.writer.submit(lambda tx: inbox.set_cursor(tx, source, value, self._now()))

    async def token_secret(self) -> bytes:
        return await self.writer.submit(inbox.token_secret)
