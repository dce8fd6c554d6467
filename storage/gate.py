"""The gate: the durable intent that must stand before any content leaves, or the reason why it may not.

What happened before this mark can be repeated; what comes after it cannot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from storage import approvals, dispatch, domains, overlaps
from storage.cap_room import opens as cap_opens
from storage.dispatch import PAUSED, STEP_BACK, after
from storage.dispatch_nouns import Claim, ClaimRequest, Intent, IntentRequest
from storage.limits import CAP, WARM_UP
from storage.model import Approval
from storage.suppressions import among
from storage.tx import Tx

_GATE = (
    f"SELECT {PAUSED}, j.id, j.state, j.lease, j.queue_id, j.campaign_id, j.batch_id, j.attempts, j.gap, j.error_key, "
    "q.state AS queue_state, q.last_start AS queue_start, q.spaced_start, q.throttle, q.warm_days, q.warm_on, "
    "c.state AS campaign_state, COALESCE(l.last_start, 0) AS last_start, c.spacing, c.replanning, r.stopped, "
    "r.address, r.address_key, r.profile, j.recipient_id, COALESCE(c.approval, '') AS approval, c.approved_at, "
    "l.approved_as, ap.decision, ap.digest AS approved_digest, "
    "EXISTS (SELECT 1 FROM attempts a WHERE a.job_id = j.id AND a.lease = j.lease) AS granted "
    "FROM jobs j JOIN queues q ON q.id = j.queue_id "
    "LEFT JOIN lanes l ON l.queue_id = j.queue_id AND l.campaign_id = j.campaign_id "
    "LEFT JOIN campaigns c ON c.id = j.campaign_id LEFT JOIN recipients r ON r.id = j.recipient_id "
    "LEFT JOIN approvals ap ON ap.job_id = j.id WHERE j.id IN "
)
_INTENTS = "INSERT INTO attempts (id, job_id, lease, number, queue_id, epoch, intent_at, counted_at, server) VALUES "
_QUEUE_WIDE = frozenset({"minimum gap", CAP, WARM_UP})
NOT_APPROVED = "approval"
_WARM = "UPDATE queues SET warm_days = warm_days + 1, warm_on = ? WHERE id = ? AND warm_on < ?"


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
    any more, to `held` when it is not approved, or not as it would leave); a lost lease changes nothing.
    """
    rows: dict[int, Any] = {}
    for request in requests:
        if request.job_id in tx.claimed:
            rows[request.job_id] = tx.claimed.pop(request.job_id)
    unread = [request.job_id for request in requests if request.job_id not in rows]
    if unread:
        rows.update(tx.by_id(_GATE, unread))
    grants = _Grants(tx, among(tx, rows.values(), requests[0].now))
    intents = [_begin(tx, rows, request, grants) for request in requests]
    grants.write()
    # Before the claims of the same commit, which measure their gaps from it.
    tx.flush_starts()
    return intents


class _Grants:
    """Intents of one transaction, written together: before anything counts them, and before it ends."""

    def __init__(self, tx: Tx, suppressed: dict[int, str]) -> None:
        self._tx = tx
        self.suppressed = suppressed
        """Why the people of these recipient ids must not be contacted."""
        self._minds: dict[int, bool] = {}
        self._rows: list[tuple[Any, ...]] = []
        self._next = 0

    def add(self, row: Any, request: IntentRequest) -> int:
        """Grant one; the id of its attempt. Ids follow the largest, as SQLite's own would: only the Writer writes."""
        if not self._next:
            self._next = self._tx.one("SELECT COALESCE(max(id), 0) + 1 AS id FROM attempts")["id"]
        attempt, self._next = self._next, self._next + 1
        self._tx.room.started(row["queue_id"])
        self._rows.append(
            (
                attempt, request.job_id, request.lease, row["attempts"] + 1, row["queue_id"], request.epoch,
                request.now, request.now, request.server,
            )
        )  # fmt: skip
        return attempt

    def other_campaign(self, row: Any, now: int) -> int:
        """When another campaign's message to the same person lets this one go; 0 where its campaign minds none."""
        campaign_id = row["campaign_id"]
        if campaign_id not in self._minds:
            self._minds[campaign_id] = overlaps.minds(self._tx, campaign_id)
        if not self._minds[campaign_id]:
            return 0
        self.write()
        left = overlaps.just_left(self._tx, campaign_id, row["address_key"] or "", row["profile"] or "", now)
        return min(left.at, now) + overlaps.AFTER if left is not None else 0

    def write(self) -> None:
        if self._rows:
            self._tx.insert_many(_INTENTS, 9, self._rows)
            self._rows.clear()


