"""What comes after a message of a sequence: decided as soon as it is over, planned at the end of its wait.

The job of the next step is made at once, due when the wait is over, so that everybody can see when a person is written
to again; what happens until then (a reply, a bounce, an unsubscribe) skips it. Only an invitation that must be accepted
first has no job after it yet: nobody knows when that will be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine import plans, routes
from engine.compose.identity import message_id_for
from engine.overlaps import left_out, not_before, others_of
from engine.planning.following import due_after, gap_of
from engine.planning.pacing import Pacing
from engine.planning.waits import Wait
from storage.errors import PacelineError
from storage.events import Event
from storage.model import DAY, CampaignState, HeldReason, JobState
from storage.nouns import Campaign, Step
from storage.sequences import ACCEPT_WITHIN, SLICE, Ended, Following
from storage.step_edits import Replanned, StepEdit

if TYPE_CHECKING:
    from engine.control.actions import Context
    from engine.routes import Route

CONDITIONS = {
    "no_reply": "only to those who have not replied",
    "no_bounce": "only to those whose message did not come back",
    "accepted": "only after the invitation was accepted",
    "not_accepted": "only to those who have not accepted the invitation",
}
"""What a step may ask for, in words."""
STOPS = ("reply", "bounce")
"""What ends a person's sequence unless the campaign's `stop_on` says otherwise; to unsubscribe always does."""
CONNECTED = ("already connected", "already invited")
"""Reasons for which an invitation was not needed: what follows it goes on as if it had left."""


@dataclass(frozen=True, slots=True)
class CampaignSteps:
    """A campaign as its sequence needs it: its steps, and the routes of those that follow one."""

    campaign: Campaign
    steps: tuple[Step, ...]
    ways: dict[int, list[Route]]
    channel: str
    """That of the campaign's first account."""


class Sequences:
    """Plans what follows. A campaign that cannot be planned (its account is gone, its text cannot be sent) says so once
    and is tried again every minute; the others go on."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._troubles: dict[int, str] = {}
        self._blocked: set[int] = set()
        self._left_over = True
        """An edit of steps may not be done for all messages: an engine died with it, or the store was in trouble."""

    async def advance(self) -> int:
        """Deal with messages that are over and have a step behind them, at most a slice; how many there were."""
        store = self._context.store
        if self._left_over:
            self._left_over = False
            await self._finish_edits()
        ended = await store.ended(without=frozenset(self._blocked))
        known: dict[int, CampaignSteps] = {}
        following: list[Following] = []
        for one in ended:
            if one.campaign_id in self._blocked:
                continue
            try:
                if one.campaign_id not in known:
                    known[one.campaign_id] = await steps_of(self._context, one.campaign_id)
                following.append(await decide(self._context, one, known[one.campaign_id]))
                self._troubles.pop(one.campaign_id, None)
            except PacelineError as error:
                await self._block(one.campaign_id, error.message)
        made = await store.follow(following) if following else 0
        if made:
            await _wake_completed(self._context, known)
            self._context.hooks.wake()
        return len(following)

    @property
    def stuck(self) -> frozenset[int]:
        """The campaigns whose next step waits for a person."""
        return frozenset(self._blocked)

    def look_again(self) -> None:
        """Try those again that could not be planned."""
        self._blocked.clear()
        self._left_over = True

    async def _finish_edits(self) -> None:
        for edit in await self._context.store.unfinished_step_edits():
            if self._context.planning(edit.campaign_id).locked():
                # Whoever edits it now brings it to its end.
                continue
            async with self._context.planning(edit.campaign_id):
                try:
                    await follow_edit(self._context, edit)
                except PacelineError as error:
                    await self._block(edit.campaign_id, error.message)

    async def _block(self, campaign_id: int, trouble: str) -> None:
        self._blocked.add(campaign_id)
        if self._troubles.get(campaign_id) != trouble:
            self._troubles[campaign_id] = trouble
            text = f"the next step cannot be planned: {trouble}"
            await self._context.store.add_event(Event("sequence.stuck", text[:400], "error", campaign_id=campaign_id))


async def steps_of(context: Context, campaign_id: int) -> CampaignSteps:
    """Raises what `routes.routes_of` raises."""
    campaign = await context.store.get_campaign(campaign_id)
    steps = await context.store.get_steps(campaign_id)
    ways = {step.id: await routes.routes_of(context, campaign, step) for step in steps[1:]}
    return CampaignSteps(campaign, tuple(steps), ways, context.config.account(campaign.account).channel)


async def decide(context: Context, one: Ended, sequence: CampaignSteps) -> Following:
    """What comes after one message, with an eye on the other campaigns that write to its person."""
    now = context.clock.now()
    what = await _beside(context, after(one, sequence, now), one, sequence, now)
    return replace(what, seen=one, version=sequence.campaign.version)


async def _beside(context: Context, what: Following, one: Ended, sequence: CampaignSteps, now: int) -> Following:
    """The same, unless another campaign writes to this person and the campaign's rule minds."""
    if what.step_id is None:
        return what
    campaign, ids = sequence.campaign, [one.recipient_id]
    other = (await others_of(context.store, campaign, sequence.channel, ids, now)).get(one.recipient_id)
    if skipped := left_out(campaign, sequence.channel, other):
        return replace(what, skipped=skipped, held="", detail="", more=False)
    if (earliest := not_before(other)) <= what.due_at:
        return what
    way = next(way for way in sequence.ways[what.step_id] if way.queue_id == what.queue_id)
    return replace(what, due_at=plans.open_at(plans.windows_of(campaign, way.limits), earliest, one.fields))


