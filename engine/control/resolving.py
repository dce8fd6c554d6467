"""A person's word on many uncertain messages at once: only ever that they were sent."""

from __future__ import annotations

from pydantic import Field

from engine.control.actions import Args, Context, Result, action, audit
from storage.errors import RefusedError
from storage.model import Actor


class SentArgs(Args):
    ids: list[int] = Field(min_length=1, max_length=1000)


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
