"""What is known of one background job beyond its row of `jobs`: its payload, its progress, its items, its stages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from storage.reader import Reader, Row

_TASK = (
    "SELECT payload, effect, retries, timeout, stage, unique_key, origin, rescues, cancel, done, total, note, result, "
    "flag FROM tasks WHERE job_id = ?"
)
_HEADS = "SELECT job_id, unique_key, substr(payload, 1, ?) AS payload FROM tasks WHERE job_id IN ({marks})"
HEAD = 200
"""Characters of a payload that a list needs."""
_ITEM_SUMS = (
    "SELECT list, SUM(done) AS done, SUM(1 - done) AS failed FROM task_items WHERE job_id = ? GROUP BY list "
    "ORDER BY list"
)
_ITEMS = "SELECT list, key, done, value, at FROM task_items WHERE job_id = ? AND done = ? ORDER BY list, key LIMIT ?"
_STAGES = (
    "SELECT s.position, s.name, s.state, s.counters, s.note, s.flag, s.started_at, s.finished_at, j.state AS job_state "
    "FROM stages s JOIN jobs j ON j.id = s.job_id WHERE s.job_id = ? ORDER BY s.position"
)
CUT_SHORT = "cut short"
"""What is said of a stage whose run was ended where it was."""


def task(reader: Reader, job_id: int) -> Row | None:
    """What only a background job has, `payload` and `result` read; `timeout` in microseconds. None for a message."""
    row = reader.one(_TASK, (job_id,))
    if row is None:
        return None
    kind, _, key = row["unique_key"].partition(":")
    row["unique_key"] = key if kind else ""
    row["payload"], row["result"] = read_json(row["payload"]), read_json(row["result"])
    return row


def heads(reader: Reader, job_ids: Sequence[int]) -> dict[int, Row]:
    """What a list tells of background jobs by their ids, at most some hundred: `unique_key` as stored, and the first
    characters of `payload`."""
    marks = ", ".join("?" * len(job_ids))
    rows = reader.rows(_HEADS.format(marks=marks), (HEAD, *job_ids)) if job_ids else []
    return {row.pop("job_id"): row for row in rows}


def read_json(text: str) -> Any:
    """Kept JSON as a value; None for none. What another program wrote there and is no JSON stays a text."""
    if not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def item_sums(reader: Reader, job_id: int) -> list[Row]:
    """How many items of each list of a job are done, and how many failed: `list, done, failed`."""
    return reader.rows(_ITEM_SUMS, (job_id,))


def items(reader: Reader, job_id: int, *, done: bool, limit: int) -> list[Row]:
    """The first items of a job that are done, or those that failed, by list and key: `list, key, done, value, at`;
    the value of one that failed is its error."""
    rows = reader.rows(_ITEMS, (job_id, int(done), limit))
    for row in rows:
        row["done"] = bool(row["done"])
        row["value"] = read_json(row["value"]) if row["done"] else row["value"]
    return rows


def ladder(reader: Reader, job_id: int) -> list[Row]:
    """The stages of a pipeline's run in their order, `counters` read; [] for any other job. What stages hand on to one
    another is not among it: that can be megabytes. A stage that nobody runs any more waits to begin again, or failed
    with its run."""
    rows = reader.rows(_STAGES, (job_id,))
    for row in rows:
        row["counters"], job_state = read_json(row["counters"]), row.pop("job_state")
        if row["state"] == "running" and job_state != "processing":
            row["state"] = "waiting" if job_state in ("pending", "held") else "failed"
            row["note"] = CUT_SHORT
    return rows
