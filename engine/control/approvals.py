"""What people say of messages and campaigns that wait for approval. Each message is compared with what they saw."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pydantic import Field

from engine import approving, plans, routes
from engine.control import campaigns
from engine.control.actions import Args, Context, Result, action, audit
from engine.control.common import Named, described, find, messages
from engine.control.jobs import SLICE, SetArgs, SetResult, by_campaign, event_of
from engine.planning.limits import Limits
from engine.planning.pacing import Slot
from engine.senders import in_words
from storage.acts import Left, Seen
from storage.deciding import Approved, Awaiting
from storage.errors import NotFoundError, PacelineError, RefusedError, UsageError
from storage.events import Event
from storage.letters import Letter
from storage.model import Actor, CampaignState
from storage.nouns import Campaign, Step

LONGEST = 1_000_000
"""Characters of one part of a letter."""


class ApproveArgs(SetArgs):
    """`looked_at` (us): when the messages were shown; one whose step was written anew since is left. `senders`: by
    account who they were shown to come from (`engine.senders.sender_text`); one that comes from somebody else is left.
    """

    looked_at: int | None = None
    senders: dict[str, str] | None = None


class WholeArgs(Named):
    """`senders`: as they were shown by `approval.senders`; None: whoever they are."""

    senders: dict[str, str] | None = None


class RejectArgs(SetArgs):
    reason: str = Field(min_length=1, max_length=500)


class ShowArgs(Args):
    job: int


class EditArgs(Args):
    """`seen`: the job as [id, state, lease] as it was shown. A part that is left out stays as it would be sent now."""

    job: int
    seen: tuple[int, str, int] | None = None
    subject: str | None = Field(default=None, max_length=1_000)
    text: str | None = Field(default=None, max_length=LONGEST)
    html: str | None = Field(default=None, max_length=LONGEST)


@action("approval.approve", ApproveArgs)
async def approve(context: Context, args: ApproveArgs, actor: Actor) -> Result:
    """Let messages that wait for approval be sent, each as it stands and in its campaign's pacing, order kept."""
    result, names = SetResult(), list[str]()
    for campaign_id, mine in (await by_campaign(context, args.jobs())).items():
        if campaign_id is None:
            result.refuse(mine, "it is no message, or there is no such job")
            continue
        async with context.planning(campaign_id):
            campaign = await context.store.get_campaign(campaign_id)

            def tell(n: int, name: str = campaign.name, id: int = campaign_id) -> Event:
                return event_of("approval.approved", f"approved {messages(n)} of {name}", actor, args, id)

            slots = _Slots(context, campaign)
            before = result.n
            for at in range(0, len(mine), SLICE):
                given = await _given(context, mine[at : at + SLICE], args, slots, result)
                if given:
                    result.add(await context.store.approve_jobs(given, actor.user, tell))
            if result.n > before:
                names.append(campaign.name)
                if campaign.state is CampaignState.PAUSED:
                    result.notes.append(f"{campaign.name} is paused: they wait for its resume")
    context.hooks.wake()
    return result.told("approved", "nothing was approved", approved=result.n, campaigns=names)


async def _given(
    context: Context, jobs: Sequence[Seen], args: ApproveArgs, slots: _Slots, result: SetResult
) -> list[Approved]:
    """The yes to each of these that can be composed, in the order of their plan."""
    found = await context.store.awaiting([job.id for job in jobs])
    given: list[Approved] = []
    in_order = sorted(jobs, key=lambda job: (found[job.id].due_at if job.id in found else 0, job.id))
    for n, job in enumerate(in_order, 1):
        if not n % approving.PART:
            await asyncio.sleep(0)
        one = found.get(job.id)
        if one is None:
            result.refuse([job], "its campaign does not ask for approval of each message")
            continue
        if args.looked_at is not None and one.written_at > args.looked_at:
            result.left.append(Left(job.id, True, "its message was written anew since it was shown"))
            continue
        if one.state != "held" or one.reason != "approval":
            # The store compares, and says why not.
            given.append(Approved(job, one.due_at, one.gap, ""))
            continue
        try:
            digest = await approving.digest(context, one)
        except PacelineError as error:
            result.refuse([job], f"it cannot be made: {error.message}")
            continue
        if other := await slots.other_sender(one, args.senders):
            result.left.append(Left(job.id, True, f"its sender changed since it was shown: {other}"))
            continue
        due_at, gap = await slots.of(one)
        given.append(Approved(job, due_at, gap, digest))
    return given


