"""The slots of a retry: each message in the plan of its own queue, by the pacing of its own step. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.planning.limits import Limits
from engine.planning.opening import opens
from engine.planning.windows import later
from engine.plans import own_time, slots_for, windows_of
from storage.nouns import Campaign, Step
from storage.retries import Home

Slots = dict[int, tuple[int, int]]
"""Due time and gap (us) by job id."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Retried jobs evenly over a time instead of by their pacing: `into` says by job id how far (us) behind its
    beginning, `every` is the distance (us) of two."""

    into: Mapping[int, int]
    every: int


def retry_slots(
    campaign: Campaign,
    steps: Sequence[Step],
    limits: Limits,
    jobs: Sequence[Home],
    *,
    start: int,
    salt: int,
    spread: Spread | None = None,
) -> tuple[Slots, int]:
    """Slots from `start` (us) on for those of a campaign's `jobs` that go through one queue with these `limits`, and
    where the plan ends (us).

    Jobs of several steps stand in one plan, those of an earlier step first: so each keeps the gaps of its own step, and
    the queue never has two plans side by side. Raises RefusedError when the windows are never open together,
    UsageError for a pacing that the account has no cap for.
    """
    by_step: defaultdict[int, list[Home]] = defaultdict(list)
    for job in jobs:
        by_step[job.step_id].append(job)
    own, found, end = own_time(campaign, limits), Slots(), start
    for step in steps:
        slots = slots_for(campaign, limits, start=end, salt=salt, step=step)
        for job, (due, gap) in zip(by_step[step.id], slots, strict=False):
            end = due
            found[job.id] = (own(due, job.fields), gap)
    if spread is not None:
        return _evenly(campaign, limits, jobs, found, start, spread), start
    return found, end


def _evenly(
    campaign: Campaign, limits: Limits, jobs: Sequence[Home], paced: Slots, start: int, spread: Spread
) -> Slots:
    """The same jobs over a time, which stands still while a window is closed. A gap is that of the pacing or the
    distance of two, whichever is less: what is overdue after a pause keeps it, and holds up nobody for longer."""
    windows, own = windows_of(campaign, limits), own_time(campaign, limits)
    found: Slots = {}
    for job in jobs:
        due = later(windows[0] if windows else None, start, spread.into[job.id])
        due = opens(windows, due) if windows else due
        found[job.id] = (own(due, job.fields), min(paced[job.id][1], spread.every))
    return found
