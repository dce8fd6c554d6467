"""When weekly hours are open, as real time: sorted intervals of microseconds UTC, worked out a week at a time and kept.

An instant is open when its local wall time lies in a span that starts on a day that is not closed. So a minute that a
zone's clocks skip opens nothing, and one that they show twice is open both times.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from engine.planning.holidays_data import days_off
from engine.planning.hours import ALWAYS, Span
from engine.planning.zones import steady_stretches, zone_of
from storage.model import DAY, SECOND

WEEK = 7 * DAY
FAR = 400 * DAY
"""How far ahead an opening is looked for: longer than a year of closed days."""
LAST = int(datetime(9000, 1, 1, tzinfo=UTC).timestamp()) * SECOND
"""Nothing is open from here on: Python's dates end at 9999."""
_KEPT = 256
"""Weeks that one timeline keeps, about 1 KB each; planning goes forward and needs few of them again."""
_AHEAD = 52 * WEEK // SECOND
"""Changes of the offset are looked for so far at once (s): for each week alone that is half of what it costs."""
_EPOCH = date(1970, 1, 1)
_DAY_SECONDS = DAY // SECOND

Intervals = tuple[tuple[int, ...], tuple[int, ...]]
"""Openings and closings (us) of one week of UTC, in order; cut where the week ends."""


