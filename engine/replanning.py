"""Plans made anew: a campaign's pending jobs get new slots, slice by slice, in the order that they had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from engine.estimating import Share
from engine.planning.limits import Limits
from engine.plans import asked_fields, own_time, slots_for, windows_of
from engine.write_behind import WriteBehind
from storage.nouns import Campaign, Step
from storage.recipients import MOVED, Waiting
from storage.store import Store


class PlannedAnew(NamedTuple):
    """What a new plan came to: how many messages, the first and the last due time (us), and what goes through each
    account."""

    n: int
    first: int | None
    last: int | None
    shares: tuple[Share, ...]


async def replan(store: Store, campaign: Campaign, limits: Mapping[int, Limits], *, now: int) -> PlannedAnew:
    """Plan a campaign's pending jobs anew from now: same pacing, order kept, first gap included; `limits` are those
    of its queues.

    Its claims are held until the last slice. A retry keeps its own later time, and so does a further step of a
    sequence: it never goes before its wait is over.
    """
    await store.set_replanning(campaign.id, True)
    planned, dues = 0, list[int]()
    try:
        jobs = await _waiting(store, campaign, limits)
        first = (await store.get_steps(campaign.id))[0]
        anews = {
            queue: Anew(campaign, one, now, now + place, first) for place, (queue, one) in enumerate(limits.items())
        }
        writing = WriteBehind()
        for place in range(0, len(jobs), MOVED):
            by_queue: dict[int, list[Waiting]] = {}
            for job in jobs[place : place + MOVED]:
                by_queue.setdefault(job[4], []).append(job)
            moves = [move for queue, own in by_queue.items() if queue in anews for move in anews[queue].moves(own)]
            await writing.begin(store.move(moves))
            planned += len(moves)
            dues += _ends(moves)
        await writing.done()
    finally:
        await store.set_replanning(campaign.id, False)
    shares = tuple(anew.share for anew in anews.values())
    return PlannedAnew(planned, min(dues, default=None), max(dues, default=None), shares)


async def _waiting(store: Store, campaign: Campaign, limits: Mapping[int, Limits]) -> list[Waiting]:
    """A campaign's pending jobs in the order of its plan, with the fields that say whose clock is asked."""
    asked = sorted(set[str]().union(*(asked_fields(windows_of(campaign, one)) for one in limits.values())))
    jobs: list[Waiting] = []
    after = (-1, 0)
    while rows := await store.waiting(campaign.id, after, fields=asked):
        jobs += rows
        job_id, due_at, *_ = rows[-1]
        after = (due_at, job_id)
    return jobs


def _ends(moves: Sequence[tuple[int, int, int]]) -> list[int]:
    """The first and the last due time (us)."""
    dues = [due for _, due, _ in moves]
    return [min(dues), max(dues)] if dues else []


class Anew:
    """The new plan, from `start` (us) on, of one queue's part of a campaign whose first step is `first`; `salt` as
    `slots_for` takes it."""

    def __init__(self, campaign: Campaign, limits: Limits, start: int, salt: int, first: Step) -> None:
        self._slots = slots_for(campaign, limits, start=start, salt=salt, step=first)
        windows = windows_of(campaign, limits)
        self._own = own_time(campaign, limits) if asked_fields(windows) else None
        self.share = Share(windows, limits)
        """What of the plan was given out."""
        self._first = first.id

    def moves(self, jobs: Sequence[Waiting]) -> Iterator[tuple[int, int, int]]:
        """The new slots of jobs in their order: id, due time (us) and gap (us). A hundred thousand come through here at
        once, so nothing is made but what is given."""
        self.share.add_all([job[3] for job in jobs])
        slots, own, first = self._slots, self._own, self._first
        for job_id, due, error_key, fields, _, step_id, gap in jobs:
            if step_id == first:
                was = due
                due, gap = next(slots)
                if error_key and was > due:
                    due = was
            yield job_id, due if own is None else own(due, fields), gap
