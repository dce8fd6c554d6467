"""What waits for approval and what was decided, as commands and screens read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.letters import Letter
from storage.model import DAY
from storage.reader import Reader

Row = dict[str, Any]

SOON = DAY
"""An approval that expires within this is urgent (us)."""
MOST = 10_000
"""Waiting messages that are counted; beyond it the count says "more"."""
_BESIDE = (
    "SELECT a.job_id AS id, a.asked_at, a.expires_at, a.decision, a.decided_at, a.decided_by, a.note, "
    "l.written_by, l.updated_at AS written_at FROM approvals a LEFT JOIN letters l ON l.job_id = a.job_id "
    "WHERE a.job_id IN "
)
_WAITING = (
    "SELECT campaign_id, count(*) AS n, min(asked_at) AS asked_at, min(expires_at) AS expires_at, "
    "COALESCE(SUM(expires_at <= ?), 0) AS soon FROM (SELECT j.campaign_id, a.asked_at, a.expires_at FROM approvals a "
    "INDEXED BY approvals_open JOIN jobs j ON j.id = a.job_id WHERE a.decision = '' AND j.state = 'held' "
    "AND j.reason = 'approval' LIMIT ?) GROUP BY campaign_id"
)


def beside(reader: Reader, ids: Sequence[int]) -> dict[int, Row]:
    """What was asked and said about these jobs, by id; `written_by` whoever wrote its own text (None: its step's)."""
    if not ids:
        return {}
    rows = reader.rows(f"{_BESIDE}({', '.join('?' * len(ids))})", tuple(ids))
    return {row.pop("id"): row for row in rows}


def waiting(reader: Reader, now: int) -> dict[int, Row]:
    """By campaign: `n` messages that wait for approval, since when the first one (`asked_at`), when the next one
    expires (`expires_at`, None: none does) and how many do within `SOON` (`soon`)."""
    return {row["campaign_id"]: row for row in reader.rows(_WAITING, (now + SOON, MOST))}


def letter(reader: Reader, job_id: int) -> Letter | None:
    """The own text of a message; None where it says what its step says."""
    row = reader.one("SELECT subject, text, html FROM letters WHERE job_id = ?", (job_id,))
    return Letter(row["subject"], row["text"], row["html"]) if row else None
