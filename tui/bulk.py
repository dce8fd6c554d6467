"""Acting on many: the set is fixed before the question, goes to the engine in slices, and ends as done or refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from storage.jobs_page import highest
from storage.reader import Reader
from storage.retry_set import RetrySet, of_filter, of_ids, slices
from tui.actions import Row
from tui.format import count
from tui.screens.jobs_window import matching
from tui.screens.questions import QUESTIONS

if TYPE_CHECKING:
    from tui.acting import Acting


def fix(reader: Reader, now: int, row: Row) -> dict[str, Any]:
    """The set that the marks mean now: their ids, or all that match up to the highest id there is."""
    if row["all"]:
        query = replace(row["query"], now=now, top=highest(reader))
        return {"set": of_filter(reader, query), "hidden": 0}
    ids = list(row["ids"])
    return {"set": of_ids(reader, ids), "hidden": len(ids) - matching(reader, replace(row["query"], now=now), ids)}


def left_out(wanted: RetrySet) -> str:
    """What of the marked is not tried again, in words; "" for nothing."""
    parts = (
        (wanted.uncertain, "uncertain (never in bulk)"), (wanted.approval, "held for approval"),
        (wanted.others, "neither failed nor held"),
    )  # fmt: skip
    return ", ".join(f"{n} {word}" for n, word in parts if str(n) != "0")


async def retry_marked(console: Acting, row: Row) -> None:
    """Retry what is marked of the Jobs view. Raises PacelineError."""
    facts = await console.read_once(lambda reader, now: fix(reader, now, row))
    wanted: RetrySet = facts["set"]
    n = len(wanted.ids)
    if not n:
        console.say(f"nothing to retry: {left_out(wanted) or 'no job is marked'}", "warn")
        return
    question = QUESTIONS["jobs.retry"](row, {**facts, "left": left_out(wanted)}, console.situation())
    more = {} if question is None else await console.ask(question)
    if more is None:
        console.say("retry: nothing was changed")
        return
    done = refused = 0
    for part in slices(wanted.ids):
        console.say(f"retry: {count(done + refused)} of {count(n)} ...")
        result = await asyncio.wrap_future(console.link.call("job.retry", {"ids": list(part), **more}))
        done, refused = done + result["retried"], refused + result["refused"]
    kept = set((await console.read_once(lambda reader, now: of_ids(reader, wanted.ids))).ids) if refused else set()
    row["marks"].done(set(wanted.ids) - kept, kept)
    told = f"{count(done)} will be tried again"
    if refused:
        told += f", {count(refused)} were refused: they changed meanwhile or their campaign is cancelled"
    console.say(f"ok: {told}" if done else told, "good" if not refused else "warn")
