"""How schedules read in view 7: a row each, and below the list what is known of the one under the cursor. Pure."""

from __future__ import annotations

from functools import lru_cache

from engine.planning.cron import Cron
from engine.schedule_words import upcoming
from storage.errors import PacelineError
from storage.model import MINUTE
from tui.actions import Row
from tui.format import clock, fit, soon, span
from tui.safe_text import safe_text
from tui.schedule_words import outcome_of, rules, state_of
from tui.widgets.columns import Cell, Column
from tui.widgets.lines import Line

STATES: dict[str, Cell] = {
    "enabled": ("@ enabled", "later"),
    "disabled": ("| disabled", "stopped"),
    "trouble": ("! trouble", "bad"),
}
_LAST = {
    "pending": "warn", "processing": "run", "completed": "good", "failed": "bad", "uncertain": "ask", "held": "warn",
    "refused": "bad", "waiting": "warn", "missed": "warn", "overlapped": "dim", "skipped": "dim",
}  # fmt: skip
_WORDS = {"processing": "running", "pending": "queued", "completed": "done"}
LATE = MINUTE
"""What fired later than this was made up for, and is told so."""


def columns(now: int) -> list[Column]:
    def following(row: Row) -> str:
        return clock(row["next_at"], now) if row["enabled"] else "-"

    def left(row: Row) -> str:
        known = row["enabled"] and row["next_at"] is not None
        return soon(row["next_at"], now).removeprefix("in ") if known else "-"

    def last(row: Row) -> Cell:
        word = outcome_of(row["last"])
        return (_WORDS.get(word, word) or "-", _LAST.get(word, "dim"))

    def when(row: Row) -> str:
        return clock(row["last"]["fired_at"], now) if row["last"] else "-"

    return [
        Column("STATE", 10, lambda row: STATES[state_of(row)], keep=True),
        Column("NAME", 21, lambda row: row["name"], keep=True, most=40),
        Column("NEXT", 13, following, rank=9),
        Column("IN", 6, left, rank=8),
        Column("LAST", 10, last, rank=7),
        Column("AT", 13, when, from_width=96, rank=3),
        Column("CRON", 12, lambda row: row["cron"], rank=4, least=9),
        Column("ZONE", 18, lambda row: row["zone"], from_width=110, rank=2),
        Column("KIND", 0, lambda row: row["kind"], from_width=120, rank=1, least=12),
    ]


@lru_cache(maxsize=64)
def _upcoming(expression: str, zone: str, after: int) -> tuple[str, tuple[Row, ...]]:
    cron = Cron.parse(expression, zone)
    return cron.in_words(), tuple(upcoming(cron, after))


def preview(expression: str, zone: str, now: int) -> tuple[str, tuple[Row, ...], str]:
    """An expression in words, its next firings (`{at, local, note}`), and why there are none ("" when there are).
    Looked at by the minute: nothing fires within one."""
    try:
        words, firings = _upcoming(expression, zone, now // MINUTE * MINUTE)
    except PacelineError as error:
        return "", (), f"{error.message}{f' - {error.hint}' if error.hint else ''}"
    return words, firings, "" if firings else "it fires never"


def firing_line(title: str, firing: Row, now: int, width: int) -> Line:
    """One firing to come: in its own zone, how far away, and what a change of the clocks does to it."""
    text = f" {title:<6} {firing['local']}  {fit(soon(firing['at'], now), 10)} "
    return ((fit(text, min(width, len(text))), ""), (fit(safe_text(firing["note"]), max(0, width - len(text))), "warn"))


def detail(row: Row | None, now: int, width: int) -> list[Line]:
    """What the list has no room for: the rule in words, the last run, the next five firings."""
    if row is None:
        return []
    words, firings, why_not = preview(row["cron"], row["zone"], max(row["decided_at"], now))
    lines: list[Line] = [
        ((" " + "-" * (width - 2), "dim"),),
        ((fit(f" {row['name']}: {words or row['cron']}, {row['zone']}", width), "bold"),),
        _last_line(row, now, width),
    ]
    if not row["enabled"]:
        lines.append(((fit(" NEXT   nothing: it is disabled", width), "warn"),))
    elif why_not:
        lines.append(((fit(f" NEXT   {why_not}", width), "bad"),))
    else:
        lines += [firing_line("NEXT" if i == 0 else "", firing, now, width) for i, firing in enumerate(firings)]
    lines.append(((fit(f" MAKES  {row['kind']}   {rules(row)}", width), ""),))
    return lines


def _last_line(row: Row, now: int, width: int) -> Line:
    last: Row | None = row["last"]
    if row["trouble"]:
        return ((fit(f" LAST   {row['trouble']}", width), "bad"),)
    if last is None:
        return ((fit(" LAST   it has not fired yet", width), "dim"),)
    return ((fit(f" LAST   {told_firing(last, now)}", width), _LAST.get(outcome_of(last), "")),)


def told_firing(last: Row, now: int) -> str:
    """One firing that was, in a line."""
    word = outcome_of(last)
    by = "by hand" if last["manual"] else "by the clock"
    parts = [f"{clock(last['fired_at'], now)} {by}: {_WORDS.get(word, word)}"]
    if not last["manual"] and last["fired_at"] - last["at"] > LATE:
        parts[0] += f", {span(last['fired_at'] - last['at'])} late"
    if last["job_id"] is not None:
        took = last["started_at"] is not None and last["finished_at"] is not None
        parts.append(f"job {last['job_id']}")
        parts[-1] += f", took {span(last['finished_at'] - last['started_at'])}" if took else ""
    failed = last["job_state"] in ("failed", "held", "uncertain")
    parts += [str(text) for text in (last["note"], last["job_error"] if failed else "", last["job_flag"]) if text]
    return "  ".join(parts)
