"""`daily_prospect_queue`: prospects found, scored, written to in draft, and laid before a person, every day.

Six stages: the quota of the day, discovery, filter and rank, drafts, the queue for approval, the events. It sends
nothing: its messages are held in a campaign until somebody approves them, and go then by that campaign's pacing.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import datetime
from typing import Any, ClassVar

from engine.planning.caps import midnight
from engine.processors.context import RunContext
from engine.processors.pipeline import Course, Pipeline, StageCode, StageEnd
from engine.processors.processor import Again, Empty, Held, Outcome
from engine.prospects.answers import SourceError
from engine.prospects.drafts import Undrafted, draft_one, make_generator
from engine.prospects.prospect import Prospect
from engine.prospects.scoring import rank
from engine.prospects.settings import ProspectSettings
from engine.prospects.source import read_prospects
from storage.errors import NotFoundError, RefusedError
from storage.events import Event
from storage.model import SECOND
from storage.prospect_facts import added_since, known, laid_by, suppressed

AT_ONCE = 10
"""Drafts that are written at once: a generator may ask a service."""
SLICE = 200
"""Messages that are laid before a person in one transaction."""
SHOWN_ERRORS = 20
DRAFTS = "drafts"
"""The list of items that holds the drafts of a run."""


class DailyProspects(Pipeline[ProspectSettings]):
    kind: ClassVar[str] = "daily_prospect_queue"
    about: ClassVar[str] = "find, score and draft for new prospects, and queue the messages for approval"
    payload = ProspectSettings
    stages: ClassVar[tuple[str, ...]] = ("quota", "discover", "rank", "draft", "queue", "events")
    funnel: ClassVar[tuple[str, ...]] = (
        "discovered", "scored", "high_priority", "uncontacted", "selected", "generated", "queued",
    )  # fmt: skip

    def __init__(self) -> None:
        self._laying = asyncio.Lock()
        """Two runs at once share the day's quota."""

    def steps(self) -> tuple[StageCode, ...]:
        return (_quota, _discover, _rank, _draft, self._queue, _events)

    def result(self, payload: ProspectSettings, course: Course) -> dict[str, Any]:
        counts = course.counters
        return {
            "prospectsDiscovered": counts.get("discovered", 0),
            "prospectsScored": counts.get("scored", 0),
            "prospectsQueued": counts.get("queued", 0),
            "emailsGenerated": counts.get("generated", 0),
            "dailyLimit": payload.per_day,
            "errors": course.outputs.get("errors", []),
            "executionTime": course.took // 1_000,
            **counts,
        }

    def outcome(self, payload: ProspectSettings, course: Course) -> Outcome:
        course.flags += payload.expect.missed(course.counters)
        if not course.counters["queued"]:
            return Empty("; ".join(["nobody was queued", *course.flags]), self.result(payload, course))
        return super().outcome(payload, course)

    async def _queue(self, context: RunContext, payload: ProspectSettings, course: Course) -> StageEnd:
        """Lay the messages before a person. Safe to repeat: who has one in this campaign gets no second, and those that
        an earlier try of this run laid are counted as its own."""
        await _campaign(context, payload)
        drafted, errors = await _drafted(context, course), list(course.outputs["errors"])
        laid, out_of_reach = set[int](), 0
        async with self._laying:
            people = drafted[: await _room(context, payload, course)]
            for at in range(0, len(people), SLICE):
                answer = await _lay(context, payload, people[at : at + SLICE], course)
                laid.update(answer["jobs"].values())
                out_of_reach += len(answer["suppressed"])
                errors += [f"{one['address']}: {one['why']}" for one in answer["rejected"]]
                await context.progress(min(at + SLICE, len(people)), len(people), "queue")
            jobs = await _own(context, course)
        rejected, over = len(errors) - len(course.outputs["errors"]), len(drafted) - len(people)
        flags = [f"{rejected:,} messages could not be made"] if rejected else []
        flags += [f"{over:,} were over the day's limit: another run queued meanwhile"] if over else []
        return StageEnd(
            {
                "queued": len(jobs), "known": len(laid - set(jobs)), "suppressed": out_of_reach, "rejected": rejected,
                "over_limit": over,
            },
            {"jobs": jobs, "errors": errors[:SHOWN_ERRORS]},
            note=f"they wait for approval: paceline approval list --campaign {payload.campaign}" if jobs else "",
            flag="; ".join(flags),
        )  # fmt: skip


async def _campaign(context: RunContext, payload: ProspectSettings) -> int:
    """The campaign that messages are laid into. Raises Held when there is none that waits for approval."""
    try:
        campaign = await context.store.get_campaign(payload.campaign)
    except NotFoundError:
        raise Held(
            f"there is no campaign '{payload.campaign}' - make one that waits for approval: "
            f"paceline campaign new {payload.campaign} --account NAME --template FILE --approval message"
        ) from None
    if campaign.approval != "message":
        raise Held(
            f"campaign '{campaign.name}' does not wait for approval, message by message - "
            f"paceline campaign edit {campaign.name} --approval message"
        )
    return campaign.id


