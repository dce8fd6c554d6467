"""Plans written to the store in slices: those of a start, of added people. `engine.replanning` makes one anew,
`engine.retrying` the slots of a retry.

The planner is pure. Each slice is its own transaction, so sends pass between slices.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.compose.errors import ComposeError
from engine.compose.identity import message_id_for
from engine.estimating import Share
from engine.overlaps import left_out, not_before, others_of
from engine.planning.limits import Limits
from engine.planning.opening import NEVER, of_person, opener, opens, parsed
from engine.planning.pacing import Pacing, Slot, plan
from engine.write_behind import WriteBehind
from storage.errors import PacelineError, RefusedError
from storage.model import HeldReason
from storage.nouns import Campaign, Step
from storage.recipients import PlannedJob, Unplanned
from storage.store import Store

if TYPE_CHECKING:
    from engine.compose.factory import Factory
    from engine.planning.windows import Window
    from engine.routes import Route

MOST_KNOWN = 1_000
"""Different texts of fields whose windows are remembered: where only a zone is read there are few."""
TURN = 50
"""People planned between two turns of the loop: the engine's own work, the Writer's too, goes on beside a start."""
ENDLESS = 1 << 40
"""More slots than any campaign has: the plan is lazy, its user takes what it needs."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a plan came to: jobs made (of these `held` wait for a person), first and last due time (us)."""

    batch_id: int
    queued: int
    held: int
    first_due: int | None
    last_due: int | None
    suppressed: int = 0
    """People who were left out because they must not be contacted."""
    elsewhere: int = 0
    """Of the jobs, those that are skipped because another campaign writes to the same person."""
    shares: tuple[Share, ...] = ()
    """What of them goes through each account."""


def slots_for(
    campaign: Campaign, limits: Limits, *, start: int, salt: int = 0, step: Step | None = None
) -> Iterator[Slot]:
    """The campaign's endless plan from `start`, within its own window and the window and minimum gap of its queue;
    caps and other campaigns are the gate's. A `step` with a pacing of its own is planned by that. `salt` tells plans of
    one campaign apart (batch, retry, account): the same seed and the same inputs give the same plan. Raises
    RefusedError when there is no time at which both windows are open."""
    windows = windows_of(campaign, limits)
    check_opens(campaign, windows, start)
    pacing = Pacing.from_dict((step.pacing if step else None) or campaign.pacing)
    slots = plan(
        pacing,
        ENDLESS,
        start=start,
        seed=campaign.seed ^ salt,
        window=windows[0] if windows else None,
        spread=limits.cap_a_day if pacing.spread else 0,
    )
    if len(windows) < 2 and not limits.min_gap:
        return slots
    return _kept(slots, limits, opens_at=lambda at: opens(windows, at) if windows else at)


def check_opens(campaign: Campaign, windows: Sequence[Window], at: int) -> None:
    """Raise RefusedError when these windows of a campaign are open at no common time from `at` (us) on."""
    if windows and opens(list(windows), at) >= NEVER:
        raise RefusedError(
            f"the window of campaign '{campaign.name}' does not open within a year, or never while its queue's is open",
            hint=f"paceline campaign tune {campaign.name} --window, or change the window of account {campaign.account}",
        )


def _kept(slots: Iterator[Slot], limits: Limits, *, opens_at: Callable[[int], int]) -> Iterator[Slot]:
    """The same slots, no two nearer than the queue's minimum gap, each while every window is open."""
    free = 0
    for slot in slots:
        due = opens_at(max(slot.due_at, free))
        free = due + limits.min_gap
        yield Slot(due, slot.gap)


def windows_of(campaign: Campaign, limits: Limits) -> list[Window]:
    """The windows that hold for a campaign: its own first, then its queue's."""
    own = parsed(json.dumps(campaign.hours)) if campaign.hours else None
    return [window for window in (own, limits.window) if window is not None]


def asked_fields(windows: Sequence[Window]) -> set[str]:
    """The fields that say which clock is a person's own."""
    return {window.recipient_zone for window in windows if window.recipient_zone}


def own_time(campaign: Campaign, limits: Limits) -> Callable[[int, str], int]:
    """When a person may be written to at the earliest: (due time, fields as JSON text) -> due time, in the person's own
    zone where a window names a field for it. Where those windows never open it stays due: the queue says so."""
    windows = windows_of(campaign, limits)
    if not asked_fields(windows):
        return lambda due, fields: due
    known: dict[str, Callable[[int], int | None]] = {}

    def own(due: int, fields: str) -> int:
        opening = known.get(fields)
        if opening is None:
            opening = opener([of_person(window, fields) for window in windows])
            if len(known) < MOST_KNOWN:
                known[fields] = opening
        opens = opening(due)
        return due if opens is None else opens

    return own


async def plan_people(
    store: Store,
    campaign: Campaign,
    step: Step,
    routes: Sequence[Route],
    *,
    start: int,
    kind: str,
    name: str,
    actor: str,
) -> Planned:
    """Make one job for everybody who has none yet, under a batch that nobody can claim from before its last slice.
    People are spread evenly over the routes; who must not be contacted is stopped first.

    Call it under the campaign's planning lock. A plan that cannot be finished is taken back whole, and so is what an
    earlier one that died has left.
    """
    _, left = await store.loading(campaign.id)
    for batch_id in left:
        await discard(store, batch_id)
    suppressed = await stop_suppressed(store, campaign.id)
    batch_id = await store.begin_batch(campaign.id, kind, name, actor)
    try:
        planned = await _plan_slices(store, campaign, step, routes, start, batch_id)
    except BaseException:
        with contextlib.suppress(PacelineError):
            await discard(store, batch_id)
        raise
    if not planned.queued:
        await discard(store, batch_id)
    return replace(planned, suppressed=suppressed)


