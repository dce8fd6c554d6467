"""The columns of every list of jobs."""

from __future__ import annotations

from tui.actions import Row
from tui.format import ago, clock, soon
from tui.theme import GONE, job_mark
from tui.widgets.columns import Column
from tui.work_words import is_work, span_of, told, took

BESIDE = 98
"""Cells of a list from which the kind of a background job has a column of its own."""


def job_columns(now: int, *, work: bool = False, apart: bool = False) -> list[Column]:
    """ID, state and error are never dropped; the last ones are shown when they are chosen. `work`: background jobs are
    among the rows; `apart`: there is room for a column with their kind, which else stands before what they are about.
    """

    def state(row: Row) -> tuple[str, str]:
        mark = GONE if row.get("gone") else job_mark(row, now)
        return f"{mark.glyph} {mark.word}", mark.style

    def when(row: Row) -> str:
        if row["state"] == "pending":
            return soon(row["due_at"], now)
        return f"{ago(row['updated_at'], now)} ago"

    def whom(row: Row) -> str:
        if not is_work(row):
            return row["address"] or "-"
        about = row.get("subject", "")
        return about or "-" if apart else f"{row['kind']} {about}".rstrip()

    def end(row: Row) -> tuple[str, str]:
        if not is_work(row):
            return row["error"] or row["reason"], ""
        return told(row, now), "run" if row["state"] == "processing" else "warn" if row["flag"] else ""

    return [
        Column("ID", 8, lambda row: str(row["id"]), keep=True),
        Column("STATE", 11, state, keep=True),
        Column("TRY", 3, lambda row: str(row["attempts"]), right=True, rank=4),
        Column("NEXT/AGE", 11, when, rank=6),
        Column("CAMPAIGN", 18, lambda row: row["campaign"] or "-", from_width=120 if work else BESIDE, rank=3, most=32),
        *([Column("KIND", 20, lambda row: row["kind"], from_width=BESIDE, rank=2)] if work else []),
        Column("RECIPIENT", 22, whom, rank=7, most=40),
        Column("LAST ERROR", 0, end, keep=True),
        Column("QUEUE", 14, lambda row: row["queue"], rank=2, extra=True),
        *([] if work else [Column("KIND", 8, lambda row: row["kind"], rank=1, extra=True)]),
        Column("PRIO", 4, lambda row: str(row["priority"]), right=True, rank=1, extra=True),
        Column("BATCH", 6, lambda row: str(row["batch_id"]), right=True, rank=1, extra=True),
        Column("DUE", 14, lambda row: clock(row["due_at"], now), rank=2, extra=True),
        Column("CHANGED", 14, lambda row: clock(row["updated_at"], now), rank=2, extra=True),
        Column("SENT", 14, lambda row: clock(row["sent_at"], now), rank=2, extra=True),
        Column("TOOK", 7, lambda row: "-" if took(row) is None else span_of(took(row) or 0), rank=2, extra=True),
        Column("ORIGIN", 18, lambda row: row["origin"] or "-", rank=1, extra=True),
        Column("REASON", 26, lambda row: row["error_key"], rank=2, extra=True),
        Column("MESSAGE-ID", 32, lambda row: row["message_id"] or "-", rank=1, extra=True),
    ]
