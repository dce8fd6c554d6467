"""Taking out of the store what is kept no longer, by hand or by the job `cleanup_old_data`."""

from __future__ import annotations

from typing import Literal

from engine.control.actions import Args, Context, Result, action, audit
from engine.planning.durations import format_duration
from storage.errors import UsageError
from storage.model import HOUR, Actor

SLICES = 20
"""Transactions of one call: who asks can show how far it is, and end between two calls."""
YOUNGEST = HOUR
"""Nothing younger (us) is removed: a person may still be looking at it."""
WORDS = {"jobs": "background jobs", "logs": "log entries", "firings": "firings of schedules"}


class PruneArgs(Args):
    """`before`: what ended, or was written, earlier (us) goes; `after`: where the last call came to."""

    what: Literal["jobs", "logs", "firings"]
    before: int
    after: int = 0


@action("retention.prune", PruneArgs)
async def prune(context: Context, args: PruneArgs, actor: Actor) -> Result:
    """Remove background jobs that are over, log entries that no person made, or firings of schedules: one call's worth.
    `next` says where the next call goes on (None: it is done)."""
    now = context.clock.now()
    if args.before > now - YOUNGEST:
        raise UsageError(
            f"what is younger than {format_duration(YOUNGEST)} is never removed", hint="name a longer time"
        )
    store = context.store
    remove = {"jobs": store.prune_jobs, "logs": store.prune_events, "firings": store.prune_firings}[args.what]
    removed, after = 0, args.after
    for _ in range(SLICES):
        slice_ = await remove(args.before, after)
        removed += slice_.removed
        if slice_.after is None:
            break
        after = slice_.after
    if removed:
        age = format_duration(now - args.before)
        words = f"removed {removed:,} {WORDS[args.what]} older than {age}"
        await context.store.add_event(audit("retention.pruned", words, actor, n=removed, data={"what": args.what}))
    done = slice_.after is None
    return {"success": True, "what": args.what, "removed": removed, "next": None if done else after}
