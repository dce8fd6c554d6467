"""The jobs that a start or a resume would make, by queue: drawn in memory as `engine.plans` draws them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from engine import plans
from engine.compose.factory import Factory
from engine.overlaps import left_out, not_before, overlap_of
from engine.planning.lanes import Waiting
from engine.planning.limits import Limits
from engine.queue_forecast import PersonFacts
from engine.replanning import Anew
from storage import forecast_facts as facts
from storage.forecast_facts import Row
from storage.nouns import Campaign, Step
from storage.overlaps import Overlap, overlaps
from storage.reader import Reader
from storage.suppression_pages import left_out as suppressed_people

SLICE = 1_000
"""People of whom it is asked at once which other campaign writes to them."""


@dataclass(frozen=True, slots=True)
class Way:
    """A queue that a campaign uses. `factory`: what makes the first step's message; None where it cannot be made."""

    queue_id: int
    channel: str
    limits: Limits
    factory: Factory | None = None


@dataclass(slots=True)
class Started:
    """What a start would make: jobs by queue in their order, who is held or left out by reason, and the addresses of
    those that would be written to."""

    jobs: dict[int, tuple[Waiting, ...]]
    held: Counter[str]
    addresses: list[str] = field(default_factory=list)


def started(reader: Reader, campaign: Campaign, step: Step, ways: Sequence[Way], *, begin: int) -> Started:
    """What a start at `begin` (us) makes of everybody without a message, spread over the `ways` of the first step. The
    batch's id is part of the seed: what is told holds until another batch is made. Raises RefusedError for windows that
    are never open together."""
    person = _person(campaign, ways)
    batch = facts.next_batch(reader)
    slots = [
        plans.slots_for(campaign, way.limits, start=begin, salt=batch + place, step=step)
        for place, way in enumerate(ways)
    ]
    own = [plans.own_time(campaign, way.limits) for way in ways]
    windows = [plans.windows_of(campaign, way.limits) for way in ways]
    made: list[list[Waiting]] = [[] for _ in ways]
    found = Started({}, Counter(facts.stopped(reader, campaign.id)))
    suppressed = {row["id"] for row in suppressed_people(reader, campaign.id, begin)}
    for one, other in _people(reader, campaign, step, ways[0].channel, begin):
        if one["id"] in suppressed:
            found.held["suppressed"] += 1
            continue
        place = one["id"] % len(ways)
        factory = ways[place].factory
        why = left_out(campaign, ways[0].channel, other)
        if not why and factory is not None:
            why = plans.why_held(factory, one["address"], one["fields"], one["profile"])
        if why:
            found.held[why] += 1
            continue
        slot = next(slots[place])
        due = own[place](slot.due_at, one["fields"])
        if (earliest := not_before(other)) > due:
            due = plans.open_at(windows[place], earliest, one["fields"])
        asked = person.of(one["address"], one["fields"])
        made[place].append(Waiting(due, one["id"], slot.gap, *asked, person=one["id"], step=step.id))
        found.addresses.append(one["address"])
    found.jobs = {way.queue_id: tuple(sorted(jobs)) for way, jobs in zip(ways, made, strict=True)}
    return found


def _people(
    reader: Reader, campaign: Campaign, step: Step, channel: str, begin: int
) -> Iterator[tuple[Row, Overlap | None]]:
    """Everybody without a message, with the other campaign that writes to them where the rule of this one asks."""
    people = facts.unplanned(reader, campaign.id, step.id)
    if overlap_of(campaign.settings, channel) == "allow":
        yield from ((one, None) for one in people)
        return
    while some := list(islice(people, SLICE)):
        others = overlaps(reader, campaign.id, [one["id"] for one in some], begin)
        yield from ((one, others.get(one["id"])) for one in some)


def waiting_people(reader: Reader, campaign: Campaign, ways: Sequence[Way]) -> dict[int, list[Row]]:
    """The pending jobs of a campaign by queue, with what their people need."""
    return {way.queue_id: list(facts.waiting(reader, campaign.id, way.queue_id, people=True)) for way in ways}


def resumed(
    campaign: Campaign,
    first: Step,
    ways: Sequence[Way],
    waiting: Mapping[int, Sequence[Row]],
    *,
    begin: int,
    salt: int,
) -> dict[int, tuple[Waiting, ...]]:
    """What a resume at `begin` (us) makes of what waits: jobs of the step `first` planned anew in their order, a retry
    not before its own time, further steps when their wait is over."""
    person = _person(campaign, ways)
    jobs: dict[int, tuple[Waiting, ...]] = {}
    for place, way in enumerate(ways):
        rows = waiting[way.queue_id]
        given = [
            (
                row["id"],
                row["due_at"],
                row["error_key"],
                row["fields"] or "{}",
                way.queue_id,
                row["step_id"],
                row["gap"],
            )
            for row in rows
        ]
        moves = Anew(campaign, way.limits, begin, salt + place, first).moves(given)
        jobs[way.queue_id] = tuple(sorted(
            Waiting(
                due, job_id, gap, *person.of(row["address"] or "", row["fields"] or "{}"), row["tries"],
                row["budget_at"], person=row["recipient_id"] or 0, step=row["step_id"] or 0,
            )
            for row, (job_id, due, gap) in zip(rows, moves, strict=True)
        ))  # fmt: skip
    return jobs


def _person(campaign: Campaign, ways: Sequence[Way]) -> PersonFacts:
    hours = json.dumps(campaign.hours) if campaign.hours else ""
    return PersonFacts(hours, [way.limits for way in ways])
