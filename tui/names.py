"""Names that a line can be completed with."""

from __future__ import annotations

from storage.alarm_facts import open_alarms
from storage.kind_facts import totals
from storage.model import SEND
from storage.reader import Reader

MOST = 1_000
"""Campaigns that are offered, those first that changed last."""


def load_names(reader: Reader, now: int) -> dict[str, list[str]]:
    """The names there are, by what they name: `campaign`, `queue`, `schedule`, `kind` of a job, `alarm`; `jobs`: the
    kinds that can be made."""
    from engine.processors.registry import Registry  # only now: the first picture waits for nothing of the engine

    campaigns = reader.rows("SELECT name FROM campaigns ORDER BY updated_at DESC LIMIT ?", (MOST,))
    schedules = reader.rows("SELECT name FROM schedules ORDER BY name LIMIT ?", (MOST,))
    queues = reader.rows("SELECT name FROM queues ORDER BY name LIMIT ?", (MOST,))
    return {
        "campaign": [row["name"] for row in campaigns],
        "queue": [row["name"] for row in queues],
        "schedule": [row["name"] for row in schedules],
        "jobs": Registry().kinds(),
        "kind": [SEND, *totals(reader)],
        "alarm": [str(row["id"]) for row in open_alarms(reader) if not row["acknowledged_by"]],
    }
