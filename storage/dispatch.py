"""How a job is taken: a runner claims what may start now under a lease that only grows.

Before that `storage.promotion` flags what became due. The next steps of its path stand in `storage.gate` (the durable
intent) and `storage.endings` (its outcome). Each function runs inside the Writer's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storage import approvals, cap_room, domains, letters
from storage.dispatch_nouns import Claim, ClaimRequest
from storage.model import SECOND, Approval, QueueState
from storage.nouns import ClaimedJob
from storage.shares import ACTIVE_LANES, in_turn, keeps_turn

if TYPE_CHECKING:
    from storage.tx import Tx

STEP_BACK = SECOND
"""A start further in the future than this says that the clock was set back. Less is the same moment: the starts of a
commit are younger than the claims that were asked for while it was gathered."""

PAUSED = "COALESCE((SELECT value FROM settings WHERE key = 'paused'), '0') = '1' AS paused"
_QUEUE = (
    "SELECT state, until_at, last_start, spaced_start, cooling_step, throttle, warm_days, warm_on, "
    f"{PAUSED} FROM queues WHERE id = ?"
)
_LANES = (
    "SELECT c.id, c.state, c.concurrency, l.last_start, c.live, c.priority, c.weight, l.turn, c.hours, c.spacing, "
    f"c.replanning, c.started_at, c.approval, c.approved_at, l.approved_as, c.letters "
    f"{ACTIVE_LANES} AND c.replanning = 0 "
    f"AND {approvals.APPROVED_LANES} ORDER BY c.priority DESC, l.last_start, c.id"
)
_HEADS = (
    "SELECT j.id, j.lease, j.kind, j.queue_id, j.campaign_id, j.step_id, j.batch_id, j.recipient_id, j.message_id, "
    "j.tries, j.budget_at, j.due_at, j.error_key, j.gap, j.reason, j.attempts, r.address, r.fields, r.stopped, "
    "r.address_key, r.profile "
    "FROM jobs j INDEXED BY jobs_claim LEFT JOIN recipients r ON r.id = j.recipient_id "
    "WHERE j.queue_id = ? AND j.campaign_id = ? AND j.state = 'pending' AND j.ready = 1 "
    "ORDER BY j.priority DESC, j.due_at, j.id LIMIT ?"
)
_TAKE = (
    "UPDATE jobs SET state = 'processing', lease = lease + 1, lease_until = ?, updated_at = ? "
    "WHERE state = 'pending' AND id IN "
)
_LATER = "UPDATE jobs SET due_at = ?, ready = 0, reason = ?, updated_at = ? WHERE id = ? AND state = 'pending'"

LOOKED_AT = 100
"""Rows of a lane that are looked at when some of them may have to wait for a window or a domain of their own."""
PASSED_OVER = 20
"""So many rows of a lane stay ready although their domain is not free yet; more would hide those behind them."""


def claim(tx: Tx, request: ClaimRequest) -> Claim:
    """Take the jobs of one queue that may start now, in order, and put them under a lease.

    A lane is a campaign's part of the queue. Within a lane the head goes first, and a head that waits for its
    gap holds its lane: order is never changed for speed. Lanes share by priority, then by weight. Of lanes whose gaps
    count from each other's starts, the one whose turn it is holds the others too: else the shortest gap would always go
    first, and a campaign with longer ones never. While its hours are closed it does so only where it would miss them.
    """
    now = request.now
    queue = tx.one(_QUEUE, (request.queue_id,))
    if max(queue["last_start"], queue["spaced_start"]) > now + STEP_BACK:
        forget_future_starts(tx, request.queue_id, now)
        queue = tx.one(_QUEUE, (request.queue_id,))
    state = QueueState(queue["state"])
    room = request.room
    if state is QueueState.COOLING and queue["until_at"] <= now:
        tx.execute(
            "UPDATE queues SET state = 'probing', until_at = NULL, updated_at = ?, version = version + 1 WHERE id = ?",
            (now, request.queue_id),
        )
        state = QueueState.PROBING

    def nothing(next_at: int | None, by: str) -> Claim:
        return Claim((), next_at, state, by, 0, queue["cooling_step"], queue["throttle"])

    if state is QueueState.COOLING:
        return nothing(queue["until_at"], "cooling")
    if state is QueueState.PROBING:
        room = 0 if any(request.busy.values()) else min(room, 1)
    elif state is not QueueState.READY:
        return nothing(None, state.value)
    if queue["paused"]:
        return nothing(None, "engine paused")
    if request.closed_until > now:
        return nothing(request.closed_until, "window")
    if min_gap := request.limits.min_gap << queue["throttle"]:
        if request.starting:
            return nothing(None, "minimum gap")
        next_at = after(queue["last_start"], min_gap, now)
        if next_at > now:
            return nothing(next_at, "minimum gap")
        room = min(room, 1)
    if room <= 0:
        return nothing(None, "concurrency")
    # No more than the caps have room for: of several on their way the fastest would take the last place, whoever's turn
    # it is.
    for word, cap in request.limits.ceilings(queue["throttle"], queue["warm_days"], queue["warm_on"]):
        left = cap_room.room(tx, request.queue_id, cap, now, beyond=request.unbegun)
        if left <= request.unbegun:
            # Where there is room, who is on the way to it may still give the place back.
            return nothing(None if left else cap_room.opens(tx, request.queue_id, cap, now), word)
        room = min(room, left - request.unbegun)
    return _claim_lanes(tx, request, room, state, queue)


def _claim_lanes(tx: Tx, request: ClaimRequest, room: int, state: QueueState, queue: Any) -> Claim:
    jobs: list[ClaimedJob] = []
    available = 0
    next_at: int | None = None
    taken: dict[int, int] = {}
    blocked_by = ""
    lanes = tx.all(_LANES, (request.queue_id,))
    if any(lane["last_start"] > request.now + STEP_BACK for lane in lanes):
        forget_future_starts(tx, request.queue_id, request.now)
        lanes = tx.all(_LANES, (request.queue_id,))
    if len(lanes) > 1:
        lanes = in_turn(lanes, queue["last_start"])
    weights = sum(lane["weight"] for lane in lanes)
    domain_gap = request.limits.domain_gap << queue["throttle"]
    lines = None
    if domain_gap:
        lines = domains.Lines(tx, request.queue_id, domain_gap, request.now, request.starting_domains)
    spaced = moved = False
    waits_in_turn: int | None = None
    # Two passes: a share by weight first, so that one large campaign cannot fill every slot, then what is left.
    for whole in (False, True):
        for lane in lanes:
            free = min(
                room if whole else max(1, room * lane["weight"] // weights),
                room - available,
                lane["concurrency"] - request.busy.get(lane["id"], 0) - taken.get(lane["id"], 0),
            )
            if free <= 0:
                continue
            across = lane["spacing"] == "queue"
            if across and waits_in_turn not in (None, lane["id"]):
                continue
            gap_used = spaced or bool(request.starting) if across else lane["id"] in request.starting
            got, lane_next, held_by, lane_moved = _claim_lane(
                tx, request, queue, lane, free, lines, gap_used=gap_used or bool(taken.get(lane["id"]))
            )
            moved = moved or lane_moved
            spaced = spaced or (across and bool(got))
            taken[lane["id"]] = taken.get(lane["id"], 0) + len(got)
            available += len(got)
            if got and not request.peek:
                jobs += _take(tx, got, lane, queue, state, request)
            if across and not got and lane_next is not None:
                holds = held_by == "gap" or (held_by == "window" and _keeps_turn(tx, request, queue, lane))
                waits_in_turn = lane["id"] if holds else waits_in_turn
            if lane_next is not None:
                blocked_by = held_by if next_at is None or lane_next < next_at else blocked_by
                next_at = lane_next if next_at is None else min(next_at, lane_next)
        if available >= room or len(lanes) <= 1 or request.peek:
            break
    return Claim(
        tuple(jobs), next_at, state, "" if available else blocked_by, available, queue["cooling_step"],
        queue["throttle"], moved,
    )  # fmt: skip


def _claim_lane(
    tx: Tx, request: ClaimRequest, queue: Any, lane: Any, free: int, lines: domains.Lines | None, *, gap_used: bool
) -> tuple[list[Any], int | None, str, bool]:
    """The rows of one lane that may begin now; else when its head may (None: only a change helps) and what holds it;
    whether rows were moved to a later time."""
    now = request.now
    hours = lane["hours"]
    ask = request.opens if hours or request.own_zones else None
    if ask is not None and (opens := ask(hours, None, now)) > now:
        return [], opens, "window", False
    choosy = bool(ask or lines)
    jobs: list[Any] = []
    moves: list[tuple[int, str, int, int]] = []
    free_at: list[int] = []
    last_start = queue["spaced_start"] if lane["spacing"] == "queue" else lane["last_start"]
    for head in tx.all(_HEADS, (request.queue_id, lane["id"], max(free, LOOKED_AT) if choosy else free)):
        if len(jobs) == free:
            break
        gap = head["gap"] << queue["throttle"]
        begins = max(now, head["due_at"], after(last_start, gap, now)) if gap else now
        if ask is not None:
            # Whose window closes before the gap has passed does not hold those behind until then: the same is decided
            # whenever it is looked at.
            if begins > now and (opens := ask(hours, None, begins)) > begins:
                tx.executemany(_LATER, moves)
                return jobs, opens, "window", bool(moves)
            if (opens := ask(hours, head["fields"] or "{}", begins)) > begins:
                moves.append((opens, "window", now, head["id"]))
                continue
        if gap and (begins > now or gap_used):
            tx.executemany(_LATER, moves)
            # A clock that was set back makes due again later what was due already: that is no gap.
            held_by = "due" if head["due_at"] > now else "gap"
            return jobs, begins if begins > now else None, held_by, bool(moves)
        if lines is not None:
            # Behind the gap: until that has passed the domain may be free again, and nobody loses a place.
            keeps_place = head["reason"] == domains.WAITS
            if (place := lines.place(head["address"] or "", keeps_place=keeps_place)) > now:
                if keeps_place and len(free_at) < PASSED_OVER:
                    free_at.append(place)
                else:
                    moves.append((place, domains.WAITS, now, head["id"]))
                continue
            lines.take(head["address"] or "")
        gap_used = gap_used or bool(gap)
        jobs.append(head)
        last_start = now
    tx.executemany(_LATER, moves)
    if moves and not jobs:
        # What was moved made room for those behind it: look again at once.
        return jobs, now, "window", True
    return jobs, min(free_at, default=None), domains.WAITS, bool(moves)


def _keeps_turn(tx: Tx, request: ClaimRequest, queue: Any, lane: Any) -> bool:
    """Whether a lane that waits for its campaign's hours holds the others: `shares.keeps_turn`."""
    if not lane["hours"] or request.opens is None:
        return False
    head = tx.one(_HEADS, (request.queue_id, lane["id"], 1))
    if head is None or not (gap := head["gap"] << queue["throttle"]):
        return False
    now, hours, ask = request.now, lane["hours"], request.opens
    begins = max(now, head["due_at"], after(queue["spaced_start"], gap, now))
    return keeps_turn(lambda at: ask(hours, None, at), begins, gap, now)