async def follow_edit(context: Context, edit: StepEdit) -> Replanned:
    """Let the messages of a campaign follow an edit of its steps: what is planned by its new wait and conditions, what
    was over by the steps that there are now. Call it under the campaign's planning lock. Raises PacelineError; then it
    is tried again every minute."""
    store, total = context.store, Replanned()
    sequence = await steps_of(context, edit.campaign_id)
    last: int | None = 0
    while last is not None:
        last, planned = await store.look_again(edit, last)
        decided = [(one.job_id, await decide(context, one.before, sequence)) for one in planned]
        if decided:
            total = total.plus(await store.replan_steps(decided))
    return total


async def _wake_completed(context: Context, known: dict[int, CampaignSteps]) -> None:
    """A word on an uncertain message may come after its campaign was completed: what follows it is still sent."""
    for sequence in known.values():
        if sequence.campaign.state is CampaignState.COMPLETED:
            name = sequence.campaign.name
            event = Event("campaign.started", f"{name} goes on with its next step")
            await context.store.activate_campaign(sequence.campaign.id, event, execution="resume")


def after(one: Ended, sequence: CampaignSteps, now: int) -> Following:
    """What comes after one message; where nothing does, `skipped` says why. Pure but for the sequence it is given."""
    step = next((step for step in sequence.steps if step.position == one.position + 1), None)
    if step is None:
        return Following(one.job_id)
    if why := _ends(one, sequence.campaign, step):
        return Following(one.job_id, skipped=why)
    began = one.sent_at if one.sent_at is not None else one.ended_at
    if "accepted" in step.conditions:
        if one.accepted_at is None:
            within = int(sequence.campaign.settings.get("accept_within_days", ACCEPT_WITHIN)) * DAY
            waits = now < began + within
            return Following(one.job_id, waits=waits, skipped="" if waits else "not accepted")
        began = max(began, one.accepted_at)
    return _planned(one, sequence, step, began)


def _ends(one: Ended, campaign: Campaign, step: Step) -> str:
    """Why a person's sequence ends before a step ("" when it does not): told as a message that is skipped tells it."""
    if one.stopped:
        return one.stopped
    if not _goes_on(one, campaign):
        return "the message before it was not sent"
    if "no_reply" in step.conditions and one.replied_at is not None:
        return "replied"
    if "no_bounce" in step.conditions and one.state is JobState.BOUNCED:
        return "bounced"
    if "not_accepted" in step.conditions and one.accepted_at is not None:
        return "accepted"
    return ""


def _goes_on(one: Ended, campaign: Campaign) -> bool:
    match one.state:
        case JobState.COMPLETED:
            return True
        case JobState.SKIPPED:
            return one.reason in CONNECTED
        case JobState.BOUNCED:
            return "bounce" not in campaign.settings.get("stop_on", STOPS)
    return bool(campaign.settings.get("after_failure", "stop") == "next")


def _planned(one: Ended, sequence: CampaignSteps, step: Step, began: int) -> Following:
    campaign, ways = sequence.campaign, sequence.ways[step.id]
    # Who was written to through one account is written to through it again.
    own = one.queues.get(ways[0].account.channel)
    way = next((way for way in ways if way.queue_id == own), None) or routes.route_for(ways, one.recipient_id)
    windows = plans.windows_of(campaign, way.limits)
    due = due_after(began, Wait.from_dict(step.wait), windows, zone=way.limits.zone, fields=one.fields)
    detail = plans.why_held(way.factory, one.address, one.fields, one.profile)
    domain = plans.sender_domain(way)
    return Following(
        one.job_id,
        step.id,
        way.queue_id,
        due,
        gap_of(Pacing.from_dict(step.pacing or campaign.pacing), campaign.seed, one.recipient_id, step.id),
        message_id_for(domain, campaign.id, one.recipient_id, step.id, campaign.seed),
        HeldReason.FIELD.value if detail else "",
        detail,
        campaign.priority,
        more=step.position < len(sequence.steps),
    )


def describe(steps: Sequence[Step]) -> list[str]:
    """Each step behind the first, in words: its wait and its conditions."""
    told = []
    for step in steps[1:]:
        words = [f"after {Wait.from_dict(step.wait).describe()}", *(CONDITIONS[word] for word in step.conditions)]
        told.append(", ".join(words))
    return told


__all__ = ["ACCEPT_WITHIN", "CONDITIONS", "SLICE", "STOPS", "Sequences", "after", "describe"]
