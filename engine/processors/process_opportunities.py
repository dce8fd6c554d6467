"""`process_opportunities`: has an offer made for every open opportunity, those worth most first.

Two ways: a job for each, which has its own priority, retries and place in the queue; or items of this one job, which is
lighter where there are many and none is more urgent than another.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Literal

from pydantic import Field

from engine.processors.context import RunContext
from engine.processors.local_rows import records
from engine.processors.opportunities import (
    OfferRules,
    OpportunitiesFile,
    Opportunity,
    make_offer,
    noted_of,
    today_of,
    urgency_of,
)
from engine.processors.options import options_of
from engine.processors.process_opportunity_offer import ProcessOpportunityOffer
from engine.processors.processor import Done, Empty, Held, Outcome, Payload, Permanent, Processor
from engine.processors.results import NAMED
from storage.errors import UsageError

SLICE = 500
"""Jobs of one call of control."""
AT_ONCE = 50


class Opportunities(Payload):
    """Which opportunities are worked on, and how."""

    opportunities: OpportunitiesFile = "opportunities.csv"
    statuses: tuple[str, ...] = Field(default=("new", "qualified", "proposal"), min_length=1, max_length=20)
    most: int = Field(default=500, ge=1, le=10_000, description="those worth most; the others are left for another run")
    way: Literal["jobs", "items"] = Field(default="jobs", description="a job for each, or items of this one")


class ProcessOpportunities(Processor[Opportunities]):
    kind = "process_opportunities"
    about = "has an offer made for each open opportunity, those worth most first"
    payload = Opportunities

    async def run(self, context: RunContext, payload: Opportunities) -> Outcome:
        chosen, rejects, left = await self._chosen(context, payload)
        result: dict[str, Any] = {"success": True, "queued": 0, "left": left, "rejected": len(rejects)}
        if rejects:
            result["rejects"] = rejects[:NAMED]
        if not chosen:
            return Empty(f"no opportunity of {payload.opportunities} is {', '.join(payload.statuses)}"[:300], result)
        result |= await (_queue if payload.way == "jobs" else _make)(context, payload, chosen)
        return Done(result, flag=f"{len(rejects):,} rows were rejected: {rejects[0]}" if rejects else "")

    async def _chosen(self, context: RunContext, payload: Opportunities) -> tuple[list[Opportunity], list[str], int]:
        """Those to be worked on, the most valuable first; why rows cannot be; how many are left for another run."""
        noted = await noted_of(context)
        try:
            found, rejects = await context.in_thread(_read, context, payload)
        except UsageError as error:
            raise Held(f"{error.message} - {error.hint}" if error.hint else error.message) from None
        wanted = {status.lower() for status in payload.statuses}
        status = {one.id: noted.get(one.id, {}).get("status", one.status) for one in found}
        mine = {ident for ident, record in noted.items() if record.get("job") == str(context.job_id)}
        open_ones = [one for one in found if status[one.id] in wanted or (payload.way == "items" and one.id in mine)]
        open_ones.sort(key=lambda one: (-one.value, one.id))
        return open_ones[: payload.most], rejects, max(0, len(open_ones) - payload.most)


def _read(context: RunContext, payload: Opportunities) -> tuple[list[Opportunity], list[str]]:
    """The opportunities of the file, and why rows are none. Of an id in two rows neither is taken: which one is meant
    is not known."""
    found: list[tuple[int, Opportunity]] = []
    rejects: list[tuple[int, str]] = []
    for ident, record, row in records(context.path(payload.opportunities), "opportunity"):
        try:
            if row.problem:
                raise Permanent(row.problem)
            found.append((row.number, Opportunity.of(ident, record)))
        except Permanent as error:
            rejects.append((row.number, str(error)))
    times = Counter(one.id for _, one in found)
    rejects += [(number, f"opportunity {one.id} stands there twice") for number, one in found if times[one.id] > 1]
    return [one for _, one in found if times[one.id] == 1], [f"row {number}: {why}" for number, why in sorted(rejects)]


async def _queue(context: RunContext, payload: Opportunities, chosen: list[Opportunity]) -> dict[str, Any]:
    """A job for each, all of them or none; one that has an open job already gets no second."""
    weights, today = context.config.jobs.priority, today_of(context)
    rows = [
        {
            "kind": ProcessOpportunityOffer.kind,
            "payload": {"opportunity_id": one.id, "opportunities": payload.opportunities},
            "urgency": urgency_of(one, weights.urgency, today),
            "tier": one.tier if one.tier in weights.tier else "",
            "value": float(one.value),
            "unique": one.id,
        }
        for one in chosen
    ]
    origin = f"job {context.job_id}"
    batch_id = (await context.act("job.begin", name=f"opportunities of {origin}"))["batch_id"]
    queued = known = 0
    try:
        for at in range(0, len(rows), SLICE):
            context.check()
            made = await context.act("job.rows", batch_id=batch_id, rows=rows[at : at + SLICE], origin=origin)
            if not made["success"]:
                wrong = made["errors"][0]
                raise Permanent(f"opportunity {chosen[at + wrong['row'] - 1].id}: {wrong['error']}")
            queued, known = queued + made["added"], known + made["known"]
            await context.progress(queued + known, len(rows))
        await context.act("job.commit", batch_id=batch_id)
    except BaseException:
        await asyncio.shield(context.act("job.discard", batch_id=batch_id))
        raise
    return {"queued": queued, "known": known, "batch_id": batch_id if queued else None}


async def _make(context: RunContext, payload: Opportunities, chosen: list[Opportunity]) -> dict[str, Any]:
    """The offers as items of this job; those of an earlier try are not made again."""
    rules = options_of(context, OfferRules, ProcessOpportunityOffer.kind)

    async def one(opportunity: Opportunity) -> dict[str, Any]:
        return await make_offer(context, opportunity, rules)

    mapped = await context.map(chosen, one, AT_ONCE, name="offers", key=lambda opportunity: opportunity.id)
    failed = {ident: mapped.errors[ident] for ident in list(mapped.errors)[:NAMED]}
    return {"queued": 0, "made": len(mapped.values), "failed": mapped.failed, **({"errors": failed} if failed else {})}
