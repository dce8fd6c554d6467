"""What one queue has done lately, for screens: bounded reads, whatever the size of the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from storage.limits import Ceiling, frees_at
from storage.model import HOUR
from storage.reader import Reader
from storage.shares import ACTIVE_CAMPAIGNS, ACTIVE_LANES

Row = dict[str, Any]

TIMED = 1_000
"""Attempts that a latency is measured over at most."""
LOOKED_THROUGH = 5_000
"""The newest attempts of all queues, among which those of one are looked for: there is no index by queue for those
that handed nothing over, because it would cost every send."""


_NTH = (
    "SELECT counted_at FROM attempts WHERE queue_id = ? AND counted_at IS NOT NULL "
    "ORDER BY counted_at DESC LIMIT 1 OFFSET ?"
)
_USED = "SELECT count(*) AS n FROM (SELECT 1 FROM attempts WHERE queue_id = ? AND counted_at > ? LIMIT ?)"

_SHARES = (
    "SELECT k.campaign_id, k.queue_id, q.name AS account, SUM(k.n) AS n FROM campaigns c "
    "JOIN counters k ON k.campaign_id = c.id AND k.state IN ('pending', 'processing') "
    "JOIN queues q ON q.id = k.queue_id WHERE c.state IN ('active', 'paused') "
    "GROUP BY k.campaign_id, k.queue_id HAVING SUM(k.n) > 0 ORDER BY k.campaign_id, k.queue_id"
)

_OF_LANE = "j.queue_id = l.queue_id AND j.campaign_id = l.campaign_id AND j.state = 'pending' AND j.ready = "
_DUE = (
    "SELECT MIN(due_at) AS due_at FROM (SELECT CASE "
    f"WHEN EXISTS (SELECT 1 FROM jobs j INDEXED BY jobs_claim WHERE {_OF_LANE}1) THEN 0 "
    f"ELSE (SELECT j.due_at FROM jobs j INDEXED BY jobs_promote WHERE {_OF_LANE}0 ORDER BY j.due_at LIMIT 1) "
    f"END AS due_at {ACTIVE_LANES})"
)
_WORK_DUE = (
    "SELECT due_at FROM jobs INDEXED BY jobs_promote WHERE queue_id = ? AND campaign_id IS NULL "
    "AND state = 'pending' AND ready = 0 ORDER BY due_at LIMIT 1"
)


def next_due(reader: Reader, queue_id: int) -> int | None:
    """When something of the running campaigns of a queue is due (us; 0: it is already); None: nothing waits."""
    row = reader.one(_DUE, (queue_id,))
    return row["due_at"] if row else None


def next_work_due(reader: Reader, queue_id: int) -> int | None:
    """When the next background job of a queue becomes due that is not yet (us); None without one."""
    row = reader.one(_WORK_DUE, (queue_id,))
    return row["due_at"] if row else None


def cap_uses(reader: Reader, queue_id: int, ceilings: Iterable[Ceiling], now: int) -> list[Row]:
    """Of each cap `nth`, its n-th newest counted start (us; None without), and `used`, at most n."""
    found = []
    for cap in ceilings:
        nth = reader.one(_NTH, (queue_id, cap.n - 1))
        used = reader.one(_USED, (queue_id, cap.since - 1 if cap.until else now - cap.period, cap.n))
        found.append({"nth": nth["counted_at"] if nth else None, "used": used["n"] if used else 0})
    return found


def caps_used(reader: Reader, queue_id: int, caps: Sequence[Sequence[int]], now: int) -> list[Row]:
    """How much of each cap (`Ceiling`'s fields, the last two may be missing) is used: `{n, period, calendar, used,
    frees_at}` (us).

    At most n rows are counted. `frees_at` is when a full cap lets the next one go, None while there is room.
    """
    ceilings = [Ceiling(*cap) for cap in caps]
    found = []
    for cap, use in zip(ceilings, cap_uses(reader, queue_id, ceilings, now), strict=True):
        opens = frees_at(cap, use["nth"], now) if use["nth"] is not None else 0
        found.append(
            {
                "n": cap.n,
                "period": cap.period,
                "calendar": bool(cap.until),
                "used": use["used"],
                "frees_at": opens if opens > now else None,
            }
        )
    return found


def add_shares(reader: Reader, campaigns: Iterable[Row]) -> None:
    """Give each campaign `shares`: what it still has to send through each of its accounts, `{queue_id, account, left}`
    (`left`: messages waiting or in flight, at least one); none of a campaign that neither runs nor is paused."""
    found: dict[int, list[Row]] = {}
    for row in reader.rows(_SHARES):
        share = {"queue_id": row["queue_id"], "account": row["account"], "left": row["n"]}
        found.setdefault(row["campaign_id"], []).append(share)
    for row in campaigns:
        row["shares"] = found.get(row["id"], [])


def add_limits(reader: Reader, campaigns: list[Row], limits: dict[str, Row], now: int) -> None:
    """Give each campaign its `shares` (`add_shares`), each with the limits of its queue: `caps` as `caps_used` tells
    them, `min_gap` (us); and when one of its queues was last changed (tuned, slowed down, resumed), `queue_changed_at`.

    `limits` by account: `{caps: [Ceiling's fields], min_gap}`, from a running engine's status or from the
    configuration; an account that is not there is taken for unlimited.
    """
    used: dict[int, list[Row]] = {}
    changed = {row["id"]: row["updated_at"] for row in reader.rows("SELECT id, updated_at FROM queues")}
    add_shares(reader, campaigns)
    for row in campaigns:
        for share in row["shares"]:
            queue_id, known = share["queue_id"], limits.get(share["account"], {})
            if queue_id not in used:
                used[queue_id] = caps_used(reader, queue_id, known.get("caps", ()), now)
            share["caps"], share["min_gap"] = used[queue_id], known.get("min_gap", 0)
        queues = [row["queue_id"], *(share["queue_id"] for share in row["shares"])]
        row["queue_changed_at"] = max(changed.get(queue_id, 0) for queue_id in queues)


def active_campaigns(reader: Reader, queue: str) -> list[str]:
    """Names of a queue's active campaigns, the oldest first."""
    return [row["name"] for row in reader.rows(ACTIVE_CAMPAIGNS, (queue,))]


def latency(reader: Reader, queue_id: int, now: int) -> Row:
    """Time from intent to reply of what was handed over in the last hour: `{n, p50, p95}` (us, None without any),
    over the newest 1,000 at most."""
    rows = reader.rows(
        "SELECT duration FROM attempts WHERE queue_id = ? AND counted_at > ? "
        "AND finished_at IS NOT NULL ORDER BY counted_at DESC LIMIT ?",
        (queue_id, now - HOUR, TIMED),
    )
    times = sorted(row["duration"] for row in rows)
    if not times:
        return {"n": 0, "p50": None, "p95": None}
    last = len(times) - 1
    return {"n": len(times), "p50": times[last * 50 // 100], "p95": times[last * 95 // 100]}


def last_failures(reader: Reader, since: int, queue_id: int | None = None) -> list[Row]:
    """Reasons by queue since a time, the last one first: `{queue_id, error_key, outcome, n, first_at, last_at,
    sample}`. Reads hours, not attempts."""
    where, values = ("AND queue_id = ?", [queue_id]) if queue_id is not None else ("", [])
    rows = reader.rows(
        "SELECT queue_id, error_key, outcome, n, first_at, last_at, sample FROM failure_hours "
        f"WHERE hour >= ? {where} ORDER BY last_at DESC LIMIT ?",
        (since // HOUR, *values, TIMED),
    )
    found: dict[tuple[int, str], Row] = {}
    for row in rows:
        newest = found.setdefault((row["queue_id"], row["error_key"]), row)
        if newest is not row:
            newest["n"] += row["n"]
            newest["first_at"] = min(newest["first_at"], row["first_at"])
    return list(found.values())


def last_attempts(reader: Reader, queue_id: int, limit: int = 20) -> list[Row]:
    """The newest attempts of a queue, newest first, out of the newest 5,000 of all queues: `{id, job_id, number,
    intent_at, outcome, phase, code, enhanced, reply, server, duration}`."""
    return reader.rows(
        "SELECT id, job_id, number, intent_at, outcome, phase, code, enhanced, reply, server, duration FROM "
        "(SELECT * FROM attempts ORDER BY id DESC LIMIT ?) WHERE queue_id = ? ORDER BY id DESC LIMIT ?",
        (LOOKED_THROUGH, queue_id, limit),
    )
