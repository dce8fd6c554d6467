"""Acting on many: a set that is fixed before the question, sent in parts, and told as done, changed and refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine.outcomes import TRANSIENT
from storage.errors import PacelineError, RefusedError
from storage.failure_groups import jobs_filter
from storage.filter_terms import EVERY, render
from storage.fixed_set import Act, FixedSet, of_campaign, of_filter, of_ids, of_reason
from storage.jobs_page import Query, highest
from storage.reader import Reader
from tui.actions import Action, Row
from tui.format import count, plural
from tui.screens.jobs_window import matching
from tui.screens.questions import QUESTIONS, Question, Reply
from tui.undo import undo_of_act

if TYPE_CHECKING:
    from tui.acting import Acting

PART = 5_000
ENDED = 1_000
"""Running jobs of one request to end (`job.end`)."""
"""Jobs of one call to the engine, which takes them 500 a transaction."""
PACED = (Act.RETRY, Act.APPROVE)
"""Acts that line jobs up to be sent, so that their question tells how long that takes."""
MOST_PACES = 2
"""Campaigns whose pace a question tells."""


def marked(act: Act) -> Callable[[Reader, int, Row], Row]:
    """The set that the marks mean now: their ids, or all that match up to the highest id there is."""

    def fix(reader: Reader, now: int, row: Row) -> Row:
        query: Query = replace(row["query"], now=now)
        if row["all"]:
            return {"set": of_filter(reader, act, replace(query, top=highest(reader))), "hidden": 0}
        ids = list(row["ids"])
        hidden = len(ids) - matching(reader, query, ids) if query.filter.terms else 0
        return {"set": of_ids(reader, act, ids), "hidden": hidden}

    return fix


def _group(reader: Reader, now: int, row: Row) -> Row:
    only = row.get("campaign_id") if row["only_campaign"] else None
    return {"set": of_reason(reader, row["raw_key"], only, narrowed=row.get("narrowed", EVERY), now=now)}


def _campaign(reader: Reader, now: int, row: Row) -> Row:
    return {"set": of_campaign(reader, row["id"], TRANSIENT)}


FIX: dict[str, Callable[[Reader, int, Row], Row]] = {
    "jobs.retry": marked(Act.RETRY),
    "jobs.cancel": marked(Act.CANCEL),
    "approvals.approve": marked(Act.APPROVE),
    "approvals.reject": marked(Act.REJECT),
    "failures.retry": _group,
    "campaign.retry": _campaign,
}
"""How the set of an action that is for many is fixed, by the action's id: `set`, and what else its question tells."""


def paces(reader: Reader, fixed: FixedSet, now: int) -> str:
    """How long the jobs of a set take in their campaigns, in words; "" for background jobs, which have no pacing."""
    from engine.estimate_facts import retry_estimate  # with windows and holidays: not for the first frame

    messages = Counter({campaign_id: n for campaign_id, n in fixed.campaigns.items() if campaign_id is not None})
    names = {row["id"]: row["name"] for row in reader.campaigns()} if messages else {}
    found = []
    for campaign_id, _ in messages.most_common(MOST_PACES):
        name = names[campaign_id]
        try:
            text = retry_estimate(reader, fixed, reader.campaign(name), now).text
        except PacelineError as error:
            text = error.message
        found.append(f"{name}: {text}")
    more = len(messages) - MOST_PACES
    return "; ".join(found) + (f"; {plural(more, 'more campaign')}" if more > 0 else "")


