"""Points in time as people type them: a date and time, a time of day, or a distance from now."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, tzinfo

from engine.planning.durations import parse_duration
from storage.errors import UsageError
from storage.model import SECOND


def now_us() -> int:
    return time.time_ns() // 1_000


def midnight(zone: tzinfo, now: int) -> int:
    """When the day of `now` began there (us)."""
    here = datetime.fromtimestamp(now / SECOND, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return round(here.timestamp()) * SECOND


_INSTEAD = {"--at": "leave --at out to start now", "--until": "leave --until out for ever"}


def parse_time(text: str, zone: tzinfo, *, now: int, option: str = "--at") -> int:
    """Microseconds UTC of "2026-03-01 10:20", "10:20" (the next one), "+2h" or ISO 8601 with an offset.

    A time without an offset is wall time in `zone`; `option` is what it was said with. Raises UsageError for anything
    else and for the past.
    """
    text = text.strip()
    if text == "now":
        return now
    if text.startswith("+"):
        return now + parse_duration(text[1:], field=option)
    found = _time_of_day(text, zone, now) or _date_and_time(text, zone)
    if found is None:
        raise UsageError(
            f"{option}: {text[:40]!r} is not a time", hint='write "2026-03-01 10:20", "10:20", "+2h" or ISO 8601'
        )
    at = round(found.timestamp() * SECOND)
    if at < now - 60 * SECOND:
        raise UsageError(f"{option}: {text[:40]} has passed", hint=_INSTEAD.get(option, "name a later one"))
    return max(at, now)


def _time_of_day(text: str, zone: tzinfo, now: int) -> datetime | None:
    try:
        hour = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - the zone is added below
    except ValueError:
        return None
    here = datetime.fromtimestamp(now / SECOND, zone)
    there = here.replace(hour=hour.hour, minute=hour.minute, second=0, microsecond=0)
    return there if there >= here else there + timedelta(days=1)


def _date_and_time(text: str, zone: tzinfo) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=zone)
