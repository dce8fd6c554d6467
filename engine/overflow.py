"""What an account cannot send today goes through another account of its campaign that can.

Looked at every minute. Only messages that are due while the account cannot send, of people who were not yet written to
through it, and at most as many as the other account has room for today; the gate keeps every cap as ever.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from engine import plans, routes
from engine.planning.caps import Cap
from engine.planning.durations import format_duration
from engine.planning.limits import Limits
from engine.planning.opening import NEVER
from engine.planning.pacing import Slot
from engine.planning.sharing import MOST, PATIENCE
from storage import lanes, pace_facts
from storage.errors import PacelineError
from storage.events import Event
from storage.lanes import Lane, Movable
from storage.limits import frees_at
from storage.model import DAY, QueueState
from storage.nouns import Campaign, Step
from storage.queue_facts import cap_uses
from storage.reader import Reader

if TYPE_CHECKING:
    from engine.control.actions import Context

log = logging.getLogger("paceline.overflow")

_WAITS_FOR_PERSON = (QueueState.PAUSED, QueueState.NEEDS_ATTENTION, QueueState.RESTRICTED)


@dataclass(frozen=True, slots=True)
class Standing:
    """One queue at a moment: why it cannot send ("" when it can) and until when (us, `NEVER`: until somebody acts);
    what is left of its caps today, without what it has to send itself."""

    why: str
    until: int
    room: int
    day_ends: int


class Overflow:
    """Moves messages between the accounts of one campaign."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._troubles: dict[int, str] = {}

    async def look(self) -> int:
        """Look at every campaign with several accounts of a channel; how many messages moved. A campaign that cannot
        be looked at (its account is gone from the configuration) is left alone."""
        moved = 0
        every = await self._context.store.read(lanes.shared)
        for (campaign_id, _), group in groupby(
            sorted(every, key=lambda lane: (lane.campaign_id, lane.channel)),
            key=lambda lane: (lane.campaign_id, lane.channel),
        ):
            try:
                async with self._context.planning(campaign_id):
                    moved += await self._relieve(campaign_id, list(group))
                self._troubles.pop(campaign_id, None)
            except PacelineError as error:
                if self._troubles.get(campaign_id) != error.message:
                    self._troubles[campaign_id] = error.message
                    log.warning("campaign %d cannot share its accounts: %s", campaign_id, error.message)
        if moved:
            self._context.hooks.wake()
        return moved

    async def _relieve(self, campaign_id: int, siblings: list[Lane]) -> int:
        context, now = self._context, self._context.clock.now()
        campaign = await context.store.get_campaign(campaign_id)
        limits = await routes.limits_of(context, campaign)
        standing = await context.store.read(
            lambda reader: {lane.queue_id: _standing(reader, lane, limits[lane.queue_id], now) for lane in siblings}
        )
        steps = {step.id: step for step in await context.store.get_steps(campaign_id)}
        moved = 0
        for lane in siblings:
            stuck = standing[lane.queue_id]
            if stuck.until - now <= PATIENCE:
                continue
            for other in _free(siblings, standing):
                n = await self._move(campaign, steps, lane, other, stuck, standing[other.queue_id], limits)
                moved += n
                if n:
                    # What has room left is asked anew in a minute: its own share counts again then.
                    standing[other.queue_id] = Standing("", 0, 0, 0)
        return moved

    async def _move(
        self,
        campaign: Campaign,
        steps: dict[int, Step],
        lane: Lane,
        other: Lane,
        stuck: Standing,
        free: Standing,
        limits: dict[int, Limits],
    ) -> int:
        store, now = self._context.store, self._context.clock.now()
        before = min(stuck.until, free.day_ends)
        jobs, last = await store.read(
            lambda reader: (
                lanes.movable(reader, lane, before, min(free.room, MOST)),
                lanes.last_due(reader, other, before),
            )
        )
        moves = list(planned(campaign, steps, limits[other.queue_id], jobs, max(now, last), before, now))
        if not moves:
            return 0
        text = f"{len(moves):,} of {campaign.name} go through {other.name} instead of {lane.name}: {stuck.why}"
        event = Event(
            "campaign.overflowed", text, campaign_id=campaign.id, queue_id=other.queue_id, n=len(moves),
            data={"from": lane.name, "to": other.name, "why": stuck.why},
        )  # fmt: skip
        return await store.reassign(campaign.id, lane.queue_id, other.queue_id, moves, event)


def _free(siblings: Sequence[Lane], standing: dict[int, Standing]) -> list[Lane]:
    """Those that can send and have room, the most room first."""
    able = [lane for lane in siblings if not standing[lane.queue_id].why and standing[lane.queue_id].room > 0]
    return sorted(able, key=lambda lane: -standing[lane.queue_id].room)


def planned(
    campaign: Campaign,
    steps: Mapping[int, Step],
    limits: Limits,
    jobs: Sequence[Movable],
    start: int,
    before: int,
    now: int,
) -> Iterator[tuple[int, int, int]]:
    """Slots of the other account's plan from `start` (us) on, behind what it has: id, due time (us) and gap (us). No
    message is earlier than it was due, none at or after `before` (us). `now` is part of the seed."""
    slots: dict[int, Iterator[Slot]] = {}
    own = plans.own_time(campaign, limits)
    for job in jobs:
        if job.step_id not in slots:
            slots[job.step_id] = plans.slots_for(campaign, limits, start=start, salt=now, step=steps[job.step_id])
        slot = next(slots[job.step_id])
        due = own(max(slot.due_at, job.due_at), job.fields)
        if due >= before:
            return
        yield job.id, due, slot.gap


def _standing(reader: Reader, lane: Lane, limits: Limits, now: int) -> Standing:
    row = pace_facts.queue(reader, lane.name)
    gate, _, _ = limits.at_gate(now)
    caps = [cap for _, cap in gate.ceilings(row["throttle"], row["warm_days"], row["warm_on"])]
    day_ends = Cap(1, DAY, True).bounds(now, ZoneInfo(limits.zone))[1]
    why, until, room = "", 0, MOST
    for cap, use in zip(caps, cap_uses(reader, lane.queue_id, caps, now), strict=True):
        opens = frees_at(cap, use["nth"], now) if use["used"] >= cap.n and use["nth"] is not None else 0
        if opens > until:
            why, until = f"its cap of {cap.n:,} in {format_duration(cap.period)} is spent", opens
        if cap.period >= DAY:
            room = min(room, cap.n - use["used"])
    state = QueueState(row["state"])
    if state in _WAITS_FOR_PERSON:
        why, until = f"it is {state.value.replace('_', ' ')}", NEVER
    elif state is QueueState.COOLING and (row["until_at"] or 0) > until:
        why, until = f"it cools: {row['reason']}"[:200], row["until_at"]
    elif state is not QueueState.READY and not why:
        why = f"it is {state.value}"
    if room > 0 and not why:
        room -= lanes.due_before(reader, lane.queue_id, day_ends, room)
    return Standing(why, until, room, day_ends)
