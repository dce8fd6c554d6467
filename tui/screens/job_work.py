"""One background job: how far it is, what it was given and gave, its runs, its items, the stages of its pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from engine.planning.durations import format_duration
from storage import task_facts
from storage.kind_facts import runs
from storage.model import DAY
from storage.reader import Reader
from storage.schedule_facts import of_job
from tui.actions import Row
from tui.format import clock, count, fit, plural, soon, wrap
from tui.lookup import KeyOf
from tui.screens.stage_ladder import funnel, stage_rows
from tui.screens.why import why
from tui.secret_words import without_secrets
from tui.theme import job_mark
from tui.widgets.columns import Item, blank, fixed, heading
from tui.widgets.lines import Line
from tui.work_words import progress, span_of, took

FAILED_ITEMS = 20
"""Items that failed and are shown."""
MOST_LINES = 200
"""Lines of a payload or a result that are shown; the command line has all of them."""
EFFECTS = {
    "repeatable": "a second run does no harm",
    "keyed": "a second run is told by its key and does nothing twice",
    "unrepeatable": "must not run twice: in doubt a person decides",
}


def load(reader: Reader, job: Row, now: int) -> Row:
    """What only a background job has, beside its row: `task` as `task_facts.task` gives it, `items` and those that
    failed, `stages`, the counters of its `funnel`, `usual` (as `add_work`), the schedule that made it, `batch`. {} for
    a message."""
    task = task_facts.task(reader, job["id"])
    if task is None:
        return {}
    stages = task_facts.ladder(reader, job["id"])
    sums = task_facts.item_sums(reader, job["id"])
    times = runs(reader, [job["kind"]], now - DAY).times if job["state"] == "processing" else None
    return {
        "task": task,
        "stages": stages,
        "funnel": funnel(stages, job["kind"]) if stages else [],
        "items": sums,
        "items_failed": task_facts.items(reader, job["id"], done=False, limit=FAILED_ITEMS) if sums else [],
        "usual": times and times.p50,
        "firing": of_job(reader, job["id"]),
    }


def facts(row: Row, now: int, width: int, named: KeyOf) -> list[Line]:
    """The job in seven lines."""
    task, mark = row["task"], job_mark(row, now)
    reason = f" ({row['reason']})" if row["reason"] else ""
    when = f"due {soon(row['due_at'], now)}" if row["state"] == "pending" else f"since {clock(row['updated_at'], now)}"
    asked = f"   {task['cancel']} asked it to end" if task["cancel"] and row["state"] == "processing" else ""
    batch = f"   batch {row['batch_id']}" + (f", stage {task['stage']}" if task["stage"] else "")
    key = f"   key {task['unique_key']}" if task["unique_key"] else ""
    kind = f"{row['kind']}   queue {row['queue']}   priority {row['priority']}{key}"
    rescued = f"   {plural(task['rescues'], 'rescue')}: its engine died with it" if task["rescues"] else ""
    tries = f"{row['tries']} of {task['retries'] + 1}, {plural(row['attempts'], 'run')} in all{rescued}"
    flag = f"done, but look at it: {row['flag']}" if row["flag"] and row["state"] == "completed" else ""
    return [
        ((" STATE    ", "head"), (f"{mark.glyph} {mark.word}{reason}", mark.style), (f"  {when}{asked}", "")),
        ((" WHY      ", "head"), (fit(flag or why(row["why"], now, named), width - 10), "warn" if flag else "")),
        ((" KIND     ", "head"), (fit(kind, width - 10), "")),
        ((" MADE     ", "head"), (fit(f"{clock(row['created_at'], now)} by {_origin(row)}{batch}", width - 10), "")),
        ((" TRIES    ", "head"), (fit(f"{tries}   timeout {format_duration(task['timeout'])}", width - 10), "")),
        ((" EFFECT   ", "head"), (fit(f"{task['effect']}: {EFFECTS.get(task['effect'], '')}", width - 10), "")),
        ((" PROGRESS ", "head"), (fit(_far(row, now), width - 10), "run" if row["state"] == "processing" else "")),
    ]  # fmt: skip


def _origin(row: Row) -> str:
    firing = row["firing"]
    if firing is None:
        return str(row["origin"] or "manual")
    return f"schedule {firing['schedule']}{' by hand' if firing['manual'] else ''}"


def _far(row: Row, now: int) -> str:
    if row["state"] == "processing":
        return progress(row, now, 24) or "it tells of none"
    ran = took(row)
    return f"the last run took {span_of(ran)}, ended {clock(row['finished_at'], now)}" if ran is not None else "-"


def items(row: Row, now: int, width: int) -> list[Item]:
    """What stands below: stages and funnel, items, payload, result, runs."""
    found: list[Item] = []
    if row["stages"]:
        found += [*_ladder(row, now, width), *_funnel(row["funnel"], width)]
    for sums in row["items"]:
        words = f"{sums['list'].upper()}   {count(sums['done'])} done, {count(sums['failed'])} failed"
        found += [blank(), heading(words)]
        failed = [item for item in row["items_failed"] if item["list"] == sums["list"]]
        found += [
            item for one in failed for item in _told(f"{one['key']}: {one['value']}", width, ("item", one["key"]))
        ]
        if (more := sums["failed"] - len(failed)) > 0:
            found.append(heading(f"   and {count(more)} more: paceline job show {row['id']} --items", "dim"))
    found += [blank(), *_value("PAYLOAD", without_secrets(row["task"]["payload"]), row["id"], width)]
    if row["task"]["result"] is not None:
        found += [blank(), *_value("RESULT", row["task"]["result"], row["id"], width)]
    log = row["attempts_log"]
    found += [blank(), heading(f"RUNS ({len(log)})" if log else "RUNS    none yet")]
    for attempt in log:
        found += _run(attempt, now, width)
    return found


def _ladder(row: Row, now: int, width: int) -> Iterator[Item]:
    done = sum(stage["state"] == "done" for stage in row["stages"])
    yield blank()
    yield heading(f"STAGES ({done} of {len(row['stages'])})")
    for stage, lines in stage_rows(row["stages"], now, width):
        yield fixed(lines[0], ("stage", stage["position"]), ("stage", stage))
        yield from (fixed(line) for line in lines[1:])


def _funnel(steps: list[tuple[str, int]], width: int) -> Iterator[Item]:
    """How many were left after each step as bars."""
    if not steps:
        return
    widest = max(n for _, n in steps)
    room = max(8, width - 32)
    yield blank()
    yield heading("FUNNEL")
    before = 0
    for name, n in steps:
        filled = -(-n * room // widest) if widest else 0
        share = f" {n * 100 // before}%" if before and n != before else ""
        bar = (f"   {fit(name.replace('_', ' '), 14)} {fit(count(n), 7, right=True)} ", ""), ("#" * filled, "run")
        yield fixed((*bar, (share, "dim")), ("funnel", name))
        before = n


def _value(title: str, value: Any, job_id: int, width: int) -> Iterator[Item]:
    """A payload or a result, pretty, wrapped, bounded."""
    if value in ({}, None, ""):
        yield heading(f"{title}   nothing")
        return
    yield heading(title)
    lines = (
        value.splitlines() if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2).splitlines()
    )
    shown = 0
    for i, line in enumerate(lines):
        if shown >= MOST_LINES:
            more = f"   and {count(len(lines) - i)} more lines: paceline job show {job_id} --json"
            yield fixed(((more, "dim"),), (title, "more"))
            return
        indent = " " * (len(line) - len(line.lstrip()))
        for part in wrap(line, max(20, width - 6 - len(indent))):
            yield fixed(((f"   {indent}{part}", ""),), (title, i, shown))
            shown += 1


def _run(attempt: Row, now: int, width: int) -> Iterable[Item]:
    outcome = attempt["outcome"] or "under way"
    style = (
        "good"
        if outcome == "accepted"
        else "run"
        if outcome == "under way"
        else "ask"
        if outcome == "uncertain"
        else "bad"
    )
    word = {"accepted": "done"}.get(outcome, outcome)
    lasted = span_of(attempt["duration"] or 0) if attempt["finished_at"] is not None else ""
    line: Line = (
        (f"   #{attempt['number']:<3} {clock(attempt['intent_at'], now, seconds=True)}  ", ""),
        (fit(word, 12), style),
        (f" {lasted:>8}", ""),
    )
    yield fixed(line, ("attempt", attempt["id"]), attempt)
    if attempt["reply"]:
        yield from _told(attempt["reply"], width, ("said", attempt["id"]))


def _told(text: str, width: int, key: tuple[str, Any]) -> Iterator[Item]:
    for i, part in enumerate(wrap(text, max(20, width - 10))):
        yield fixed(((f"      {part}", ""),), (*key, i))
