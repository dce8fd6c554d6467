"""The tables under a campaign's figures: batches, failures, recipients; the timeline has a module of its own."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from tui.actions import Row
from tui.format import bar, clock, count, percent, soon, span
from tui.pace import eta_text
from tui.screens.failures import group_columns
from tui.screens.timeline import key_of as timeline_key
from tui.screens.timeline import timeline_columns
from tui.theme import BATCHES, CAMPAIGNS, JOBS, Mark, job_mark
from tui.widgets.columns import Column

TABS = {
    "batches": "no batch yet: a start makes the first one",
    "timeline": "nothing was sent and nothing is due",
    "failures": "nothing has failed",
    "recipients": "nobody imported yet",
    "steps": "",
}
"""The tabs in order, each with what stands there when it is empty; `steps` only of a draft, and where there is more
than one."""


def tabs_of(campaign: Row | None) -> list[str]:
    """The tabs of a campaign as `Reader.campaign` gives it (None: not read yet)."""
    steps = campaign is not None and (campaign["state"] == "draft" or len(campaign["steps"]) > 1)
    return [tab for tab in TABS if tab != "steps" or steps]


def done_in(row: Row) -> int:
    counts = row["counts"]
    return int(row["total"] - counts["pending"] - counts["held"] - counts["processing"])


def batch_mark(row: Row) -> Mark:
    """The mark of a batch; `later` says that its campaign begins later. What only waits for a person is held."""
    counts = row["counts"]
    if row["state"] != "ready":
        return BATCHES[row["state"]]
    if row["later"]:
        return CAMPAIGNS["sched"]
    return JOBS["held"] if counts["held"] and not counts["pending"] + counts["processing"] else BATCHES["ready"]


def batch_columns(now: int) -> list[Column]:
    def state(row: Row) -> tuple[str, str]:
        mark = batch_mark(row)
        return f"{mark.glyph} {mark.word}", mark.style

    def took(row: Row) -> str:
        if row["later"]:
            return "-"
        return span((row["finished_at"] or now) - (row["started_at"] or row["created_at"]))

    return [
        Column("BATCH", 6, lambda row: f"#{row['id']:02d}"),
        Column("STATE", 9, state),
        Column("PROGRESS", 12, lambda row: bar(done_in(row), row["total"], 10)),
        Column("DONE", 11, lambda row: f"{count(done_in(row))}/{count(row['total'])}", right=True),
        Column("%", 4, lambda row: percent(done_in(row), row["total"]), right=True),
        Column("FAIL", 5, lambda row: count(row["counts"]["failed"]), right=True),
        Column("TOOK", 6, took, right=True),
        Column("ETA", 6, lambda row: eta_text(row["ends_at"], now), right=True),
        Column("STARTED", 13, lambda row: clock(row["started_at"], now), from_width=96),
        Column("BY", 10, lambda row: row["created_by"], from_width=96),
        Column("LAST ERROR", 0, lambda row: row["last_error"]),
    ]


def recipient_columns(now: int) -> list[Column]:
    def state(row: Row) -> tuple[str, str]:
        mark = job_mark(row, now)
        return f"{mark.glyph} {mark.word}", mark.style

    def when(row: Row) -> str:
        if row["sent_at"]:
            return clock(row["sent_at"], now)
        return soon(row["due_at"], now) if row["state"] == "pending" else "-"

    return [
        Column("ROW", 7, lambda row: str(row["row_number"]), right=True),
        Column("STATE", 11, state),
        Column("TRY", 3, lambda row: str(row["attempts"]), right=True),
        Column("SENT/DUE", 13, when),
        Column("RECIPIENT", 26, lambda row: row["address"], rank=7, most=40),
        Column("MESSAGE-ID", 30, lambda row: row["message_id"] or "-", from_width=118),
        Column("LAST ERROR", 0, lambda row: row["error"] or row["reason"] or row["stopped"]),
    ]


def step_columns(now: int) -> list[Column]:
    def figure(name: str, style: str = "") -> Callable[[Row], tuple[str, str]]:
        return lambda row: (count(row[name]), style if row[name] else "dim")

    return [
        Column("STEP", 4, lambda row: str(row["step"]), right=True),
        Column("CHANNEL", 8, lambda row: row["channel"]),
        Column("SENT", 7, figure("sent"), right=True),
        Column("WAITING", 7, figure("waiting"), right=True),
        Column("SKIPPED", 7, figure("skipped"), right=True),
        Column("FAILED", 6, figure("failed", "bad"), right=True),
        Column("YOU", 4, figure("needs_you", "warn"), right=True),
        Column("BEGINS", 18, lambda row: row["begins"], from_width=96),
        Column("MESSAGE", 0, lambda row: row["title"]),
    ]


COLUMNS: dict[str, Callable[[int], list[Column]]] = {
    "batches": batch_columns,
    "timeline": timeline_columns,
    "failures": group_columns,
    "recipients": recipient_columns,
    "steps": step_columns,
}


def key_of(tab: str) -> Callable[[Any], Hashable]:
    if tab == "timeline":
        return timeline_key
    if tab == "steps":
        return lambda row: (tab, row["step"])
    return (lambda row: (tab, row["raw_key"])) if tab == "failures" else (lambda row: (tab, row["id"]))
