"""Runs of pipelines as screens and commands read them: the job of each run with the ladder of its stages."""

from __future__ import annotations

from storage.errors import NotFoundError
from storage.last_run import FINISHED, STARTED
from storage.reader import Reader, Row
from storage.task_facts import ladder, read_json

_RUNS = (
    "SELECT j.id, j.kind, j.state, j.reason, j.due_at, j.attempts, j.last_error, j.created_at, t.origin, t.flag, "
    f"t.result, t.done, t.total, t.note, {STARTED} AS started_at, {FINISHED} AS finished_at "
    "FROM jobs j INDEXED BY jobs_kind JOIN tasks t ON t.job_id = j.id "
    "WHERE j.kind = ? AND j.kind <> 'send' AND j.id < ? ORDER BY j.id DESC LIMIT ?"
)
_LAST_PAYLOAD = (
    "SELECT t.payload FROM jobs j INDEXED BY jobs_kind JOIN tasks t ON t.job_id = j.id "
    "WHERE j.kind = ? AND j.kind <> 'send' ORDER BY j.id DESC LIMIT 1"
)
NEWEST = 1 << 62


def runs(reader: Reader, kind: str, *, before: int = NEWEST, limit: int = 20) -> list[Row]:
    """The runs of one kind, newest first, from the job `before` back, each with its `stages`. Times in microseconds;
    `ran`: how long its stages took together (us)."""
    rows = reader.rows(_RUNS, (kind, before, limit))
    for row in rows:
        row["result"] = read_json(row["result"])
        row["stages"] = ladder(reader, row["id"])
        row["ran"] = sum(
            stage["finished_at"] - stage["started_at"]
            for stage in row["stages"]
            if stage["started_at"] is not None and stage["finished_at"] is not None
        )
    return rows


def counters(run: Row) -> dict[str, int]:
    """The whole numbers of all stages of a run together, later ones over earlier ones of the same name."""
    found: dict[str, int] = {}
    for stage in run["stages"]:
        found |= {name: n for name, n in (stage["counters"] or {}).items() if isinstance(n, int)}
    return found


def last_runs(reader: Reader) -> list[Row]:
    """The last run of each pipeline that has run, by name: as `runs` tells one, with its `name` and its `payload`."""
    found = []
    for kind in [row["kind"] for row in reader.rows("SELECT DISTINCT kind FROM kind_counters ORDER BY kind")]:
        # One that nobody has begun yet has no stages: the one before it tells.
        newest = runs(reader, kind, limit=2)
        if any(row["stages"] for row in newest):
            found.append({**newest[0], "name": kind, "payload": last_payload(reader, kind) or {}})
    return found


def last_run(reader: Reader, name: str) -> Row:
    """The last run of one pipeline as `last_runs` tells it. Raises NotFoundError."""
    for row in last_runs(reader):
        if row["name"] == name:
            return row
    raise NotFoundError(f"no pipeline {name[:60]!r} has run yet", hint="see `paceline pipeline list`")


def last_payload(reader: Reader, kind: str) -> dict[str, object] | None:
    """What the last run of a kind was given; None when there was none."""
    row = reader.one(_LAST_PAYLOAD, (kind,))
    found = read_json(row["payload"]) if row is not None else None
    return found if isinstance(found, dict) else None
