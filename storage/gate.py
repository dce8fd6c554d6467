"""The gate: the durable intent that must stand before any content leaves, or the reason why it may not.

What happened before this mark can be repeated; what comes after it cannot.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from storage import dispatch
from storage.dispatch import PAUSED, Claim, ClaimRequest, Intent, IntentRequest, after
from storage.writer import Tx

_GATE = (
    f"SELECT {PAUSED}, j.id, j.state, j.lease, j.queue_id, j.campaign_id, j.batch_id, j.attempts, j.gap, j.error_key, "
    "q.state AS queue_state, q.last_start AS queue_start, c.state AS campaign_state, c.last_start, "
    "c.replanning, r.stopped, "
    "EXISTS (SELECT 1 FROM attempts a WHERE a.job_id = j.id AND a.lease = j.lease) AS granted "
    "FROM jobs j JOIN queues q ON q.id = j.queue_id "
    "LEFT JOIN campaigns c ON c.id = j.campaign_id LEFT JOIN recipients r ON r.id = j.recipient_id WHERE j.id IN "
)
_NTH = (
    "SELECT counted_at FROM attempts WHERE queue_id = ? AND counted_at IS NOT NULL "
    "ORDER BY counted_at DESC LIMIT 1 OFFSET ?"
)


def claim_and_begin(tx: Tx, request: ClaimRequest) -> Claim:
    """Claim, and pass the gate at once with those jobs that the asker is ready for: one commit instead of two."""
    claimed = dispatch.claim(tx, request)
    if request.begin is None or not claimed.jobs:
        return claimed
    asked = [wanted for job in claimed.jobs if (wanted := request.begin(job)) is not None]
    if not asked:
        return claimed
    intents = begin_attempts(tx, asked)
    return replace(claimed, intents={wanted.job_id: intent for wanted, intent in zip(asked, intents, strict=True)})


def begin_attempts(tx: Tx, requests: list[IntentRequest]) -> list[Intent]:
    """The gate: write durable intents, or refuse. What left before this commit can be repeated; nothing after.

    A refused job goes back to `pending` in the same transaction (to `skipped` when its person must not be contacted
    any more); a lost lease changes nothing.
    """
    rows = tx.by_id(_GATE, [request.job_id for request in requests])
    intents = [_begin(tx, rows, request) for request in requests]
    # Before the claims of the same commit, which measure their gaps from it.
    tx.flush_starts()
    return intents


def _begin(tx: Tx, rows: dict[int, Any], request: IntentRequest) -> Intent:
    row = rows.get(request.job_id)
    if row is None or row["lease"] != request.lease or row["state"] != "processing" or row["granted"]:
        return Intent(None, "lease")
    # One answer a lease: what was read before the first one no longer holds for a second.
    del rows[request.job_id]
    refused, retry_at = _closed_gate(tx, row, request)
    if refused:
        _return(tx, row, request, refused)
        return Intent(None, refused, retry_at)
    attempt = tx.insert(
        "INSERT INTO attempts (job_id, lease, number, queue_id, epoch, intent_at, counted_at, server) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            request.job_id,
            request.lease,
            row["attempts"] + 1,
            row["queue_id"],
            request.epoch,
            request.now,
            request.now,
            request.server,
        ),
    )
    tx.started(row["queue_id"], row["campaign_id"], row["batch_id"], request.now)
    return Intent(attempt)


def _closed_gate(tx: Tx, row: Any, request: IntentRequest) -> tuple[str, int | None]:
    """Which gate is closed ("" for none) and when it opens."""
    now = request.now
    # `tx.starts` knows the starts that this very group has granted.
    if row["stopped"]:
        return f"recipient {row['stopped']}", None
    if row["campaign_state"] not in (None, "active") or row["replanning"]:
        return f"campaign {row['campaign_state']}", None
    if row["queue_state"] not in ("ready", "probing"):
        return f"queue {row['queue_state']}", None
    if row["paused"]:
        return "engine paused", None
    if request.min_gap:
        opens = after(tx.starts.get(("queues", row["queue_id"]), row["queue_start"]), request.min_gap, now)
        if opens > now:
            return "gap", opens
    if row["gap"]:
        opens = after(tx.starts.get(("campaigns", row["campaign_id"]), row["last_start"]), row["gap"], now)
        if opens > now:
            return "gap", opens
    for n, period in request.caps:
        nth = tx.one(_NTH, (row["queue_id"], n - 1))
        if nth is not None:
            opens = min(nth["counted_at"], now) + period
            if opens > now:
                return "cap", opens
    return "", None


def _return(tx: Tx, row: Any, request: IntentRequest, refused: str) -> None:
    scope = (row["queue_id"], row["campaign_id"], row["batch_id"])
    tx.count(*scope, "processing", "", -1)
    if row["stopped"]:
        tx.execute(
            "UPDATE jobs SET state = 'skipped', reason = ?, ready = 0, lease_until = NULL, updated_at = ? WHERE id = ?",
            (row["stopped"], request.now, request.job_id),
        )
        tx.count(*scope, "skipped", row["error_key"], +1)
        return
    tx.execute(
        "UPDATE jobs SET state = 'pending', lease_until = NULL, updated_at = ? WHERE id = ?",
        (request.now, request.job_id),
    )
    tx.count(*scope, "pending", row["error_key"], +1)
