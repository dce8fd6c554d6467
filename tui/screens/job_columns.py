"""The columns of every list of jobs."""

from __future__ import annotations

from tui.actions import Row
from tui.format import ago, clock, soon
from tui.theme import GONE, job_mark
from tui.widgets.columns import Column


def job_columns(now: int) -> list[Column]:
    """ID, state and error are never dropped; the last ones are shown when they are chosen."""

    def state(row: Row) -> tuple[str, str]:
        mark = GONE if row.get("gone") else job_mark(row, now)
        return f"{mark.glyph} {mark.word}", mark.style

    def when(row: Row) -> str:
        if row["state"] == "pending":
            return soon(row["due_at"], now)
        return f"{ago(row['updated_at'], now)} ago"

    return [
        Column("ID", 8, lambda row: str(row["id"]), keep=True),
        Column("STATE", 11, state, keep=True),
        Column("TRY", 3, lambda row: str(row["attempts"]), right=True, rank=4),
        Column("NEXT/AGE", 11, when, rank=6),
        Column("CAMPAIGN", 18, lambda row: row["campaign"] or "-", from_width=98, rank=3),
        Column("RECIPIENT", 22, lambda row: row["address"] or "-", rank=7),
        Column("LAST ERROR", 0, lambda row: row["error"] or row["reason"], keep=True),
        Column("QUEUE", 14, lambda row: row["queue"], rank=2, extra=True),
        Column("KIND", 8, lambda row: row["kind"], rank=1, extra=True),
        Column("PRIO", 4, lambda row: str(row["priority"]), right=True, rank=1, extra=True),
        Column("BATCH", 6, lambda row: str(row["batch_id"]), right=True, rank=1, extra=True),
        Column("DUE", 14, lambda row: clock(row["due_at"], now), rank=2, extra=True),
        Column("CHANGED", 14, lambda row: clock(row["updated_at"], now), rank=2, extra=True),
        Column("SENT", 14, lambda row: clock(row["sent_at"], now), rank=2, extra=True),
        Column("REASON", 26, lambda row: row["error_key"], rank=2, extra=True),
        Column("MESSAGE-ID", 32, lambda row: row["message_id"] or "-", rank=1, extra=True),
    ]
