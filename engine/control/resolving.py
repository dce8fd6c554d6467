"""A person's word on uncertain messages: of one either word, of many at once only ever that they were sent."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.control.actions import Args, Context, Result, action, audit
from storage.errors import RefusedError
from storage.model import Actor, CampaignState


class ResolveArgs(Args):
    job: int
    verdict: Literal["sent", "again"]


class SentArgs(Args):
    ids: list[int] = Field(min_length=1, max_length=1000)


@action("job.resolve", ResolveArgs)
async def resolve(context: Context, args: ResolveArgs, actor: Actor) -> Result:
    """A person's word on an uncertain job. `again` may duplicate it: only a person may ask for that."""
    sent = args.verdict == "sent"
    work = (await context.store.job_campaigns([args.job])).get(args.job, 0) is None
    done, again = ("was done", "runs") if work else ("was sent", "sends")
    text = f"says that job {args.job} {done}" if sent else f"{again} job {args.job} again (may be a duplicate)"
    campaign_id = await context.store.resolve(
        args.job, sent=sent, event=audit("job.resolved", text, actor, job_id=args.job)
    )
    if not sent and campaign_id is not None:
        campaign = await context.store.get_campaign(campaign_id)
        if campaign.state is CampaignState.COMPLETED:
            await context.store.activate_campaign(campaign_id, None, execution="retry", queued=1, user=actor.user)
    context.hooks.wake()
    return {"success": True, "job": args.job, "verdict": args.verdict, "message": text}


@action("job.sent", SentArgs)
async def sent(context: Context, args: SentArgs, actor: Actor) -> Result:
    """Say of these uncertain jobs that they were sent. One that is not uncertain any more is left as it is: there is
    no group that sends again."""
    done = 0
    ids = sorted(set(args.ids))
    for job_id in ids:
        event = audit("job.resolved", f"says that job {job_id} was sent", actor, job_id=job_id)
        try:
            await context.store.resolve(job_id, sent=True, event=event)
        except RefusedError:
            continue
        done += 1
    context.hooks.wake()
    changed = len(ids) - done
    message = f"{done:,} counted as sent" if done else "nothing was changed"
    if changed:
        message += f", {changed:,} were not uncertain any more"
    return {"success": True, "resolved": done, "refused": changed, "empty": not done, "message": message}
