"""How long a step waits after the one before it: days and hours of the clock, or business days. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from engine.planning.durations import format_duration, parse_duration
from engine.planning.holidays_data import days_off
from storage.errors import UsageError
from storage.model import DAY, SECOND

LONGEST = 365
"""Days that a step waits at most."""
_BUSINESS = re.compile(r"(\d{1,3})\s*(?:business|working|work)\s*days?", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wait:
    """`duration` in microseconds of the clock, or so many `business_days`: Monday to Friday, without the public
    holidays that are given with the zone."""

    duration: int = 3 * DAY
    business_days: int = 0

    @classmethod
    def parse(cls, text: str) -> Wait:
        """From "3d", "36h" or "3 business days". Raises UsageError."""
        if found := _BUSINESS.fullmatch(text.strip()):
            days = int(found[1])
            if not 1 <= days <= LONGEST:
                raise UsageError(f"wait: {text!r} is not between 1 and {LONGEST} days", hint='Write "3 business days".')
            return cls(0, days)
        try:
            duration = parse_duration(text)
        except UsageError:
            raise UsageError(
                f"wait: {text[:40]!r} is no time to wait", hint='Write "3d", "36h" or "3 business days".'
            ) from None
        if not 0 <= duration <= LONGEST * DAY:
            raise UsageError(f"wait: {text!r} is longer than {LONGEST} days", hint='Write "3d" or "3 business days".')
        return cls(duration)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Wait:
        """As `to_dict` wrote it; {} is the default of three days."""
        return cls(int(data.get("duration", 3 * DAY)), int(data.get("business_days", 0))) if data else cls()

    def to_dict(self) -> dict[str, Any]:
        if self.business_days:
            return {"business_days": self.business_days, "duration": 0}
        return {"duration": self.duration}

    def describe(self) -> str:
        if not self.business_days:
            return format_duration(self.duration)
        return f"{self.business_days} business day{'s' if self.business_days != 1 else ''}"

    def end(self, begin: int, *, zone: str = "UTC", holidays: Sequence[str] = ()) -> int:
        """When a wait that begins at `begin` (us UTC) is over; `holidays` are regions as `holidays_data.region_of`
        spells them. Business days keep the time of day of the zone: three of them after Friday at ten is Wednesday at
        ten; begun on a day off, they count from the first moment of the next business day."""
        if not self.business_days:
            return begin + self.duration
        where = ZoneInfo(zone)
        local = (_EPOCH + timedelta(microseconds=begin)).astimezone(where)
        day, at = local.date(), local.time()
        while _is_off(day, holidays):
            day, at = day + timedelta(days=1), time()
        left = self.business_days
        while left:
            day += timedelta(days=1)
            left -= not _is_off(day, holidays)
        ends = datetime.combine(day, at, where).astimezone(UTC) - _EPOCH
        return max(begin, (ends.days * 86_400 + ends.seconds) * SECOND + ends.microseconds)


def _is_off(day: date, holidays: Sequence[str]) -> bool:
    return day.weekday() >= 5 or any(day in days_off(region, day.year) for region in holidays)