class Timeline:
    """The open time of one set of hours in one zone. Times in microseconds UTC; no clock, no I/O."""

    def __init__(self, hours: tuple[Span, ...], zone: str, regions: tuple[str, ...], closed: tuple[date, ...]) -> None:
        self.zone = zone_of(zone)
        self.always = set(hours) >= set(ALWAYS) and not regions and not closed
        self._hours = [[span for span in hours if span.day == day] for day in range(7)]
        self._regions = regions
        self._closed = frozenset(closed)
        self._weeks: dict[int, Intervals] = {}
        self._plain: dict[int, Intervals] = {}
        """By offset from UTC (s), the first week of 1970: a week without a change of it or days off is the same."""
        self._stretches: tuple[int, int, list[tuple[int, int, int]]] = (0, 0, [])
        """[since, until) (s), and the stretches of one offset in it: where the weeks last worked out lie."""
        self._span = (0, 0, 0)
        self._seen = (0, 0, 0)
        """[since, opens, closes): the opening last looked up, and since when nothing else is open. The next message of
        a plan mostly lies in it too."""

    def is_open(self, at: int) -> bool:
        """Whether `at` lies in open time."""
        opens, closes = self._week(at // WEEK)
        place = bisect_right(opens, at) - 1
        return place >= 0 and at < closes[place]

    def next_open(self, at: int) -> int | None:
        """`at` itself when it is open, else the next opening; None: none within 400 days."""
        since, opens, closes = self._seen
        if since <= at < closes:
            return at if at > opens else opens
        found = self._near(at) or next(self.following(at), None)
        if found is None:
            return None
        opens, closes = found
        if at > opens:
            self._seen = (opens, opens, closes)
            return at
        self._seen = (at, opens, closes)
        return opens

    def following(self, at: int) -> Iterator[tuple[int, int]]:
        """[opens, closes) from the one that holds `at`, or the next; it ends where nothing opens for 400 days.

        An opening that crosses the end of a week of UTC comes in two parts that touch.
        """
        number, last = at // WEEK, at
        opens, closes = self._week(number)
        place = bisect_right(closes, at)
        while True:
            for opened, closed in zip(opens[place:], closes[place:], strict=True):
                if opened - last > FAR:
                    return
                yield opened, closed
                last = closed
            number, place = number + 1, 0
            if number * WEEK - last > FAR:
                return
            opens, closes = self._week(number)

    def span(self, at: int) -> tuple[int, int] | None:
        """The whole opening that holds `at`, or the next one, followed 400 days to either side; None: none opens."""
        opens, closes, until = self._span
        if opens <= at < until:
            return opens, closes
        if self.always:
            return (at - FAR, at + FAR) if at < LAST else None
        parts = self.following(at)
        found = next(parts, None)
        if found is None:
            return None
        opens, closes = found
        for opened, closed in parts:
            if opened != closes or closes - at > FAR:
                break
            closes = closed
        while opens % WEEK == 0 and at - opens < FAR:
            before = self._week(opens // WEEK - 1)
            if not before[1] or before[1][-1] != opens:
                break
            opens = before[0][-1]
        # One that was followed only so far is good for as long as it still reaches 400 days ahead.
        self._span = (opens, closes, closes if closes - at <= FAR else closes - FAR)
        return opens, closes

    def _near(self, at: int) -> tuple[int, int] | None:
        """The first of `following` where it lies in the week of `at` or the next one, as nearly all do: a third of its
        time."""
        number = at // WEEK
        opens, closes = self._weeks.get(number) or self._week(number)
        place = bisect_right(closes, at)
        if place == len(opens):
            # What closes behind `at` in a later week is the first of it.
            opens, closes = self._weeks.get(number + 1) or self._week(number + 1)
            place = 0
        return (opens[place], closes[place]) if opens else None

    def _week(self, number: int) -> Intervals:
        found = self._weeks.get(number)
        if found is None:
            if len(self._weeks) >= _KEPT:
                self._weeks.clear()
            found = self._weeks[number] = self._worked_out(number * WEEK // SECOND, (number + 1) * WEEK // SECOND)
        return found

    def _worked_out(self, start: int, end: int) -> Intervals:
        if end * SECOND > LAST:
            return (), ()
        if self.always:
            return (start * SECOND,), (end * SECOND,)
        stretches = self._steady(start, end)
        if len(stretches) > 1 or self._regions or self._closed:
            return self._in_stretches(stretches)
        offset = stretches[0][2]
        if (plain := self._plain.get(offset)) is None:
            plain = self._plain[offset] = self._in_stretches([(0, end - start, offset)])
        begin = start * SECOND
        return tuple([begin + at for at in plain[0]]), tuple([begin + at for at in plain[1]])

    def _steady(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """`steady_stretches` of a week, cut out of those of many."""
        since, until, stretches = self._stretches
        if not since <= start < end <= until:
            until = start + _AHEAD
            stretches = list(steady_stretches(self.zone, start, until))
            self._stretches = (start, until, stretches)
        return [(max(since, start), min(until, end), offset) for since, until, offset in stretches
                if since < end and start < until]  # fmt: skip

    def _in_stretches(self, stretches: Iterable[tuple[int, int, int]]) -> Intervals:
        found: list[tuple[int, int]] = []
        for since, until, offset in stretches:
            found += self._in_stretch(since, until, offset)
        found.sort()
        opens: list[int] = []
        closes: list[int] = []
        for opened, closed in found:
            if closes and opened * SECOND <= closes[-1]:
                closes[-1] = max(closes[-1], closed * SECOND)
            else:
                opens.append(opened * SECOND)
                closes.append(closed * SECOND)
        return tuple(opens), tuple(closes)

    def _in_stretch(self, since: int, until: int, offset: int) -> Iterator[tuple[int, int]]:
        """The open parts (s) of a stretch in which local time is UTC + `offset`. A span may have begun a day before."""
        for number in range((since + offset) // _DAY_SECONDS - 1, (until - 1 + offset) // _DAY_SECONDS + 1):
            spans = self._hours[(number + 3) % 7]
            if not spans or self._day_off(_EPOCH + timedelta(days=number)):
                continue
            midnight = number * _DAY_SECONDS - offset
            for _, start, end in spans:
                opened, closed = max(midnight + start * 60, since), min(midnight + end * 60, until)
                if opened < closed:
                    yield opened, closed

    def _day_off(self, day: date) -> bool:
        return day in self._closed or any(day in days_off(region, day.year) for region in self._regions)


@lru_cache(maxsize=512)
def timeline(hours: tuple[Span, ...], zone: str, regions: tuple[str, ...], closed: tuple[date, ...]) -> Timeline:
    """The one timeline of these hours: equal windows share what was worked out. Raises UsageError for a zone."""
    return Timeline(hours, zone, regions, closed)