def _begin(tx: Tx, rows: dict[int, Any], request: IntentRequest, grants: _Grants) -> Intent:
    row = rows.get(request.job_id)
    if row is None or row["lease"] != request.lease or row["state"] != "processing" or row["granted"]:
        return Intent(None, "lease")
    # One answer a lease: what was read before the first one no longer holds for a second.
    del rows[request.job_id]
    if row["queue_start"] > request.now + STEP_BACK:
        # Before this start is noted: from then on nothing tells that there are starts in the future.
        dispatch.forget_future_starts(tx, row["queue_id"], request.now)
    refused, retry_at = _closed_gate(tx, row, request, grants)
    if refused:
        _return(tx, row, request, refused, retry_at, grants.suppressed)
        # What holds this job or its campaign alone is seen by the next claim; nothing else has to wait for its end.
        return Intent(None, refused, retry_at if refused in _QUEUE_WIDE else None)
    attempt = grants.add(row, request)
    tx.started(row["queue_id"], row["campaign_id"], row["batch_id"], request.now, spaced=row["spacing"] == "queue")
    limits = request.limits
    if limits.domain_gap:
        domains.started(tx, row["queue_id"], row["address"] or "", request.now)
    if limits.warmup is not None and row["warm_on"] < limits.warmup.since:
        tx.execute(_WARM, (limits.warmup.since, row["queue_id"], limits.warmup.since))
    return Intent(attempt)


def _closed_gate(tx: Tx, row: Any, request: IntentRequest, grants: _Grants) -> tuple[str, int | None]:
    """Which gate is closed ("" for none) and when it opens."""
    now = request.now
    # `tx.starts` knows the starts that this very group has granted.
    if row["stopped"]:
        return f"recipient {row['stopped']}", None
    if row["recipient_id"] in grants.suppressed:
        return "recipient suppressed", None
    if approvals.closed(row, request.digest):
        return NOT_APPROVED, None
    if row["campaign_state"] not in (None, "active") or row["replanning"]:
        return f"campaign {row['campaign_state']}", None
    if row["queue_state"] not in ("ready", "probing"):
        return f"queue {row['queue_state']}", None
    if row["paused"]:
        return "engine paused", None
    if request.opens > now:
        return "window", request.opens
    for gate, opens in _not_yet(tx, row, request, grants):
        if opens > now:
            return gate, opens
    return "", None


def _not_yet(tx: Tx, row: Any, request: IntentRequest, grants: _Grants) -> Iterator[tuple[str, int]]:
    """Each gap and cap with the time from which it allows this start, in the order in which `explain` names them."""
    now, limits, throttle = request.now, request.limits, row["throttle"]
    if limits.min_gap:
        yield (
            "minimum gap",
            after(tx.starts.get(("queues", row["queue_id"]), row["queue_start"]), limits.min_gap << throttle, now),
        )
    if row["gap"]:
        across = row["spacing"] == "queue"
        if across:
            last = tx.starts.get(("spaced", row["queue_id"]), row["spaced_start"])
        else:
            last = tx.lane_starts.get((row["queue_id"], row["campaign_id"]), row["last_start"])
        yield "gap", after(last, row["gap"] << throttle, now)
    for word, cap in limits.ceilings(throttle, row["warm_days"], row["warm_on"]):
        if tx.room.left(row["queue_id"], cap, now) <= 0:
            grants.write()
        yield word, cap_opens(tx, row["queue_id"], cap, now)
    if limits.domain_gap:
        last = domains.last_start(tx, row["queue_id"], row["address"] or "")
        yield domains.WAITS, after(last, limits.domain_gap << throttle, now)
    yield overlaps.WAITS, grants.other_campaign(row, now)


def _return(
    tx: Tx, row: Any, request: IntentRequest, refused: str, retry_at: int | None, suppressed: dict[int, str]
) -> None:
    if refused == NOT_APPROVED and row["approval"] == Approval.MESSAGE:
        approvals.hold_at_gate(tx, row, request.now)
        return
    if refused == NOT_APPROVED:
        approvals.void_at_gate(tx, row, request.digest, request.now)
    scope = (row["queue_id"], row["campaign_id"], row["batch_id"])
    tx.count(*scope, "processing", "", -1)
    stopped = row["stopped"]
    if not stopped and row["recipient_id"] in suppressed:
        stopped = "suppressed"
        tx.execute(
            "UPDATE recipients SET stopped = ?, stopped_at = ? WHERE id = ?",
            (stopped, request.now, row["recipient_id"]),
        )
    if stopped:
        tx.execute(
            "UPDATE jobs SET state = 'skipped', reason = ?, ready = 0, lease_until = NULL, updated_at = ? WHERE id = ?",
            (stopped, request.now, request.job_id),
        )
        tx.count(*scope, "skipped", row["error_key"], +1)
        return
    if refused in (domains.WAITS, overlaps.WAITS) and retry_at is not None:
        tx.execute(
            "UPDATE jobs SET state = 'pending', lease_until = NULL, ready = 0, due_at = ?, reason = ?, updated_at = ? "
            "WHERE id = ?",
            (retry_at, refused, request.now, request.job_id),
        )
    else:
        tx.execute(
            "UPDATE jobs SET state = 'pending', lease_until = NULL, updated_at = ? WHERE id = ?",
            (request.now, request.job_id),
        )
    tx.count(*scope, "pending", row["error_key"], +1)
