"""Plans made anew: a campaign's pending jobs get new slots, slice by slice, in the order that they had."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from engine.planning.limits import Limits
from engine.plans import asked_fields, own_time, slots_for, windows_of
from engine.write_behind import WriteBehind
from storage.nouns import Campaign, Step
from storage.recipients import MOVED, Waiting
from storage.store import Store


async def replan(
    store: Store, campaign: Campaign, limits: Mapping[int, Limits], *, now: int
) -> tuple[int, int | None, int | None]:
    """Plan a campaign's pending jobs anew from now: same pacing, order kept, first gap included; `limits` are those
    of its queues.

    Its claims are held until the last slice. A retry keeps its own later time, and so does a further step of a
    sequence: it never goes before its wait is over. Returns how many were planned, the first and the last due time.
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
    return planned, min(dues, default=None), max(dues, default=None)


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
        self._own = own_time(campaign, limits) if asked_fields(windows_of(campaign, limits)) else None
        self._first = first.id

    def moves(self, jobs: Iterable[Waiting]) -> Iterator[tuple[int, int, int]]:
        """The new slots of jobs in their order: id, due time (us) and gap (us). A hundred thousand come through here at
        once, so nothing is made but what is given."""
        slots, own, first = self._slots, self._own, self._first
        for job_id, due, error_key, fields, _, step_id, gap in jobs:
            if step_id == first:
                was = due
                due, gap = next(slots)
                if error_key and was > due:
                    due = was
            yield job_id, due if own is None else own(due, fields), gap
