"""What a window must say, worked out the slow way: one look at the local clock for each minute, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Set
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from engine.planning.windows import Window
from storage.model import MINUTE, SECOND

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Pacific/Auckland",
    "America/St_Johns",
    "Asia/Tehran",
    "America/Havana",
    "Asia/Beirut",
    "Africa/Cairo",
    "Europe/Dublin",
    "Antarctica/Troll",
    "America/Nuuk",
    "Asia/Gaza",
    "Australia/Sydney",
    "Europe/London",
)
"""Changes of half an hour and two hours, at midnight, by the Moon, negative winter time, and zones without any."""


def us(text: str) -> int:
    """Microseconds of an ISO text with its offset, such as "2026-03-29T01:00Z"."""
    return round(datetime.fromisoformat(text).timestamp()) * SECOND


def local(at: int, zone: str) -> str:
    """The local clock at `at`, as "2026-03-29 03:00"."""
    return wall_time(at, zone).strftime("%Y-%m-%d %H:%M")


def wall_time(at: int, zone: str) -> datetime:
    """What the local clock shows at `at`, without a zone."""
    return datetime.fromtimestamp(at // SECOND, ZoneInfo(zone)).replace(tzinfo=None)


def open_by_the_clock(window: Window, wall: datetime, closed: Set[date] = frozenset()) -> bool:
    """Whether a local clock that shows `wall` shows a minute of a span whose first day is not closed."""
    for back in (0, 1):
        day = wall.date() - timedelta(days=back)
        minute = wall.hour * 60 + wall.minute + 24 * 60 * back
        if day not in closed and any(s.day == day.weekday() and s.start <= minute < s.end for s in window.hours):
            return True
    return False


def transitions(zone: str, first: int = 2024, last: int = 2028) -> Iterator[int]:
    """Every moment (us) at which the zone's offset changes in these years, found by the minute."""
    tz = ZoneInfo(zone)
    moment, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC)
    while moment < end:
        offset = moment.astimezone(tz).utcoffset()
        tomorrow = moment + timedelta(days=1)
        if offset != tomorrow.astimezone(tz).utcoffset():
            while moment.astimezone(tz).utcoffset() == offset:
                moment += timedelta(minutes=1)
            yield round(moment.timestamp()) * SECOND
        moment = tomorrow


def minutes(start: int, end: int) -> range:
    """Every minute (us) of [start, end)."""
    return range(start, end, MINUTE)
