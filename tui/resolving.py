"""What is uncertain, decided by a person: one after the other, or many at once as sent; never many to be sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from storage.filter_sql import exactly
from storage.filter_terms import Filter
from storage.jobs_page import Query, highest
from storage.reader import Reader
from storage.uncertain_set import of_filter, of_ids, slices
from tui.actions import Row
from tui.format import count, plural
from tui.lookup import Situation
from tui.screens.questions import QUESTIONS, Question, Reply

if TYPE_CHECKING:
    from tui.acting import Acting

ALL = "all"


def fix(reader: Reader, now: int, row: Row) -> tuple[int, ...]:
    """The uncertain jobs among the marked ones, up to the highest id there is now."""
    if row["all"]:
        return of_filter(reader, replace(row["query"], now=now, top=highest(reader)))
    return of_ids(reader, row["ids"])


def of_campaign(reader: Reader, now: int, name: str) -> tuple[int, ...]:
    """The uncertain jobs of one campaign."""
    return of_filter(reader, Query(Filter((exactly("campaign", name),)), now=now, top=highest(reader)))


async def sent_marked(console: Acting, row: Row) -> None:
    """Count the uncertain ones among the marked jobs as sent. Raises PacelineError."""
    ids = await console.read_once(lambda reader, now: fix(reader, now, row))
    if not ids:
        console.say("none of the marked jobs is uncertain", "warn")
        return
    if await _sent(console, ids, ""):
        row["marks"].done(set(ids), set())


async def resolve_campaign(console: Acting, row: Row) -> None:
    """Ask about each uncertain message of a campaign in turn; esc leaves the rest. Raises PacelineError."""
    name = row["name"]
    ids = await console.read_once(lambda reader, now: of_campaign(reader, now, name))
    decided = 0
    for place, job_id in enumerate(ids, 1):
        job = await console.read_once(_job(job_id))
        if job["state"] != "uncertain":
            continue
        answer = await console.ask(_one(job, place, len(ids), console.situation()))
        if answer is None:
            break
        if answer.get("do") == ALL:
            await _sent(console, ids[place - 1 :], f" of {name}", decided)
            return
        if answer.get("verdict"):
            await asyncio.wrap_future(console.link.call("job.resolve", {"job": job_id, **answer}))
            decided += 1
    left = len(await console.read_once(lambda reader, now: of_campaign(reader, now, name)))
    console.say(f"ok: {count(decided)} decided, {count(left)} still uncertain" if decided else "nothing was changed")


def _job(job_id: int) -> Callable[[Reader, int], Row]:
    return lambda reader, now: reader.job(job_id)


def _one(job: Row, place: int, of: int, situation: Situation) -> Question:
    question = QUESTIONS["job.resolve"](job, job, situation)
    assert question is not None  # noqa: S101 - it always asks
    if of == 1:
        return question
    more: tuple[Reply, ...] = (Reply("l", "leave this one", {"do": "leave"}),)
    left = of - place + 1
    if left > 1:
        more += (Reply("w", f"all {count(left)} were sent", {"do": ALL}),)
    title = f"{question.title}   ({place} of {of})"
    return replace(question, title=title, replies=(*question.replies, *more), no="stop here")


async def _sent(console: Acting, ids: tuple[int, ...], name: str, decided: int = 0) -> bool:
    question = QUESTIONS["jobs.sent"]({}, {"n": len(ids), "of": name}, console.situation())
    if question is None or await console.ask(question) is None:
        console.say(f"{plural(decided, 'message')} decided" if decided else "nothing was changed")
        return False
    sums: dict[str, Any] = {"resolved": 0, "refused": 0}
    for part in slices(ids):
        result = await asyncio.wrap_future(console.link.call("job.sent", {"ids": list(part)}))
        sums = {key: sums[key] + result[key] for key in sums}
    told = f"{count(sums['resolved'])} counted as sent"
    if sums["refused"]:
        told += f", {count(sums['refused'])} changed state meanwhile"
    console.say(f"ok: {told}", "good" if not sums["refused"] else "warn")
    return True
