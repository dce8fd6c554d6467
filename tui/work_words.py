"""How background jobs read on the screen: what one is about, how far it is, when it may end, and what lists read of
them for that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.filter_terms import Filter
from storage.jobs_plan import kinds_named
from storage.kind_facts import runs, totals
from storage.model import DAY, SEND
from storage.reader import STATES, Reader
from storage.task_facts import heads, read_json
from storage.work_terms import STAGED
from tui.actions import Row
from tui.format import bar, count, percent, short, span

BAR = 8
"""Cells of a progress bar in a list."""
STAGED_RUN = "stages"
"""The key of a row whose steps are stages: their speed says nothing of its end."""
LATELY = 7 * DAY
"""Time over which the runs of a kind are averaged."""


def is_work(row: Row) -> bool:
    """Whether this is a background job; all others are messages."""
    return str(row.get("kind") or SEND) != SEND


def add_work(reader: Reader, rows: Sequence[Row], now: int) -> None:
    """Give the background jobs among these rows what lists show of them: `subject`, and to those that run `usual`, how
    long half the runs of their kind took at most in the last day (us; None: none is known)."""
    work = [row for row in rows if is_work(row)]
    found = heads(reader, [row["id"] for row in work])
    kinds = {row["kind"] for row in work if row["state"] == "processing"}
    usual = {kind: times.p50 if (times := runs(reader, [kind], now - DAY).times) else None for kind in kinds}
    for row in work:
        head = found.get(row["id"], {})
        row["subject"] = subject(str(head.get("unique_key", "")), str(head.get("payload", "")), str(row["origin"]))
        if row["state"] == "processing":
            row["usual"] = usual[row["kind"]]


def subject(unique_key: str, payload: str, origin: str) -> str:
    """What stands where a message has its address: the unique key, else what it was given, else what made it.
    `payload` is JSON that may be cut."""
    return unique_key.partition(":")[2] or brief(read_json(payload)) or origin


def brief(value: Any) -> str:
    """A payload or a result in a few words: `days=30 kind=mail`."""
    if not isinstance(value, dict):
        return str(value or "").strip("{}")
    return " ".join(f"{name}={_short(one)}" for name, one in value.items())


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"[{count(len(value))}]"
    if isinstance(value, dict):
        return f"{{{count(len(value))}}}"
    return "true" if value is True else "false" if value is False else "-" if value is None else str(value)


def progress(row: Row, now: int, cells: int = BAR) -> str:
    """`[####....] 52% 52/100 in 4m fetching`: how far a running job is, in its own units, and when it may end."""
    parts = []
    if row.get("total"):
        done, total = row["done"], row["total"]
        parts.append(f"{bar(min(done, total), total, cells)} {percent(min(done, total), total)}")
        parts.append(f"{count(done)}/{count(total)}")
    elif row.get("done"):
        parts.append(f"{count(row['done'])} done")
    ends = ends_at(row, now)
    if ends is not None:
        parts.append(f"in {span(ends - now)}" if ends > now else f"runs {span(now - row['started_at'])}")
    elif not parts and row.get("started_at"):
        parts.append(f"runs {span(now - row['started_at'])}")
    return " ".join([*parts, str(row.get("note") or "")]).strip()


def ends_at(row: Row, now: int) -> int | None:
    """When a running job may end (us): by the speed of its items, else by what half the runs of its kind took; None
    when neither is known."""
    began = row.get("started_at")
    if row["state"] != "processing" or began is None:
        return None
    done, total = row.get("done") or 0, row.get("total") or 0
    if 0 < done < total and now > began and not row.get(STAGED_RUN):
        return now + int((now - began) * (total - done) / done)
    usual = row.get("usual")
    return None if usual is None else int(began + usual)


def took(row: Row) -> int | None:
    """How long the last run took (us); None without one that has ended."""
    began, ended = row.get("started_at"), row.get("finished_at")
    return None if began is None or ended is None else max(0, int(ended - began))


def told(row: Row, now: int) -> str:
    """What a list says at the end of a job's row: how far it is, why it failed, what a person should look at, or how
    long it took."""
    if row["state"] == "processing":
        return progress(row, now)
    if row["error"] or row["reason"]:
        return str(row["error"] or row["reason"])
    if row.get("flag"):
        return f"! {row['flag']}"
    ran = took(row)
    if row["state"] == "pending":
        return f"stage {row['stage']} waits" if row.get("ready") == STAGED else ""
    return "" if ran is None else f"took {span_of(ran)}"


def span_of(duration: int) -> str:
    """A time that may be short: `0.23s`, `12s`, `4m 2s`."""
    return f"{duration / 1_000_000:.2f}s" if duration < 10_000_000 else span(duration)


def kind_sums(reader: Reader, filter: Filter, now: int) -> Row | None:
    """What stands over the list of a filter that names kinds of background jobs: `totals` by state, whatever else the
    filter asks for, and how long their runs of a week took (`average`, `p95`; us, None without any). None for any other
    filter."""
    named = kinds_named(reader, filter)
    if not named or SEND in named:
        return None
    known = totals(reader)
    states = {state: sum(known[kind][state] for kind in named if kind in known) for state in STATES}
    times = runs(reader, named, now - LATELY).times
    return {"totals": states, "average": times and times.average, "p95": times and times.p95}


def sums(found: Row, width: int) -> str:
    """What `kind_sums` gives in one line: how many stand in each state, the success rate with what it is a part of, how
    long they take."""
    states = found["totals"]
    rated = states["completed"] + states["failed"]
    shown = (
        (".", "waiting", "pending"), (">", "running", "processing"), ("+", "done", "completed"),
        ("!", "failed", "failed"), ("?", "uncertain", "uncertain"), ("o", "held", "held"), ("x", "skipped", "skipped"),
    )  # fmt: skip
    parts = [f"{count(sum(states.values()))} jobs"]
    parts += [f"{glyph} {word} {short(states[state])}" for glyph, word, state in shown if states[state]]
    parts += [f"success {states['completed'] * 1000 // rated / 10:.1f}% of {short(rated)}"] if rated else []
    if found["average"] is not None:
        parts.append(f"average {span_of(found['average'])}")
        parts.append(f"p95 {span_of(found['p95'])}")
    line = ""
    for part in parts:
        if len(line) + len(part) + 2 > width:
            break
        line = f"{line}  {part}" if line else part
    return line
