"""`paceline job show`: one job, a message with every attempt or a background job with its runs, items and stages."""

from __future__ import annotations

import json
from datetime import tzinfo
from typing import Any

import click

from engine.planning.durations import format_duration
from storage.model import SEND
from storage.reader import Reader
from tui.cli.facts import job_json
from tui.cli.output import Json, dated, emit, local, out, pairs, say, table
from tui.cli.session import Session
from tui.cli.times import now_us
from tui.cli.verbs import ID, Verb
from tui.safe_text import safe_text

ITEM = 80
"""Characters that are shown of an item's value; `--json` has all of it."""
ITEMS = 10
"""Items that are shown of those that failed, and of those that are done."""


@click.command("show", cls=Verb)
@click.argument("job_id", metavar="ID", type=ID)
@click.option("--watch", is_flag=True, help="First tell its progress on stderr, until it is over.")
@click.option("--items", "n", type=click.IntRange(0, 100_000), default=ITEMS, show_default=True, help="So many items.")
@click.pass_obj
def show(session: Session, job_id: int, watch: bool, n: int) -> None:
    """One job: a message with every attempt and the server's words, a background job with what it was given, its runs,
    its progress and its result."""
    if watch:
        from tui.cli.watching import watch_job

        watch_job(session, job_id)
    with session.reader() as reader:
        row = whole(reader, job_id, n)
    tell_job(session, row)


def whole(reader: Reader, job_id: int, items: int = ITEMS) -> Json:
    """All that is known of one job. Raises NotFoundError."""
    from storage import task_facts

    row = reader.job(job_id)
    known = task_facts.task(reader, job_id)
    if known is None:
        return row
    sums = task_facts.item_sums(reader, job_id)
    return {
        **row,
        **known,
        "estimated_completion": estimated_end(row, now_us()),
        "items": sums,
        "items_failed": task_facts.items(reader, job_id, done=False, limit=items) if sums else [],
        "items_done": task_facts.items(reader, job_id, done=True, limit=items) if sums else [],
        "stages": task_facts.ladder(reader, job_id),
    }


def tell_job(session: Session, row: Json, more: Json | None = None) -> None:
    """A job as `whole` gives it, as JSON (with what `more` says of its making) or in lines."""
    if session.json:
        data = job_json(row)
        kept = ("payload", "result", "items_failed", "items_done", "stages")
        # What people and processors gave may name a value like one of our times: it stays as it is.
        values = {name: row[name] for name in kept if name in row}
        if "stages" in values:
            values["stages"] = [_stage_json(stage) for stage in values["stages"]]
        data |= values if "payload" in row else {"fields": row.get("fields", {})}
        data["attempts_log"] = [dated(item) for item in row["attempts_log"]]
        emit({**(more or {}), **data})
    elif row["kind"] == SEND:
        _show_message(row, session.zone)
    else:
        _show_work(row, session.zone)


def _stage_json(stage: Json) -> Json:
    return {
        **dated({name: value for name, value in stage.items() if name != "counters"}),
        "counters": stage["counters"],
    }


def _show_message(row: Json, zone: tzinfo) -> None:
    pairs(
        (
            ("job", f"{row['id']} ({row['kind']})"),
            ("campaign", row["campaign"]),
            ("address", row["address"]),
            ("state", row["state"] + (f" ({row['reason']})" if row["reason"] else "")),
            ("batch", row["batch_id"]),
            ("queue", row["queue"]),
            ("priority", row["priority"]),
            ("due", local(row["due_at"], zone)),
            ("sent", local(row["sent_at"], zone) if row["sent_at"] else ""),
            ("error", row["error"]),
            ("error key", row["error_key"]),
            ("Message-ID", row["message_id"]),
        )
    )
    if row["attempts_log"]:
        out()
        titles = ("try", "began", "server", "outcome", "phase", "code", "server said")
        table(
            titles,
            [
                (a["number"], local(a["intent_at"], zone), a["server"], a["outcome"] or "unknown", a["phase"],
                 a["code"], a["reply"])
                for a in row["attempts_log"]
            ],
        )  # fmt: skip
    if row["state"] == "uncertain":
        say(f"sent or not? paceline campaign resolve {row['campaign']} {row['id']} --sent|--again")


