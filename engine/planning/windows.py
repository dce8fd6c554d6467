"""Windows: weekly hours, a zone and holidays in which a queue or a campaign may send. Times in microseconds UTC.

Pure: no clock, no I/O. Hours are local wall time. Where clocks go forward, what is skipped opens nothing and the window
opens at the first minute that exists; where they go back, an hour that is shown twice is two hours of open time.
A span across midnight belongs to the day on which it starts: a holiday closes the spans that start on it, and leaves
open what the evening before has begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from engine.planning.holidays_data import region_of
from engine.planning.hours import EXAMPLE, Span, checked_hours, format_hours, parse_hours
from engine.planning.timeline import Timeline, timeline
from storage.errors import UsageError

__all__ = ["Span", "Window", "later", "parse_hours", "place"]

LONGEST_NAME = 100
MOST_CLOSED = 1_000
MOST_ZONES = 1_000
"""Names that a window remembers, wrong ones among them: there are some 600."""
_KEYS = ("hours", "zone", "holidays", "closed", "recipient_zone")


@dataclass(frozen=True, slots=True)
class Window:
    """Weekly `hours` of local time in `zone` (an IANA name), closed on the public holidays of regions ("DE", "DE-BY",
    "US-CA") and on own dates. `recipient_zone` names the recipient field that holds a person's own zone; "" means
    `zone` for everybody. Raises UsageError naming window.FIELD.
    """

    zone: str
    hours: tuple[Span, ...]
    holidays: tuple[str, ...] = ()
    closed: tuple[date, ...] = ()
    recipient_zone: str = ""
    _timeline: Timeline = field(init=False, repr=False, compare=False)
    _zones: dict[str, Window] = field(init=False, repr=False, compare=False, default_factory=dict)
    """By a person's zone, asked for each message: a hash of the whole window costs more than the answer."""

    def __post_init__(self) -> None:
        if len(self.closed) > MOST_CLOSED:
            raise UsageError(f"window.closed: at most {MOST_CLOSED:,} dates", hint="leave out those that are over")
        if len(self.recipient_zone) > LONGEST_NAME or not self.recipient_zone.isprintable():
            raise UsageError("window.recipient_zone: must be the name of a recipient field", hint='such as "timezone"')
        regions = tuple(sorted({region_of(region, field="window.holidays") for region in self.holidays}))
        object.__setattr__(self, "hours", checked_hours(self.hours))
        object.__setattr__(self, "holidays", regions)
        object.__setattr__(self, "closed", tuple(sorted(set(self.closed))))
        object.__setattr__(self, "_timeline", _timeline_of(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Window:
        """Read a window from a file, a flag or the store.

        `hours` as `parse_hours` takes them, `zone`, `holidays` (one region or a list), `closed` (dates, or texts such
        as "2026-12-24"), `recipient_zone`. Hours and zone must be given. Raises UsageError that names the field.
        """
        if not isinstance(data, Mapping):
            raise UsageError("window: must be a table with hours and zone", hint=EXAMPLE)
        for key in data:
            if key not in _KEYS:
                raise UsageError(
                    f"window.{str(key)[:40]}: there is no such setting", hint=f"there are {', '.join(_KEYS)}"
                )
        if not data.get("zone"):
            raise UsageError("window.zone: a time zone is missing", hint="an IANA name such as Europe/Berlin")
        if not isinstance(hours := data.get("hours"), str | list | tuple):
            raise UsageError("window.hours: must be text or a list of texts", hint=EXAMPLE)
        return cls(
            _text(data["zone"], "zone"),
            parse_hours(hours),
            tuple(_text(region, "holidays") for region in _listed(data.get("holidays"))),
            tuple(_date(day) for day in _listed(data.get("closed"))),
            _text(data.get("recipient_zone") or "", "recipient_zone"),
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values: `from_dict` gives an equal window back."""
        return {
            "hours": format_hours(self.hours),
            "zone": self.zone,
            "holidays": list(self.holidays),
            "closed": [day.isoformat() for day in self.closed],
            "recipient_zone": self.recipient_zone,
        }

    def describe(self) -> str:
        """One line for a person: "mon-fri 09:00-17:00 Europe/Berlin, not on holidays of DE-BY or 2 own dates"."""
        shut = [f"holidays of {', '.join(self.holidays)}"] if self.holidays else []
        if self.closed:
            own = f"{len(self.closed)} own dates" if self.closed[1:] else self.closed[0].isoformat()
            shut.append(own)
        words = f"{format_hours(self.hours)} {self.zone}"
        words += f", not on {' or '.join(shut)}" if shut else ""
        return words + (f", in each person's own zone (field {self.recipient_zone})" if self.recipient_zone else "")

    def is_open(self, at: int) -> bool:
        """Whether `at` lies in the window."""
        return self._timeline.is_open(at)

    def span(self, at: int) -> tuple[int, int] | None:
        """[opens, closes) that holds `at`, or the next one; spans that touch are one. None: none opens in 400 days.

        What stays open for longer than 400 days is told as ending at some time beyond them.
        """
        return self._timeline.span(at)

    def next_open(self, at: int) -> int | None:
        """`at` itself when it is open, else when the window opens next. None: not within 400 days."""
        return self._timeline.next_open(at)

    @property
    def opener(self) -> Callable[[int], int | None]:
        """`next_open` for many questions, without the way through the window."""
        return self._timeline.next_open

    def openings(self, start: int) -> Iterator[tuple[int, int]]:
        """[opens, closes) from the one that holds `start` (us), or the next, without end; one may come in parts that
        touch. Raises UsageError where nothing opens for 400 days."""
        yield from self._timeline.following(start)
        raise _stops_to_open()

    def advance(self, at: int, duration: int) -> int | None:
        """`at` moved on by `duration` (us, 0 or more) of open time, into open time. None: there is not that much,
        because the window stops to open for 400 days. Raises ValueError for less than nothing."""
        if duration < 0:
            raise ValueError("open time goes forward only")
        for opens, closes in self._timeline.following(at):
            begin = max(opens, at)
            if duration < closes - begin:
                return begin + duration
            duration -= closes - begin
        return None

    def open_time(self, start: int, end: int) -> int:
        """How much of [start, end) is open (us); 0 when `end` is not after `start`."""
        total = 0
        for opens, closes in self._timeline.following(start):
            if opens >= end:
                break
            total += min(closes, end) - max(opens, start)
        return max(total, 0)

    def in_zone(self, zone: str) -> Window:
        """The same hours, holidays and dates on the clocks of another zone. Raises UsageError for an unknown one."""
        return self if zone == self.zone else _moved(self, zone)

    def for_zone(self, zone: str) -> Window:
        """The same window on a person's own clocks; this one for "" and for a zone that does not exist."""
        found = self._zones.get(zone)
        if found is None:
            try:
                found = self.in_zone(zone) if zone else self
            except UsageError:
                found = self
            if len(self._zones) < MOST_ZONES:
                self._zones[zone] = found
        return found


def place(slot_due: int, window: Window, zone: str) -> int | None:
    """The first moment at or after `slot_due` (us) that is open on the clocks of one person's zone; "" is the window's
    own. None: none opens in 400 days. Raises UsageError for a zone that there is not."""
    return (window.in_zone(zone) if zone else window).next_open(slot_due)


def later(window: Window | None, at: int, duration: int) -> int:
    """`at` moved on by `duration` (us) of open time; plain time without a window. Raises UsageError where the window
    stops to open for 400 days."""
    if window is None:
        return at + duration
    moved = window.advance(at, duration)
    if moved is None:
        raise _stops_to_open()
    return moved


def _stops_to_open() -> UsageError:
    return UsageError("window: it does not open within 400 days", hint="check its hours, holidays and closed dates")


@lru_cache(maxsize=1_024)
def _moved(window: Window, zone: str) -> Window:
    return replace(window, zone=zone)


def _timeline_of(window: Window) -> Timeline:
    try:
        return timeline(window.hours, window.zone, window.holidays, window.closed)
    except UsageError as error:
        raise UsageError(f"window.{error.message}", hint=error.hint) from None


def _listed(value: Any) -> Iterable[Any]:
    if value is None or value == "":
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"window.{name}: must be text")
    return value.strip()


def _date(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value.strip() if isinstance(value, str) else "")
    except ValueError:
        raise UsageError(f"window.closed: {str(value)[:40]!r} is not a date", hint="for example 2026-12-24") from None
