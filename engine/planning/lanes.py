"""What a simulated queue is made of: jobs in lanes, the queue as it stands, what was measured, what became of them."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from engine.planning.limits import Limits
from engine.retry import RetryPolicy

if TYPE_CHECKING:
    from engine.planning.sharing import Sharing

USUAL = RetryPolicy()


class Waiting(NamedTuple):
    """One open job, in the order of its lane (`due` and `id`). Times in microseconds. `domain`: the recipient's, where
    the queue keeps a gap per domain. `fields`: JSON text that names the person's zone, where the window asks for it.
    `person` and `step` (their ids) where the campaign has steps behind this one."""

    due: int
    id: int
    gap: int = 0
    domain: str = ""
    fields: str = "{}"
    tries: int = 0
    budget_at: int | None = None
    keeps_place: bool = False
    person: int = 0
    step: int = 0


Follow = Callable[[int, Waiting, int, bool], tuple[int, Waiting] | None]
"""What comes after a job of a queue that ended at a time (us), accepted or refused for good: the queue that sends it,
and the job of the next step, with an id above those of all jobs that were made before; None: nothing, or nobody
knows."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One campaign's part of the queue: its open jobs in order, what is in flight, how it shares.

    `across`: its gaps count from the last start of all such campaigns of the queue. `hours`: its window as JSON text.
    `follow`: what its jobs are followed by; None: by nothing. `sharing`: how several accounts of a channel share it.
    `id`: the campaign's; of equals the lower one goes first.
    """

    name: str
    jobs: Sequence[Waiting]
    priority: int = 5
    weight: int = 1
    concurrency: int = 5
    across: bool = False
    hours: str = ""
    last_start: int = 0
    started_at: int = 0
    turn: int = 0
    flying: Sequence[Waiting] = ()
    follow: Follow | None = None
    sharing: Sharing | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class QueueNow:
    """A queue as it stands. `starts`: earlier counted starts (us) in order, as many as its caps look back on.
    `closed_until`: it cools, or starts later (us). `domains`: last start and last place given, by domain."""

    limits: Limits
    throttle: int = 0
    last_start: int = 0
    spaced_start: int = 0
    starts: Sequence[int] = ()
    warm_days: int = 0
    warm_on: int = 0
    closed_until: int = 0
    closed_by: str = "cooling"
    domains: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was seen of attempts: how long they took (us; none: no time at all), which share was refused for now or
    for ever, and which share of the refusals came before any content, so that caps do not count them. `assumed`:
    nothing was seen yet."""

    durations: tuple[int, ...] = ()
    transient: float = 0.0
    permanent: float = 0.0
    unspent: float = 0.0
    assumed: bool = False

    @property
    def certain(self) -> bool:
        """Whether nothing is left to chance."""
        return len(set(self.durations)) < 2 and not (self.transient or self.permanent)


UNMEASURED = Measured()


@dataclass(frozen=True, slots=True)
class Station:
    """One queue of those that are sent together, with the lanes in it. `id`: the queue's; `account`: its name."""

    queue: QueueNow
    lanes: Sequence[Lane]
    measured: Measured = UNMEASURED
    policy: RetryPolicy = USUAL
    id: int = 0
    account: str = ""


class Hold(NamedTuple):
    """From `begin` to `end` (us) what was due waited for this."""

    begin: int
    end: int
    by: str


@dataclass(slots=True)
class LaneRun:
    """What became of a lane: when attempts began, when messages were accepted (us, in order), when the last one ended,
    how many failed, for how many no window ever opens, how many came into it as the next step of others."""

    begun: list[int] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    ended: int = 0
    failed: int = 0
    never: int = 0
    followed: int = 0


@dataclass(slots=True)
class Run:
    """`lanes` in the order given; `holds` in the order of time."""

    lanes: list[LaneRun]
    holds: list[Hold]


class Line:
    """A lane on its way. `next`: its head; `choosy`: whether each person may have a time of its own."""

    __slots__ = ("across", "at", "busy", "choosy", "concurrency", "jobs", "lane", "last_start", "later", "next",
                 "priority", "run", "since", "turn")  # fmt: skip

    def __init__(self, lane: Lane, choosy: bool) -> None:
        self.lane, self.concurrency, self.across = lane, lane.concurrency, lane.across
        self.choosy = choosy or bool(lane.hours)
        self.jobs = lane.jobs
        self.at = 0
        self.later: list[Waiting] = []
        """Retries, and those whose own time had not come, by their new time."""
        self.next = lane.jobs[0] if lane.jobs else None
        self.busy = 0
        self.last_start, self.turn, self.priority = lane.last_start, lane.turn, lane.priority
        self.since = lane.started_at
        self.run = LaneRun()

    def take(self, head: Waiting) -> None:
        """Take `next` out; the one behind it comes up."""
        if not self.later:
            # Most lanes have nothing put back: the next one is simply the one behind it.
            self.at = at = self.at + 1
            self.next = self.jobs[at] if at < len(self.jobs) else None
            return
        if self.later[0] is head:
            heapq.heappop(self.later)
        else:
            self.at += 1
        self._look()

    def put_back(self, job: Waiting) -> None:
        """To be looked at again at its new due time."""
        heapq.heappush(self.later, job)
        if self.next is None or job < self.next:
            self.next = job

    def due_before(self, before: int, steps: Collection[int], limit: int) -> list[Waiting]:
        """Jobs of these steps that were never tried and are due before a time (us), the earliest `limit` of them."""
        end = bisect_left(self.jobs, (before,), self.at)
        found = [*self.jobs[self.at : end], *(job for job in self.later if job.due < before)]
        return sorted(job for job in found if job.step in steps and not job.tries)[:limit]

    def count_before(self, before: int, limit: int) -> int:
        """How many jobs are due before a time (us), counted to `limit`."""
        planned = bisect_left(self.jobs, (before,), self.at) - self.at
        return min(limit, planned + sum(job.due < before for job in self.later))

    def remove(self, gone: Collection[int]) -> None:
        """Take jobs out by their ids."""
        self.jobs, self.at = [job for job in self.jobs[self.at :] if job.id not in gone], 0
        self.later = [job for job in self.later if job.id not in gone]
        heapq.heapify(self.later)
        self._look()

    def last_before(self, before: int) -> int:
        """When the last job is due before a time (us); 0: none is."""
        end = bisect_left(self.jobs, (before,), self.at)
        planned = self.jobs[end - 1].due if end > self.at else 0
        return max([planned, *(job.due for job in self.later if job.due < before)])

    def give_up(self) -> None:
        """No window ever opens for what is left."""
        self.run.never += len(self.jobs) - self.at + len(self.later)
        self.at, self.later, self.next = len(self.jobs), [], None

    def _look(self) -> None:
        head = self.jobs[self.at] if self.at < len(self.jobs) else None
        if self.later and (head is None or self.later[0] < head):
            head = self.later[0]
        self.next = head
