"""Alarms as screens and commands read them."""

from __future__ import annotations

from typing import Any

from storage.model import AlarmKind
from storage.reader import Reader

Row = dict[str, Any]

ALARM = (
    "SELECT a.id, a.kind, a.text, a.raised_at, a.cleared_at, a.acknowledged_at, a.acknowledged_by, a.campaign_id, "
    "a.queue_id, c.name AS campaign, q.name AS queue, COALESCE(c.name, q.name) AS name FROM alarms a "
    "LEFT JOIN campaigns c ON c.id = a.campaign_id LEFT JOIN queues q ON q.id = a.queue_id"
)
_URGENCY = {AlarmKind.TRANSIENT: 4, AlarmKind.BEHIND: 5}
"""What goes on, though slower, is less urgent than what stopped."""
STOPPED = 1


def open_alarms(reader: Reader) -> list[Row]:
    """What is not over, the most urgent and then the newest first: `{id, kind, text, raised_at, cleared_at,
    acknowledged_at, acknowledged_by, campaign_id, queue_id, campaign, queue, name, urgency}`; `name` is whose it is."""
    rows = [
        {**row, "urgency": _URGENCY.get(row["kind"], STOPPED)}
        for row in reader.rows(f"{ALARM} WHERE a.cleared_at IS NULL")
    ]
    return sorted(rows, key=lambda row: (row["urgency"], -row["raised_at"]))


def alarms(reader: Reader, limit: int = 100) -> list[Row]:
    """The newest alarms, also those that are over."""
    return reader.rows(f"{ALARM} ORDER BY a.id DESC LIMIT ?", (limit,))


def alarm(reader: Reader, alarm_id: int) -> Row | None:
    """One alarm; None: there is none of that number."""
    return reader.one(f"{ALARM} WHERE a.id = ?", (alarm_id,))