def _take(tx: Tx, rows: list[Any], lane: Any, queue: Any, state: QueueState, request: ClaimRequest) -> list[ClaimedJob]:
    """Put these rows under a new lease. The Writer is the only one who writes, so what was read still holds."""
    marks = ", ".join("?" * len(rows))
    tx.execute(f"{_TAKE}({marks})", (request.lease_until, request.now, *(row["id"] for row in rows)))
    tx.move((row, "pending", row["error_key"], "processing", "") for row in rows)
    shared = _shared_facts(lane, queue, state)
    live, hours = bool(lane["live"]), lane["hours"]
    approval = lane["approval"]
    ids = [row["id"] for row in rows]
    own = letters.of_jobs(tx, ids) if lane["letters"] else {}
    decided = approvals.of_claim(tx, ids) if approval == Approval.MESSAGE else {}
    jobs = []
    for row in rows:
        # Taken apart in the order of _HEADS: a column by its name is looked for among all names, 20 times a message.
        (
            job_id, lease, kind, queue_id, campaign_id, step_id, batch_id, recipient_id, message_id, tries, budget_at,
            due_at, error_key, gap, _, attempts, address, fields, stopped, address_key, profile,
        ) = row  # fmt: skip
        jobs.append(
            ClaimedJob(
                job_id, lease + 1, kind, queue_id, campaign_id, step_id, batch_id, recipient_id, address or "",
                fields or "{}", message_id, tries, budget_at, due_at, live, hours,
                profile or "", own.get(job_id), approval,
            )
        )  # fmt: skip
        if request.begin is not None:
            decision, digest = decided.get(job_id, (None, ""))
            tx.claimed[job_id] = {
                **shared, "id": job_id, "lease": lease + 1, "attempts": attempts, "queue_id": queue_id,
                "decision": decision, "approved_digest": digest,
                "campaign_id": campaign_id, "batch_id": batch_id, "gap": gap, "error_key": error_key,
                "stopped": stopped, "address": address, "address_key": address_key, "profile": profile,
                "recipient_id": recipient_id,
            }  # fmt: skip
    return jobs


