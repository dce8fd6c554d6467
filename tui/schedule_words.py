"""What schedules and their firings are called, on screens and the command line."""

from __future__ import annotations

from typing import Any

from engine.planning.durations import format_duration

Row = dict[str, Any]


def state_of(row: Row) -> str:
    """enabled, disabled, or trouble: its last firing could make no job."""
    return "disabled" if not row["enabled"] else "trouble" if row["trouble"] else "enabled"


def outcome_of(last: Row | None) -> str:
    """What became of a firing: how its job stands, or why it made none; "" without one."""
    if last is None:
        return ""
    return str((last["job_state"] or "pruned") if last["outcome"] == "started" else last["outcome"])


def rules(row: Row) -> str:
    """Its rules in the command line's words, with the grace time or the number that goes with each."""
    missed = {
        "run_once": f"run_once {format_duration(row['grace'])}",
        "catch_up": f"catch_up {row['most']:,}",
    }
    parts = [f"missed {missed.get(row['missed'], row['missed'])}", f"overlap {row['overlap']}"]
    parts += [f"queue {row['queue']}"] if row["queue"] else []
    parts += [f"priority {row['priority']}"] if row["priority"] else []
    return "   ".join(parts)
