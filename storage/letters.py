"""The text of one message instead of its step's: drafted for that person, or edited before it was approved.

A letter is literal. No field is filled in and no template is run when it leaves: what somebody read and approved is
what is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from storage.tx import Tx


class Letter(NamedTuple):
    """`text` and `html` as they leave; "" for a part that the message does not have."""

    subject: str = ""
    text: str = ""
    html: str = ""


def write(tx: Tx, job_id: int, letter: Letter, by: str, now: int) -> None:
    """Give a message its own text; its campaign's messages are looked up for one from now on."""
    tx.execute(
        "INSERT INTO letters (job_id, subject, text, html, written_by, updated_at) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (job_id) DO UPDATE SET subject = excluded.subject, text = excluded.text, html = excluded.html, "
        "written_by = excluded.written_by, updated_at = excluded.updated_at",
        (job_id, letter.subject, letter.text, letter.html, by, now),
    )
    tx.execute(
        "UPDATE campaigns SET letters = 1 WHERE letters = 0 AND id = (SELECT campaign_id FROM jobs WHERE id = ?)",
        (job_id,),
    )


def of_jobs(tx: Tx, ids: list[int]) -> dict[int, Letter]:
    """The letters of those of these jobs that have one."""
    rows = tx.by_id("SELECT job_id AS id, subject, text, html FROM letters WHERE job_id IN ", ids) if ids else {}
    return {id: Letter(row["subject"], row["text"], row["html"]) for id, row in rows.items()}
