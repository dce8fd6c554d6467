"""Each start, resume or retry of a campaign as one row, with what was sent and failed until it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.tx import Tx


def begin_execution(tx: Tx, campaign_id: int, kind: str, queued: int, actor: str, now: int) -> int:
    """Note one start, resume or retry; its counts are what the campaign's counters gain until it ends."""
    finish_executions(tx, campaign_id, "done", f"followed by {kind}", now)
    sent, failed = _sent_failed(tx, campaign_id)
    return tx.insert(
        "INSERT INTO executions (campaign_id, kind, state, actor, queued, base_sent, base_failed, started_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (campaign_id, kind, "running", actor, queued, sent, failed, now),
    )


def finish_executions(tx: Tx, campaign_id: int, state: str, message: str, now: int) -> None:
    if not tx.one("SELECT 1 FROM executions WHERE campaign_id = ? AND state = 'running'", (campaign_id,)):
        return
    sent, failed = _sent_failed(tx, campaign_id)
    tx.execute(
        "UPDATE executions SET state = ?, message = ?, sent = ? - base_sent, failed = max(0, ? - base_failed), "
        "finished_at = ? WHERE campaign_id = ? AND state = 'running'",
        (state, message, sent, failed, now, campaign_id),
    )


def _sent_failed(tx: Tx, campaign_id: int) -> tuple[int, int]:
    row = tx.one(
        "SELECT COALESCE(SUM(CASE WHEN state IN ('completed', 'bounced') THEN n END), 0) AS sent, "
        "COALESCE(SUM(CASE WHEN state = 'failed' THEN n END), 0) AS failed "
        "FROM counters WHERE campaign_id = ?",
        (campaign_id,),
    )
    return row["sent"], row["failed"]