class _Slots:
    """The slots of approved messages: behind those of their step that wait already, in the campaign's pacing. A further
    step keeps the time that its wait gave it."""

    def __init__(self, context: Context, campaign: Campaign) -> None:
        self._context = context
        self._campaign = campaign
        self._limits: dict[int, Limits] = {}
        self._plans: dict[tuple[int, int], Iterator[Slot]] = {}
        self._steps: dict[int, Step] = {}
        self._senders: dict[int, approving.Sender] | None = None

    async def other_sender(self, one: Awaiting, shown: dict[str, str] | None) -> str:
        """How who a message comes from differs from what was `shown` by account; "" where it does not."""
        if shown is None:
            return ""
        if self._senders is None:
            self._senders = await approving.senders(self._context, self._campaign)
        sender = self._senders.get(one.job.queue_id)
        return approving.differs(sender, shown) if sender is not None and sender.account in shown else ""

    async def of(self, one: Awaiting) -> tuple[int, int]:
        """Due time (us) and gap of one message."""
        job, now = one.job, self._context.clock.now()
        if not self._limits:
            self._limits = await routes.limits_of(self._context, self._campaign)
            self._steps = {step.id: step for step in await self._context.store.get_steps(self._campaign.id)}
        limits = self._limits.get(job.queue_id)
        if limits is None:
            return max(now, one.due_at), one.gap
        own = plans.own_time(self._campaign, limits)
        if not one.first:
            return own(max(now, one.due_at), job.fields), one.gap
        key = (job.queue_id, one.step_id)
        if key not in self._plans:
            last = await self._context.store.last_due(self._campaign.id, *key)
            start = max(now, last)
            self._plans[key] = plans.slots_for(
                self._campaign, limits, start=start, salt=start, step=self._steps[one.step_id]
            )
        slot = next(self._plans[key])
        return own(slot.due_at, job.fields), slot.gap


@action("approval.reject", RejectArgs)
async def reject(context: Context, args: RejectArgs, actor: Actor) -> Result:
    """Messages that wait for approval will not be sent, for this reason."""
    result = SetResult()
    for campaign_id, mine in (await by_campaign(context, args.jobs())).items():

        def tell(n: int, id: int | None = campaign_id) -> Event:
            return event_of("approval.rejected", f"rejected {messages(n)}: {args.reason}", actor, args, id)

        for at in range(0, len(mine), SLICE):
            part = mine[at : at + SLICE]
            result.add(await context.store.reject_jobs(part, args.reason, actor.user, tell))
    context.hooks.wake()
    return result.told("rejected", "nothing was rejected", rejected=result.n)


@action("approval.show", ShowArgs, reads=True)
async def show(context: Context, args: ShowArgs, actor: Actor) -> Result:
    """One message as it would leave: its texts, as somebody would edit them."""
    one = await _waiting(context, args.job)
    letter = approving.letter_of(await approving.composed(context, one))
    return {
        "success": True,
        "job": args.job,
        "seen": [one.job.id, one.state, one.job.lease],
        "subject": letter.subject,
        "text": letter.text,
        "html": letter.html,
        "own": one.job.letter is not None,
    }


async def _waiting(context: Context, job_id: int) -> Awaiting:
    one = (await context.store.awaiting([job_id])).get(job_id)
    if one is None:
        raise NotFoundError(
            f"job {job_id} is no message that is approved by itself", hint="see `paceline approval list`"
        )
    return one


@action("approval.edit", EditArgs)
async def edit(context: Context, args: EditArgs, actor: Actor) -> Result:
    """Give one message that waits for approval its own text, which is sent as it stands: nothing in it is a field."""
    one = await _waiting(context, args.job)
    if args.subject is None and args.text is None and args.html is None:
        raise UsageError("nothing was given to change", hint="see --help of the command")
    now_said = approving.letter_of(await approving.composed(context, one))
    letter = Letter(
        now_said.subject if args.subject is None else args.subject,
        now_said.text if args.text is None else args.text,
        now_said.html if args.html is None else args.html,
    )
    await approving.composed(context, replace(one, job=replace(one.job, letter=letter)))
    seen = Seen(*args.seen) if args.seen else Seen(one.job.id, one.state, one.job.lease)
    event = audit("approval.edited", f"wrote the text of job {args.job} anew", actor)
    await context.store.write_letter(seen, letter, actor.user, event)
    context.hooks.wake()
    return {"success": True, "job": args.job, "message": f"job {args.job} has its own text now: it waits for approval"}


@action("approval.senders", Named, reads=True)
async def show_senders(context: Context, args: Named, actor: Actor) -> Result:
    """Who a campaign sends as by each of its accounts, as this engine has read the configuration: `words` for people,
    `senders` for the yes that follows."""
    found = dict((await approving.senders(context, await find(context, args))).values())
    return {
        "success": True,
        "campaign": args.name,
        "senders": found,
        "words": {name: in_words(text) for name, text in found.items()},
    }


@action("approval.approve_campaign", WholeArgs)
async def approve_campaign(context: Context, args: WholeArgs, actor: Actor) -> Result:
    """Approve a campaign as a whole, and let it go on where its pause waited for that: by its pacing, as a resume."""
    campaign = await find(context, Named(name=args.name, version=args.version))
    senders = await approving.senders(context, campaign)
    as_texts = {queue_id: one.text for queue_id, one in senders.items()}
    if changes := [change for one in senders.values() if (change := approving.differs(one, args.senders))]:
        raise RefusedError(
            f"campaign '{args.name}' changed its sender since it was shown: {'; '.join(changes)}",
            hint="look again, then decide",
        )
    event = audit("approval.approved", f"approved campaign {campaign.name}", actor, campaign_id=campaign.id)
    waited = await context.store.approve_campaign(campaign.id, args.version, actor.user, event, as_texts)
    if waited:
        resumed = await campaigns.resume(context, Named(name=campaign.name), actor)
        return {**resumed, "approved": True, "message": f"approved {campaign.name}: {resumed['message']}"}
    context.hooks.wake()
    now = await context.store.get_campaign(campaign.id)
    stays = f"; it stays paused ({now.pause_reason})" if now.state is CampaignState.PAUSED else ""
    return described(now, f"approved {campaign.name}{stays}", approved=True)
