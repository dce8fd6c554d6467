"""`daily_prospect_queue`: prospects found, scored, written to in draft, and laid before a person, every day.

Six stages: the quota of the day, discovery, filter and rank, drafts, the queue for approval, the events. It sends
nothing: its messages are held in a campaign until somebody approves them, and go then by that campaign's pacing.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, ClassVar

from engine.planning.caps import midnight
from engine.processors.context import RunContext
from engine.processors.pipeline import Course, Pipeline, StageCode, StageEnd
from engine.processors.processor import Again, Done, Empty, Held, Outcome
from engine.prospects.answers import SourceError
from engine.prospects.drafts import Undrafted, draft_one, make_generator
from engine.prospects.prospect import Prospect
from engine.prospects.scoring import rank
from engine.prospects.settings import ProspectSettings
from engine.prospects.source import read_prospects
from storage.errors import NotFoundError
from storage.events import Event
from storage.model import SECOND
from storage.reader import Reader

AT_ONCE = 10
"""Drafts that are written at once: a generator may ask a service."""
SLICE = 200
"""Messages that are laid before a person in one transaction."""
SHOWN_ERRORS = 20

_MADE_SINCE = (
    "SELECT count(*) AS n FROM (SELECT created_at FROM jobs WHERE campaign_id = ? ORDER BY id DESC LIMIT ?) "
    "WHERE created_at >= ?"
)
_CONTACTED = "SELECT DISTINCT address_key FROM recipients INDEXED BY recipients_key WHERE address_key IN "
_LOOKED_UP = 500


class DailyProspects(Pipeline[ProspectSettings]):
    kind: ClassVar[str] = "daily_prospect_queue"
    about: ClassVar[str] = "find, score and draft for new prospects, and queue the messages for approval"
    payload = ProspectSettings
    stages: ClassVar[tuple[str, ...]] = ("quota", "discover", "rank", "draft", "queue", "events")
    funnel: ClassVar[tuple[str, ...]] = (
        "discovered", "scored", "high_priority", "uncontacted", "selected", "generated", "queued",
    )  # fmt: skip

    def steps(self) -> tuple[StageCode, ...]:
        return (_quota, _discover, _rank, _draft, _queue, _events)

    async def result(self, context: RunContext, payload: ProspectSettings, course: Course, flags: list[str]) -> Outcome:
        counts = course.counters
        result = {
            "prospectsDiscovered": counts["discovered"],
            "prospectsScored": counts["scored"],
            "prospectsQueued": counts["queued"],
            "emailsGenerated": counts["generated"],
            "dailyLimit": payload.per_day,
            "errors": course.outputs.get("errors", []),
            "executionTime": (context.now() - context.task.started_at) // 1_000,
            **counts,
        }
        flags += payload.expect.missed(counts)
        if not counts["queued"]:
            return Empty("; ".join(["nobody was queued", *flags]), result)
        return Done(result, "; ".join(flags))


async def _campaign(context: RunContext, payload: ProspectSettings) -> int:
    """The campaign that messages are laid into. Raises Held when there is none that waits for approval."""
    try:
        campaign = await context.store.get_campaign(payload.campaign)
    except NotFoundError:
        raise Held(
            f"there is no campaign '{payload.campaign}' - paceline campaign new {payload.campaign} --approval message"
        ) from None
    if campaign.approval != "message":
        raise Held(
            f"campaign '{campaign.name}' does not wait for approval, message by message - "
            f"paceline campaign edit {campaign.name} --approval message"
        )
    return campaign.id


async def _quota(context: RunContext, payload: ProspectSettings, course: Course) -> StageEnd:
    """How many may still be queued today, by the configured zone's day."""
    campaign_id = await _campaign(context, payload)
    zone = context.config.tz
    since = midnight(datetime.fromtimestamp(context.now() // SECOND, zone).date(), zone)

    def look(reader: Reader) -> int:
        row = reader.one(_MADE_SINCE, (campaign_id, payload.per_day + 1, since))
        return int(row["n"]) if row else 0

    queued = await context.read(look)
    remaining = max(0, payload.per_day - queued)
    stop = "" if remaining else f"{payload.per_day:,} were queued today already, which is the day's limit"
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
        raise
    flag = found.cut
    # What was read counts, usable or not: a source that gives 150 rows has been discovered, whatever becomes of them.
    return StageEnd(
        {"discovered": found.rows, "checked": found.rows, "unusable": len(found.rejects)},
        {"prospects": [asdict(one) for one in found.prospects]},
        note=payload.source.shown,
        flag=flag,
        stop="" if found.prospects else f"{payload.source.shown} holds no prospect that can be used",
    )


async def _rank(context: RunContext, payload: ProspectSettings, course: Course) -> StageEnd:
    prospects = [Prospect(**one) for one in course.outputs["prospects"]]
    keys = [one.key for one in prospects if one.key]

    def look(reader: Reader) -> set[str]:
        known: set[str] = set()
        for at in range(0, len(keys), _LOOKED_UP):
            part = keys[at : at + _LOOKED_UP]
            marks = f"({', '.join('?' * len(part))})"
            known |= {row["address_key"] for row in reader.rows(f"{_CONTACTED}{marks}", tuple(part))}
        return known

    contacted = await context.read(look)
    limit = min(payload.per_run, course.outputs["remaining"])
    ranking = await context.in_thread(rank, prospects, payload.criteria, contacted, limit)
    dropped = ", ".join(f"{reason} {n:,}" for reason, n in sorted(ranking.dropped.items()))
    return StageEnd(
        {
            "scored": len(ranking.scored),
            "high_priority": len(ranking.high),
            "uncontacted": len(ranking.uncontacted),
            "selected": len(ranking.selected),
        },
        {
            # The others are no longer needed: a run that begins again goes on from here.
            "prospects": [],
            "selected": [
                {**asdict(one.prospect), "score": one.score.points, "reasons": list(one.score.reasons)}
                for one in ranking.selected
            ],
        },
        note=dropped,
        stop="" if ranking.selected else "nobody is left who fits and was never written to",
    )


async def _draft(context: RunContext, payload: ProspectSettings, course: Course) -> StageEnd:
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

    chosen = course.outputs["selected"]
    mapped = await context.map(chosen, one, AT_ONCE, name="drafts", key=lambda selected: str(selected["key"]))
    people = [mapped.values[one["key"]] for one in chosen if one["key"] in mapped.values]
    return StageEnd(
        {"generated": len(people), "not_generated": mapped.failed},
        {"people": people, "selected": [], "errors": sorted(mapped.errors.values())[:SHOWN_ERRORS]},
        flag=f"{mapped.failed:,} drafts could not be written" if mapped.failed else "",
        stop="" if people else "no draft could be written",
    )


async def _queue(context: RunContext, payload: ProspectSettings, course: Course) -> StageEnd:
    """Lay the messages before a person. Safe to repeat: who has one in this campaign gets no second."""
    await _campaign(context, payload)
    people, jobs, known, suppressed = course.outputs["people"], list[int](), 0, 0
    for at in range(0, len(people), SLICE):
        laid = await context.act(
            "approval.draft",
            campaign=payload.campaign,
            people=people[at : at + SLICE],
            origin=f"job {context.job_id}",
        )
        jobs += laid["jobs"]
        known += laid["known"]
        suppressed += laid["suppressed"]
        await context.progress(min(at + SLICE, len(people)), len(people), "queue")
    return StageEnd(
        {"queued": len(jobs), "known": known, "suppressed": suppressed},
        {"people": [], "jobs": jobs},
        note=f"they wait for approval: paceline approval list --campaign {payload.campaign}",
    )


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
    return StageEnd({"events": 1 + len(each)}, events=(whole, *each))