async def stop_suppressed(store: Store, campaign_id: int) -> int:
    """Stop everybody without a message who must not be contacted; how many."""
    stopped = 0
    after: int | None = 0
    while after is not None:
        n, after = await store.stop_suppressed(campaign_id, after)
        stopped += n
    return stopped


async def discard(store: Store, batch_id: int) -> None:
    """Take a loading batch back, slice by slice."""
    while await store.remove_batch_slice(batch_id):
        pass


async def _plan_slices(
    store: Store, campaign: Campaign, step: Step, routes: Sequence[Route], start: int, batch_id: int
) -> Planned:
    # Each account has a plan of its own: their gaps and windows run side by side.
    slots = [
        slots_for(campaign, route.limits, start=start, salt=batch_id + place, step=step)
        for place, route in enumerate(routes)
    ]
    own = [own_time(campaign, route.limits) for route in routes]
    domains = [sender_domain(route) for route in routes]
    channel = routes[0].account.channel
    windows = [windows_of(campaign, route.limits) for route in routes]
    shares = tuple(Share(own, route.limits) for own, route in zip(windows, routes, strict=True))
    queued, held, elsewhere = 0, 0, 0
    first: int | None = None
    last: int | None = None
    writing = WriteBehind()
    async for people in _slices_of_people(store, campaign.id, step.id):
        jobs = []
        others = await others_of(store, campaign, channel, [person.id for person in people], start)
        for number, (recipient_id, address, fields, profile) in enumerate(people):
            if number % TURN == 0:
                await asyncio.sleep(0)
            place = recipient_id % len(routes)
            route = routes[place]
            if skipped := left_out(campaign, channel, others.get(recipient_id)):
                jobs.append(PlannedJob(recipient_id, start, 0, "", queue_id=route.queue_id, skipped=skipped))
                elsewhere += 1
                continue
            detail = why_held(route.factory, address, fields, profile)
            slot = Slot(start, 0) if detail else next(slots[place])
            due = start if detail else own[place](slot.due_at, fields)
            if others and (earliest := not_before(others.get(recipient_id))) > due:
                due = open_at(windows[place], earliest, fields)
            message_id = message_id_for(domains[place], campaign.id, recipient_id, step.id, campaign.seed)
            reason = HeldReason.FIELD.value if detail else ""
            jobs.append(PlannedJob(recipient_id, due, slot.gap, message_id, reason, detail, route.queue_id))
            if detail:
                held += 1
            else:
                shares[place].add(fields)
                first = due if first is None else min(first, due)
                last = due if last is None else max(last, due)
        await writing.begin(store.add_jobs(batch_id, campaign, step.id, jobs))
        queued += len(jobs)
    await writing.done()
    return Planned(batch_id, queued, held, first, last, elsewhere=elsewhere, shares=shares)


async def _slices_of_people(store: Store, campaign_id: int, step_id: int) -> AsyncIterator[list[Unplanned]]:
    """Everybody without a message, slice by slice. The next slice is asked for before this one is planned: behind what
    is written then it would be waited for."""
    reading = asyncio.ensure_future(store.unplanned(campaign_id, step_id, 0))
    while people := await reading:
        reading = asyncio.ensure_future(store.unplanned(campaign_id, step_id, people[-1].id))
        yield people


def open_at(windows: Sequence[Window], at: int, fields: str) -> int:
    """The first time from `at` (us) on at which every window is open for a person; `at` itself when there is none."""
    if not windows:
        return at
    opening = opens([of_person(window, fields) for window in windows], at)
    return at if opening >= NEVER else opening


def sender_domain(route: Route) -> str:
    """The domain of a route's Message-IDs: its sender's, or a reserved one where nothing of it leaves as mail."""
    return route.factory.sender.rpartition("@")[2] if "@" in route.factory.sender else "paceline.invalid"


def why_held(factory: Factory, address: str, fields: str, profile: str = "") -> str:
    """What a person must mend before this message can be made; "" when nothing."""
    if lack := factory.lacks(address, profile):
        return f"missing {lack}"
    if not factory.fields:
        return ""
    known, _ = _written.raw_decode(fields)
    if factory.plain and _has_all(known, factory.fields):
        # Every field that the step can use is there: nothing to render for (a fifth of the time of a large start).
        return ""
    try:
        missing = factory.missing(known, address=address)
    except ComposeError as error:
        return error.message
    return f"missing field: {', '.join(missing)}" if missing else ""


def _has_all(known: dict[str, Any], names: Iterable[str]) -> bool:
    for name in names:
        value = known.get(name)
        if not isinstance(value, str) or not value.strip():
            return False
    return True


_written = json.JSONDecoder()
"""Reads what the store itself has written: no blanks around it, which `json.loads` takes half its time to look for."""


async def release(store: Store, batch_id: int) -> None:
    """Let a finished batch be claimed, slice by slice, in order."""
    after: int | None = 0
    while after is not None:
        after = await store.release_slice(batch_id, after)
