"""What an account's queue may do, as configuration and live tuning say together; and what that means at one moment.

No clock and no I/O. `Limits.to_dict` is what stands in the store beside the queue, so that every reader (explain,
forecast, screens) judges by the limits that the engine keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from engine.planning.caps import Cap, Ramp, least_time, parse_cap
from engine.planning.durations import exact_duration, format_duration, parse_duration
from storage.errors import UsageError
from storage.limits import Ceiling, GateLimits, Warmup
from storage.model import DAY

if TYPE_CHECKING:
    from engine.planning.windows import Window

MOST_AT_ONCE = 100
LONGEST_GAP = 7 * DAY
MOST_WALKED = 1_000
"""Days that are looked at one by one; what takes longer goes on as they went."""
_DAY = Cap(1, DAY, calendar=True)
TUNABLE = ("concurrency", "min_gap", "domain_gap", "caps", "window", "warmup")


@dataclass(frozen=True, slots=True)
class Limits:
    """All hold at once; the lowest ceiling wins. `min_gap` between two starts, `domain_gap` between two to one
    recipient domain (us). Calendar caps and the days of `warmup` are those of `zone`."""

    concurrency: int = 10
    min_gap: int = 0
    domain_gap: int = 0
    caps: tuple[Cap, ...] = ()
    window: Window | None = None
    warmup: Ramp | None = None
    zone: str = "UTC"
    _tz: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _require(1 <= self.concurrency <= MOST_AT_ONCE, "concurrency", f"must be between 1 and {MOST_AT_ONCE}")
        _require(0 <= self.min_gap <= LONGEST_GAP, "min_gap", "must be between 0 s and 7 days")
        _require(0 <= self.domain_gap <= LONGEST_GAP, "domain_gap", "must be between 0 s and 7 days")
        object.__setattr__(self, "_tz", ZoneInfo(self.zone))

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `from_dict` gives an equal one back."""
        return {
            "concurrency": self.concurrency,
            "min_gap": exact_duration(self.min_gap),
            "domain_gap": exact_duration(self.domain_gap),
            "caps": [str(cap) for cap in self.caps],
            "window": self.window.to_dict() if self.window else None,
            "warmup": self.warmup.to_dict() if self.warmup else None,
            "zone": self.zone,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Limits:
        """As `to_dict` wrote it (an empty one: no limits but ten at once). Raises UsageError naming the field."""
        return cls(zone=str(data.get("zone") or "UTC")).tuned(data)

    def tuned(self, tuning: Mapping[str, Any]) -> Limits:
        """These limits with what `tuning` (fields as in `to_dict`; None takes one away) says instead."""
        changed: dict[str, Any] = {}
        for name in TUNABLE:
            if name in tuning:
                changed[name] = _READERS[name](tuning[name])
        return replace(self, **changed) if changed else self

    @property
    def cap_a_day(self) -> int:
        """The lowest cap of a day; 0 for none."""
        return min((cap.n for cap in self.caps if cap.period == DAY), default=0)

    def least_time(self, n: int, *, start: int, window: Window | None) -> int:
        """The least time (us) between the first and the last of `n` starts from `start` (us) on that gap, caps and
        warm-up allow. A cap of a day and the warm-up have a day's worth on each day on which `window` (None: always) is
        open. What the caps have used is not known here."""
        around = [cap for cap in self.caps if not (cap.calendar and cap.period == DAY)]
        days = [-(-n // cap.n) for cap in self.caps if cap.period == DAY]
        days += [self.warmup.days(n)] if self.warmup is not None else []
        within = self._days_of_sending(max(days, default=1), start, window)
        return max(least_time(n, min_gap=self.min_gap, caps=around), within)

    def _days_of_sending(self, days: int, start: int, window: Window | None) -> int:
        """How long it is from the first opening to that of the last of so many days."""

        def opens(at: int) -> int:
            opening = window.next_open(at) if window is not None else at
            return at if opening is None else opening

        walked = min(days - 1, MOST_WALKED)
        first = at = opens(start)
        for _ in range(walked):
            at = opens(_DAY.bounds(at, self._tz)[1])
        return (at - first) * (days - 1) // walked if walked else 0

    def describe(self) -> list[tuple[str, str]]:
        """Each limit as (name, words), those that hold nothing left out."""
        found = [("at once", str(self.concurrency))]
        found += [("minimum gap", format_duration(self.min_gap))] * bool(self.min_gap)
        found += [("gap per domain", format_duration(self.domain_gap))] * bool(self.domain_gap)
        found += [("cap", str(cap)) for cap in self.caps]
        if self.window is not None:
            found.append(("window", self.window.describe()))
        if self.warmup is not None:
            found.append(("warm-up", self.warmup.describe()))
        return found

    def ceilings(self, at: int) -> tuple[Ceiling, ...]:
        """The caps as the gate counts them at one moment (us)."""
        found = []
        for cap in self.caps:
            since, until = cap.bounds(at, self._tz) if cap.calendar else (0, 0)
            found.append(Ceiling(cap.n, cap.period, since, until))
        return tuple(found)

    def at_gate(self, at: int) -> tuple[GateLimits, int, int]:
        """What the gate needs at one moment, and from when until when (us) it stays the same."""
        caps = self.ceilings(at)
        warmup = None
        if self.warmup is not None:
            warmup = Warmup(self.warmup.ladder(), *Cap(1, DAY, True).bounds(at, self._tz))
        periods = [(cap.since, cap.until) for cap in caps if cap.until]
        periods += [(warmup.since, warmup.until)] if warmup else []
        since = max((since for since, _ in periods), default=0)
        until = min((until for _, until in periods), default=1 << 62)
        return GateLimits(self.min_gap, self.domain_gap, caps, warmup), since, until


def _require(holds: bool, name: str, words: str) -> None:
    if not holds:
        raise UsageError(f"limits.{name}: {words}")


def _concurrency(value: Any) -> int:
    _require(isinstance(value, int) and not isinstance(value, bool), "concurrency", "must be a whole number")
    return int(value)


def _gap(name: str, value: Any) -> int:
    if value is None:
        return 0
    _require(isinstance(value, str), name, 'must be a duration such as "30s"')
    return parse_duration(value, field=f"limits.{name}")


def _caps(value: Any) -> tuple[Cap, ...]:
    _require(isinstance(value, list | tuple | None), "caps", 'must be a list such as ["60/min", "400/day"]')
    return tuple(parse_cap(str(text), field="limits.caps") for text in value or ())


def _window(value: Any) -> Window | None:
    if not value:
        return None
    from engine.planning.windows import Window  # most accounts have none

    return Window.from_dict(value)


def _ramp(value: Any) -> Ramp | None:
    if not value:
        return None
    _require(isinstance(value, Mapping), "warmup", "must be a table such as { start = 5, step = 1, ceiling = 20 }")
    unknown = sorted(set(value) - {"start", "step", "growth", "ceiling"})
    _require(not unknown, "warmup", f"has no setting {unknown[0][:40]!r}" if unknown else "")
    return Ramp(**value)


_READERS = {
    "concurrency": _concurrency,
    "min_gap": lambda value: _gap("min_gap", value),
    "domain_gap": lambda value: _gap("domain_gap", value),
    "caps": _caps,
    "window": _window,
    "warmup": _ramp,
}