@dataclass(slots=True)
class Tally:
    """What became of a set so far."""

    done: int = 0
    changed: int = 0
    refused: int = 0
    left: list[Row] = field(default_factory=list)
    """What was left alone: `job`, `changed`, `why`."""
    events: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What else is to be known, such as a paused campaign."""

    def add(self, result: Row) -> None:
        self.done += result["done"]
        self.changed += result["changed"]
        self.refused += result["refused"]
        self.left += result["left"]
        self.events += result["events"]
        self.notes += [note for note in result.get("notes", []) if note not in self.notes]

    @property
    def text(self) -> str:
        parts = [f"{count(self.done)} done"]
        parts += [f"{count(self.changed)} changed state meanwhile"] if self.changed else []
        parts += [f"{count(self.refused)} refused"] if self.refused else []
        return "; ".join([", ".join(parts), *self.notes])


async def act_on_set(console: Acting, action: Action, row: Row, given: Row) -> None:
    """Fix the set, ask in proportion, act in parts, tell what became of it. Raises PacelineError."""
    console.say(f"{action.title}: looking which ...")
    facts = await console.read_apart(lambda reader, now: _facts(action, reader, now, row))
    fixed: FixedSet = facts["set"]
    n = len(fixed.jobs)
    if not n and not fixed.running:
        console.say(f"{action.title}: there is nothing to do: {fixed.in_words() or 'no job is marked'}", "warn")
        return
    question = QUESTIONS[action.id](row, {**facts, "given": given}, console.situation())
    more = {} if question is None else await console.ask(question)
    if more is None:
        console.say(f"{action.title}: nothing was changed")
        return
    tally, stopped = await _send(console, action, fixed, {**given, **more, "filter": chosen_by(row)})
    asked = await _ask_to_end(console, fixed.running) if stopped is None else []
    if asked:
        tally.notes.append(f"{plural(len(asked), 'running job')} asked to end")
    left = {entry["job"] for entry in tally.left}
    if (marks := row.get("marks")) is not None:
        sent = set(fixed.jobs.ids[: tally.done + len(tally.left)])
        marks.done((sent - left) | set(asked), left)
    title = f"{action.title} ({plural(tally.done, 'job')})"
    console.undos.add(undo_of_act(action.id, title, tally.events, console.now()))
    if stopped is not None:
        raise PacelineError(f"{tally.text}; then: {stopped.message}", hint=stopped.hint)
    console.feed.again()
    if not tally.left:
        console.say(f"ok: {action.title}: {tally.text}", "good")
        return
    console.say(f"{action.title}: {tally.text}", "warn")
    if await console.ask(result_question(action.title, tally)) is not None:
        console.show_left(f"{action.title}: left alone", tally.left)


def _facts(action: Action, reader: Reader, now: int, row: Row) -> Row:
    facts = FIX[action.id](reader, now, row)
    fixed: FixedSet = facts["set"]
    return {**facts, "pace": paces(reader, fixed, now) if fixed.act in PACED else ""}


def chosen_by(row: Row) -> str:
    """What chose the jobs of a set, for the log: a filter, the reason of a group, or "" for marks by hand."""
    if "raw_key" in row:
        return render(jobs_filter(row["raw_key"], row.get("narrowed", EVERY)))
    return str(row["filter"]) if row.get("all") else ""


async def _send(console: Acting, action: Action, fixed: FixedSet, more: Row) -> tuple[Tally, PacelineError | None]:
    """The parts one after the other; what ends them early is returned beside what was done until then."""
    tally, until = Tally(), Row()
    n = len(fixed.jobs)
    for start in range(0, n, PART):
        console.say(f"{action.title}: {count(start)} of {count(n)} ...")
        args: Row = {**more, "seen": fixed.jobs.part(start, PART)}
        if fixed.act is Act.RETRY:
            args |= {"offset": start, "total": n, "until": until}
        try:
            result = await asyncio.wrap_future(console.link.call(action.control, args))
        except PacelineError as error:
            return tally, error
        tally.add(result)
        until = result.get("until", {})
    return tally, None


async def _ask_to_end(console: Acting, running: list[int]) -> list[int]:
    """Which of these background jobs still run and were asked to end; the others have ended meanwhile."""
    asked: list[int] = []
    for start in range(0, len(running), ENDED):
        try:
            answer = await asyncio.wrap_future(console.link.call("job.end", {"ids": running[start : start + ENDED]}))
        except RefusedError:
            continue
        asked += answer["asked"]
    return asked


def result_question(title: str, tally: Tally) -> Question:
    """The result as a dialog, from which enter leads to what was left alone."""
    whys: dict[str, int] = {}
    for entry in tally.left:
        whys[entry["why"]] = whys.get(entry["why"], 0) + 1
    most = sorted(whys.items(), key=lambda item: -item[1])
    lines = [f"{count(n):>9} {why}" for why, n in most[:6]]
    if len(most) > len(lines):
        lines.append(f"{count(sum(n for _, n in most[6:])):>9} for other reasons")
    return Question(
        f"{title}: {tally.text}",
        tuple(lines),
        (Reply("o", "show them (enter)"),),
        enter="o",
        no="close",
    )
