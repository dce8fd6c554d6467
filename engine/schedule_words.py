"""How a schedule is told: its times in its own zone, with what a change of the clocks does to them. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.planning.cron import Cron
from engine.planning.durations import format_duration
from engine.planning.zones import zone_of
from storage.model import SECOND

SHOWN = 5
"""Firings that are shown before a schedule is saved."""
OVERLAPS = {
    "skip": "not begun while the run before goes on",
    "wait": "begun when the run before is over",
    "allow": "begun beside the run before",
}
"""The rules for a firing that comes while a job of the schedule is not over, in words."""


def local(at: int, zone: str) -> str:
    """A time (us) as the clocks of a zone show it: "Sun 2026-11-22 08:00 EST"."""
    return f"{datetime.fromtimestamp(at // SECOND, zone_of(zone)):%a %Y-%m-%d %H:%M %Z}"


def upcoming(cron: Cron, after: int, n: int = SHOWN) -> list[dict[str, Any]]:
    """The next `n` firings after a time (us): `{at, local, note}`, the note "" without a change of the clocks."""
    return [
        {"at": firing.at, "local": local(firing.at, cron.zone), "note": firing.note}
        for firing in cron.firings(after, n)
    ]


def missed_words(policy: str, grace: int, most: int) -> str:
    """The rule for missed firings in words; `grace` in microseconds."""
    match policy:
        case "skip":
            return "given up"
        case "catch_up":
            return f"the newest {most:,} made up for"
        case _:
            return f"the newest made up for within {format_duration(grace)}"
