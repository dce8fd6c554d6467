"""`cleanup_old_data`: removes background jobs that are over, log entries that no person made and firings of schedules,
once they are old."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from engine.processors.context import RunContext
from engine.processors.processor import Done, Empty, Outcome, Payload, Processor
from storage.model import DAY
from storage.pruning import old_events, old_firings, old_jobs
from storage.reader import Reader

What = Literal["jobs", "logs", "firings"]
COUNT: dict[What, Callable[[Reader, int], int]] = {"jobs": old_jobs, "logs": old_events, "firings": old_firings}


class Cleanup(Payload):
    """What is removed, and from which age on."""

    days: int | None = Field(default=None, ge=1, le=3_650, description="how long it is kept; by default as [retention]")
    what: tuple[What, ...] = Field(default=("jobs", "logs", "firings"), min_length=1)


class CleanupOldData(Processor[Cleanup]):
    kind = "cleanup_old_data"
    about = "removes old background jobs, log entries and firings; messages and what people did are kept"
    payload = Cleanup
    retries = 2
    priority = 3

    async def run(self, context: RunContext, payload: Cleanup) -> Outcome:
        removed: dict[str, int] = {}
        for what in dict.fromkeys(payload.what):
            kept = payload.days * DAY if payload.days else getattr(context.config.retention, what)
            if kept:  # 0: for ever
                removed[what] = await _remove(context, what, context.now() - kept)
        if not any(removed.values()):
            return Empty("nothing was old enough", dict(removed))
        return Done(dict(removed))


async def _remove(context: RunContext, what: What, before: int) -> int:
    """Remove everything of this sort from before a time (us), a slice at a time; returns how much."""
    total = await context.read(lambda reader: COUNT[what](reader, before))
    removed = 0
    after: int | None = 0
    while after is not None:
        context.check()
        answer = await context.act("retention.prune", what=what, before=before, after=after)
        removed, after = removed + answer["removed"], answer["next"]
        await context.progress(removed, total, what)
    return removed
