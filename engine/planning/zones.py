"""Time zones by their IANA names, and the stretches of time in which one keeps the same offset from UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

from storage.errors import UsageError
from storage.model import DAY, SECOND

_LOOK = 6 * DAY // SECOND
"""How far apart offsets are compared (s): from 1970 on no zone of tzdata 2025b changes its offset twice in 6.9 days."""


def zone_of(name: str, *, field: str = "zone") -> ZoneInfo:
    """The zone of an IANA name such as "Europe/Berlin". Raises UsageError naming `field`, with a name that is near."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        known = {zone.lower(): zone for zone in available_timezones()}
        near = get_close_matches(name.lower()[:80], known, n=1)
        hint = (
            f"did you mean {known[near[0]]}?" if near else "an IANA name such as Europe/Berlin, America/New_York or UTC"
        )
        raise UsageError(f"{field}: there is no time zone {name[:80]!r}", hint=hint) from None


def offset_at(zone: ZoneInfo, second: int) -> int:
    """What the zone's clocks are ahead of UTC (s) at `second` (s since the epoch)."""
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def steady_stretches(zone: ZoneInfo, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """[start, end) (s since the epoch) cut where the offset changes: (since, until, offset), in order."""
    since, offset, look = start, offset_at(zone, start), start
    while look < end:
        before, look = look, min(look + _LOOK, end)
        while (changed := offset_at(zone, look)) != offset:
            at = _change(zone, before, look)
            yield since, at, offset
            since, before, offset = at, at, offset_at(zone, at)
            if offset == changed:
                break
    if since < end:
        yield since, end, offset


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    """The first second of the new offset, between two that differ."""
    old = offset_at(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        if offset_at(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after