def _shared_facts(lane: Any, queue: Any, state: QueueState) -> dict[str, Any]:
    """What the rows of one claim have in common, as the gate reads it (`storage.gate`)."""
    return {
        "state": "processing", "granted": 0, "queue_state": state.value, "queue_start": queue["last_start"],
        "spaced_start": queue["spaced_start"], "throttle": queue["throttle"], "warm_days": queue["warm_days"],
        "warm_on": queue["warm_on"], "paused": queue["paused"], "campaign_state": lane["state"],
        "last_start": lane["last_start"], "spacing": lane["spacing"], "replanning": lane["replanning"],
        "approval": lane["approval"], "approved_at": lane["approved_at"], "approved_as": lane["approved_as"],
    }  # fmt: skip


def after(last: int, gap: int, now: int) -> int:
    """When a gap after `last` has passed; 0 when nothing was ever started."""
    return 0 if last == 0 else min(last, now) + gap


def forget_future_starts(tx: Tx, queue_id: int, now: int) -> None:
    """After a clock step backwards what lies in the future counts as now, once: gaps, caps, a cooling run from here."""
    tx.execute(
        "UPDATE queues SET last_start = min(last_start, ?), spaced_start = min(spaced_start, ?) WHERE id = ?",
        (now, now, queue_id),
    )
    domains.forget_future(tx, queue_id, now)
    tx.execute("UPDATE lanes SET last_start = ? WHERE queue_id = ? AND last_start > ?", (now, queue_id, now))
    tx.execute("UPDATE attempts SET counted_at = ? WHERE queue_id = ? AND counted_at > ?", (now, queue_id, now))
    tx.execute(
        "UPDATE queues SET until_at = ? + until_at - updated_at, updated_at = ? "
        "WHERE id = ? AND state = 'cooling' AND updated_at > ?",
        (now, now, queue_id, now),
    )