def _show_work(row: Json, zone: tzinfo) -> None:
    pairs(
        (
            ("job", f"{row['id']} ({row['kind']})"),
            ("state", row["state"] + (f" ({row['reason']})" if row["reason"] else "")),
            ("flag", row["flag"]),
            ("progress", progress_words(row)),
            ("payload", _short(row["payload"])),
            ("result", _short(row["result"])),
            ("error", row["error"]),
            ("queue", row["queue"]),
            ("priority", row["priority"]),
            ("batch", f"{row['batch_id']}" + (f", stage {row['stage']}" if row["stage"] else "")),
            ("made", f"{local(row['created_at'], zone)} ({row['origin']})"),
            ("due", local(row["due_at"], zone) if row["state"] in ("pending", "held") else ""),
            ("started", local(row["started_at"], zone) if row["started_at"] else ""),
            ("ends about", local(row["estimated_completion"], zone) if row["estimated_completion"] else ""),
            ("ended", local(row["finished_at"], zone) if row["finished_at"] else ""),
            ("took", took(row)),
            ("tries", _tries(row)),
            ("effect", row["effect"]),
            ("timeout", format_duration(row["timeout"])),
            ("unique key", row["unique_key"]),
            ("rescued", f"{row['rescues']} times" if row["rescues"] else ""),
            ("asked to end", f"by {row['cancel']}" if row["cancel"] else ""),
        )
    )
    _show_runs(row, zone)
    _show_stages(row)
    _show_items(row)
    if row["state"] == "uncertain":
        say(f"done or not? paceline job resolve {row['id']} --done|--again")


def _tries(row: Json) -> str:
    runs = "1 run" if row["attempts"] == 1 else f"{row['attempts']:,} runs"
    return f"{row['tries']} of {row['retries'] + 1}; {runs} in all"


def _show_runs(row: Json, zone: tzinfo) -> None:
    if row["attempts_log"]:
        out()
        runs = [
            (a["number"], local(a["intent_at"], zone), _ended(a), a["outcome"] or "under way", a["reply"])
            for a in row["attempts_log"]
        ]
        table(("run", "began", "took", "outcome", "why"), runs)


def _ended(attempt: Json) -> str:
    return "" if attempt["finished_at"] is None else format_duration(attempt["duration"] or 0)


def _show_stages(row: Json) -> None:
    if row["stages"]:
        out()
        ladder = [
            (s["position"], s["name"], s["state"], took(s), _short(s["counters"]) if s["counters"] else "",
             s["flag"] or s["note"])
            for s in row["stages"]
        ]  # fmt: skip
        table(("stage", "name", "state", "took", "counters", "note"), ladder)


def _show_items(row: Json) -> None:
    for sums in row["items"]:
        out()
        out(f"{safe_text(sums['list'])}: {sums['done']:,} done, {sums['failed']:,} failed")
    items = [*row["items_failed"], *row["items_done"]]
    if items:
        shown = [
            (
                i["list"],
                i["key"],
                "done" if i["done"] else "failed",
                _short(i["value"], ITEM) if i["done"] else i["value"],
            )
            for i in items
        ]
        table(("list", "item", "state", "value or error"), shown)


def progress_words(row: Json) -> str:
    """How far a background job is, in its own units; "" when it told nothing."""
    if not row["total"] and not row["done"]:
        return str(row["note"] or "")
    of = f" of {row['total']:,} ({row['done'] * 100 // row['total']}%)" if row["total"] else ""
    return f"{row['done']:,}{of}" + (f" {row['note']}" if row["note"] else "")


def estimated_end(row: Json, now: int) -> int | None:
    """When a job that runs will have done all that it told of, at its pace so far (us); None where nobody can say."""
    if row["state"] != "processing" or not 0 < row["done"] <= row["total"]:
        return None
    return int(now + (now - row["started_at"]) * (row["total"] - row["done"]) / row["done"])


def took(row: Json) -> str:
    """How long the last run took; "" without one that has ended."""
    if row["started_at"] is None or row["finished_at"] is None:
        return ""
    return format_duration(max(0, row["finished_at"] - row["started_at"]))


def _short(value: Any, most: int = 2_000) -> str:
    """A value as JSON, at most so many characters of it."""
    text = "" if value in (None, {}, "") else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[: most - 1]}…"