def _midnight(context: RunContext) -> int:
    """When the day began in the configured zone (us)."""
    zone = context.config.tz
    return midnight(datetime.fromtimestamp(context.now() // SECOND, zone).date(), zone)


async def _quota(context: RunContext, payload: ProspectSettings, course: Course) -> StageEnd:
    """How many may still be queued today, by the configured zone's day."""
    campaign_id, since = await _campaign(context, payload), _midnight(context)
    queued = await context.read(lambda reader: added_since(reader, campaign_id, since))
    remaining = max(0, payload.per_day - queued)
    stop = "" if remaining else f"{queued:,} were queued today already, and {payload.per_day:,} is the day's limit"
    return StageEnd(
        {"queued_today": queued, "daily_limit": payload.per_day, "remaining": remaining},
        {"remaining": remaining, "campaign_id": campaign_id},
        stop=stop,
    )


async def _discover(context: RunContext, payload: ProspectSettings, course: Course) -> StageEnd:
    try:
        found = await read_prospects(payload.source.source(), columns=payload.columns, bounds=payload.bounds)
    except SourceError as error:
        if error.passing:
            raise Again(error.message, wait=error.wait or None) from error
        raise Held(f"{error.message} - {error.hint}") from error
    # What was read counts, usable or not: a source that gives 150 rows has been discovered, whatever becomes of them.
    return StageEnd(
        {"discovered": found.rows, "checked": found.rows, "unusable": len(found.rejects)},
        {"prospects": [asdict(one) for one in found.prospects]},
        note=payload.source.shown,
        flag=found.cut,
        stop="" if found.prospects else f"{payload.source.shown} holds no prospect that can be used",
    )


async def _rank(context: RunContext, payload: ProspectSettings, course: Course) -> StageEnd:
    prospects = [Prospect(**one) for one in course.outputs["prospects"]]
    keys, campaign_id = [one.key for one in prospects if one.key], course.outputs["campaign_id"]
    contacted = await context.read(lambda reader: known(reader, campaign_id, keys))
    barred = await context.read(lambda reader: suppressed(reader, campaign_id, keys, context.now()))
    limit = min(payload.per_run, course.outputs["remaining"])
    ranking = await context.in_thread(rank, prospects, payload.criteria, contacted, limit, barred)
    dropped = "; ".join(f"{reason}: {n:,}" for reason, n in sorted(ranking.dropped.items()))
    return StageEnd(
        {
            "scored": len(ranking.scored),
            "high_priority": len(ranking.high),
            "uncontacted": len(ranking.uncontacted),
            "selected": len(ranking.selected),
        },
        {
            "selected": [
                {**asdict(one.prospect), "score": one.score.points, "reasons": list(one.score.reasons)}
                for one in ranking.selected
            ],
        },
        note=f"left out - {dropped}" if dropped else "",
        stop="" if ranking.selected else "nobody is left who fits and was never written to",
    )


async def _draft(context: RunContext, payload: ProspectSettings, course: Course) -> StageEnd:
    """Write the drafts; they are kept as items of the job."""
    generator = await context.in_thread(make_generator, payload.generator, payload.draft_options)

    async def one(selected: dict[str, Any]) -> dict[str, Any]:
        prospect = Prospect(**{key: value for key, value in selected.items() if key not in ("score", "reasons")})
        draft = await draft_one(generator, prospect)
        if isinstance(draft, Undrafted):
            raise ValueError(f"{prospect.address}: {draft.reason}")
        return {
            "address": prospect.address,
            "fields": {**prospect.values(), "score": str(selected["score"])},
            "subject": draft.subject,
            "text": draft.text,
            "html": draft.html,
            "note": f"score {selected['score']}: {', '.join(selected['reasons'])}",
        }

    mapped = await context.map(course.outputs["selected"], one, AT_ONCE, name=DRAFTS, key=lambda each: str(each["key"]))
    return StageEnd(
        {"generated": len(mapped.values), "not_generated": mapped.failed},
        {"errors": sorted(mapped.errors.values())[:SHOWN_ERRORS]},
        flag=f"{mapped.failed:,} drafts could not be written" if mapped.failed else "",
        stop="" if mapped.values else "no draft could be written",
    )


async def _drafted(context: RunContext, course: Course) -> list[dict[str, Any]]:
    """Who has a draft, with it, the highest score first."""
    kept = await context.store.items_done(context.job_id, DRAFTS)
    return [json.loads(kept[one["key"]]) for one in course.outputs["selected"] if one["key"] in kept]


async def _own(context: RunContext, course: Course, since: int = 0) -> list[int]:
    """The messages that this run laid before a person, also in an earlier try; only those made since then (us)."""
    return await context.read(
        lambda reader: laid_by(reader, course.outputs["campaign_id"], context.actor, context.task.batch_id, since)
    )


async def _room(context: RunContext, payload: ProspectSettings, course: Course) -> int:
    """How many messages this run may have made today, with those that it has made."""
    campaign_id, since = course.outputs["campaign_id"], _midnight(context)
    today = await context.read(lambda reader: added_since(reader, campaign_id, since))
    return max(0, payload.per_day - today + len(await _own(context, course, since)))


async def _lay(
    context: RunContext, payload: ProspectSettings, people: list[dict[str, Any]], course: Course
) -> dict[str, Any]:
    """Lay one slice before a person. Raises Held for what a person must put right first, Again for what will pass."""
    try:
        return await context.act(
            "approval.draft", campaign=payload.campaign, people=people, origin=f"job {context.job_id}"
        )
    except RefusedError as error:
        words = f"{error.message} - {error.hint}" if error.hint else error.message
        under_way, _ = await context.store.loading(course.outputs["campaign_id"])
        raise (Again(words) if under_way else Held(words)) from error


async def _events(context: RunContext, payload: ProspectSettings, course: Course) -> StageEnd:
    """One event for the run and one for each message, written together with the end of this stage."""
    campaign_id, jobs = course.outputs["campaign_id"], course.outputs["jobs"]
    whole = Event(
        "daily_queue_completed",
        f"{len(jobs):,} messages of {payload.campaign} were queued for approval",
        campaign_id=campaign_id,
        job_id=context.job_id,
        n=len(jobs),
        data=dict(course.counters),
    )
    each = [
        Event("email_queued_for_approval", f"message {job} waits for approval", campaign_id=campaign_id, job_id=job)
        for job in jobs
    ]
    return StageEnd({"events": 1 + len(each)}, events=(*each, whole))
