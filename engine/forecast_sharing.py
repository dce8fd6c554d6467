"""How a campaign shares several accounts of one channel, for a simulation: by the rule of `engine.overflow`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.overflow import planned
from engine.planning.lanes import Waiting
from engine.planning.limits import Limits
from engine.planning.sharing import Sharing
from storage.forecast_facts import Row
from storage.lanes import Movable
from storage.nouns import Campaign, Step


def sharing_of(
    campaign: Campaign, steps: Sequence[Step], queues: Sequence[Row], limits: Mapping[int, Limits]
) -> Sharing | None:
    """None for a campaign without two accounts of one channel. `queues` as `forecast_facts.queues_of` has them."""
    siblings = {
        one["id"]: [other["id"] for other in queues if other["channel"] == one["channel"] and other["id"] != one["id"]]
        for one in queues
    }
    if not any(siblings.values()):
        return None
    # Nobody changes the account by which they were written to: only the first step through a channel may move.
    first: dict[str, int] = {}
    for step in steps:
        first.setdefault(step.channel or queues[0]["channel"], step.id)
    by_id = {step.id: step for step in steps}

    def plan(queue_id: int, jobs: Sequence[Waiting], start: int, before: int, now: int) -> Iterable[Waiting]:
        was = {job.id: job for job in jobs}
        movable = [Movable(job.id, job.step, job.due, job.fields) for job in jobs]
        for job_id, due, gap in planned(campaign, by_id, limits[queue_id], movable, start, before, now):
            yield was[job_id]._replace(due=due, gap=gap, keeps_place=False)

    return Sharing(siblings, frozenset(first.values()), plan)
