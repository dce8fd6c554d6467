"""Background jobs by kind: how many stand in which state, how their runs ended, how long they took. Bounded reads:
totals come from counters, times from sums by the hour that outlive the jobs themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from storage.model import HOUR
from storage.reader import STATES, Reader, Row
from storage.work_terms import CHANNEL

OUTCOMES = ("completed", "failed", "retried", "uncertain", "held", "skipped")
"""How a run can end."""

_TOTALS = "SELECT kind, state, n FROM kind_counters WHERE n <> 0 ORDER BY kind"
_RUNS = (
    "SELECT bucket, outcome, SUM(n) AS n, SUM(duration) AS duration, min(shortest) AS shortest, "
    "max(longest) AS longest FROM kind_hours WHERE kind = ? AND hour >= ? GROUP BY outcome, bucket"
)
_HOURS = (
    "SELECT hour, outcome, SUM(n) AS n, SUM(duration) AS duration FROM kind_hours WHERE kind = ? AND hour >= ? "
    "GROUP BY hour, outcome"
)
_HOURLY = "SELECT hour, bucket, outcome, n, duration, shortest, longest FROM kind_hours WHERE kind = ? AND hour >= ?"
_QUEUES = (
    "SELECT q.id, q.name AS queue, q.state, q.reason, "
    "COALESCE(SUM(CASE WHEN k.state = 'pending' THEN k.n END), 0) AS pending, "
    "COALESCE(SUM(CASE WHEN k.state = 'processing' THEN k.n END), 0) AS processing, "
    "COALESCE(SUM(CASE WHEN k.state = 'held' THEN k.n END), 0) AS held "
    "FROM queues q LEFT JOIN counters k ON k.queue_id = q.id AND k.campaign_id = 0 WHERE q.channel = ? "
    "GROUP BY q.id ORDER BY q.name"
)


def totals(reader: Reader) -> dict[str, dict[str, int]]:
    """Every kind that has jobs, with how many stand in each state."""
    found: dict[str, dict[str, int]] = {}
    for row in reader.rows(_TOTALS):
        found.setdefault(row["kind"], dict.fromkeys(STATES, 0))[row["state"]] = row["n"]
    return found


def kinds(reader: Reader) -> list[str]:
    """Every kind that ever had a background job, by name; its jobs may be gone, what they took is kept."""
    return [row["kind"] for row in reader.rows("SELECT DISTINCT kind FROM kind_counters ORDER BY kind")]


def queues(reader: Reader) -> list[Row]:
    """The queues of background jobs: `id, queue, state, reason`, and how many of theirs are `pending`, `processing`,
    `held`."""
    return reader.rows(_QUEUES, (CHANNEL,))


_DUE = (
    "SELECT 1 FROM jobs INDEXED BY jobs_claim WHERE queue_id = ? AND campaign_id IS NULL AND state = 'pending' "
    "AND ready = 1 LIMIT 1"
)
_NEARLY = (
    "SELECT 1 FROM jobs INDEXED BY jobs_promote WHERE queue_id = ? AND campaign_id IS NULL AND state = 'pending' "
    "AND ready = 0 AND due_at <= ? LIMIT 1"
)


def anything_due(reader: Reader, now: int) -> bool:
    """Whether a background job could begin now (us), the pause of everything left aside."""
    ready = [queue["id"] for queue in queues(reader) if queue["state"] == "ready" and queue["pending"]]
    return any(reader.one(_DUE, (id,)) or reader.one(_NEARLY, (id, now)) for id in ready)


def empty_since(reader: Reader, since: int) -> int:
    """How many runs ended since a time (us) that succeeded and did nothing."""
    row = reader.one(
        "SELECT count(*) AS n FROM tasks t JOIN jobs j ON j.id = t.job_id WHERE t.flag <> '' AND t.flag LIKE 'empty%' "
        "AND j.sent_at >= ?",
        (since,),
    )
    return int(row["n"]) if row else 0


class Times(NamedTuple):
    """How long `n` runs took, in microseconds; the quantiles lie within a tenth of the true ones."""

    n: int
    average: int
    shortest: int
    longest: int
    p50: int
    p95: int


class Runs(NamedTuple):
    """How the runs of one or more kinds ended since a time, by outcome, and how long those took that `completed`
    (None: none did)."""

    ended: dict[str, int]
    times: Times | None

    @property
    def rated(self) -> int:
        """What a success rate is a part of: jobs that completed, and jobs that failed for good."""
        return self.ended["completed"] + self.ended["failed"]

    @property
    def success_rate(self) -> float | None:
        """From 0 to 1; None when nothing has ended."""
        return self.ended["completed"] / self.rated if self.rated else None


def runs(reader: Reader, kinds: Sequence[str], since: int) -> Runs:
    """What the runs of these kinds came to from the hour (us) on in which `since` lies."""
    rows = [row for kind in kinds for row in reader.rows(_RUNS, (kind, since // HOUR))]
    ended = dict.fromkeys(OUTCOMES, 0)
    for row in rows:
        ended[row["outcome"]] += row["n"]
    return Runs(ended, times_of(row for row in rows if row["outcome"] == "completed"))


def hours(reader: Reader, kinds: Sequence[str], since: int) -> list[Row]:
    """What ended hour by hour, oldest first, hours without a run left out: `hour` (us), a number for each of
    `OUTCOMES`, `duration`: what the completed ones took together (us)."""
    found: dict[int, Row] = {}
    for kind in kinds:
        for row in reader.rows(_HOURS, (kind, since // HOUR)):
            hour = found.setdefault(
                row["hour"], {"hour": row["hour"] * HOUR, **dict.fromkeys(OUTCOMES, 0), "duration": 0}
            )
            hour[row["outcome"]] += row["n"]
            hour["duration"] += row["duration"] if row["outcome"] == "completed" else 0
    return [found[hour] for hour in sorted(found)]


def hourly(reader: Reader, kinds: Sequence[str], now: int, hours: int) -> list[Row]:
    """The last `hours` hours, oldest first and the present one last, each named whether or not something ended in it:
    `{hour (us), sent, failed, done, duration, p50, p95}`. `sent` are jobs that completed, `failed` those that failed
    for good, `done` both; times (us) are those of completed runs, `duration` summed up, quantiles None without any."""
    present = now // HOUR
    found: dict[int, list[Row]] = {hour: [] for hour in range(present - hours + 1, present + 1)}
    for kind in kinds:
        for row in reader.rows(_HOURLY, (kind, present - hours + 1)):
            if row["hour"] in found:
                found[row["hour"]].append(row)
    return [_hour(hour, rows) for hour, rows in found.items()]


def _hour(hour: int, rows: Sequence[Row]) -> Row:
    ended = {outcome: sum(row["n"] for row in rows if row["outcome"] == outcome) for outcome in OUTCOMES}
    completed = [row for row in rows if row["outcome"] == "completed"]
    times = times_of(completed)
    return {
        "hour": hour * HOUR,
        "sent": ended["completed"],
        "failed": ended["failed"],
        "done": ended["completed"] + ended["failed"],
        "duration": sum(row["duration"] for row in completed),
        "p50": times and times.p50,
        "p95": times and times.p95,
    }


def times_of(rows: Iterable[Row]) -> Times | None:
    """Average, ends and quantiles of runs that are counted in buckets (`task_endings.bucket_of`): `bucket, n,
    duration, shortest, longest`, several rows of one bucket allowed. None without a run."""
    buckets: dict[int, tuple[int, int, int]] = {}
    n = duration = 0
    for row in rows:
        some, shortest, longest = buckets.get(row["bucket"], (0, row["shortest"], row["longest"]))
        buckets[row["bucket"]] = some + row["n"], min(shortest, row["shortest"]), max(longest, row["longest"])
        n, duration = n + row["n"], duration + row["duration"]
    if not n:
        return None
    ordered = [buckets[bucket] for bucket in sorted(buckets)]
    ends = min(low for _, low, _ in ordered), max(high for _, _, high in ordered)
    return Times(n, duration // n, *ends, _quantile(ordered, n, 50), _quantile(ordered, n, 95))


def _quantile(buckets: Sequence[tuple[int, int, int]], n: int, percent: int) -> int:
    """The time that this share of `n` runs did not exceed: the place within its bucket, as if its runs were spread
    evenly between the shortest and the longest one."""
    rank = -(-n * percent // 100)
    for some, low, high in buckets:
        if rank <= some:
            return low + (high - low) * (rank - 1) // max(1, some - 1)
        rank -= some
    return buckets[-1][2]
