"""Weekly opening hours as people write them: "mon-fri 09:00-12:00; sat 10:00-14:00". Minutes of local time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from storage.errors import UsageError

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
EXAMPLE = "For example: mon-fri 09:00-12:00, 13:00-17:00; sat 10:00-14:00"
MOST_SPANS = 200
_LONG_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = r"(\d{1,2})(?::(\d{2}))?"
_TIMES = re.compile(rf"{_TIME}\s*-\s*{_TIME}", re.ASCII)


class Span(NamedTuple):
    """Open from `start` up to `end`, minutes of the local day that begins on weekday `day` (0 is Monday).

    An `end` above 1440 lies on the next day, and the span belongs to the day on which it starts.
    """

    day: int
    start: int
    end: int


ALWAYS = tuple(Span(day, 0, DAY_MINUTES) for day in range(7))


def parse_hours(text: str | Iterable[str], *, field: str = "window.hours") -> tuple[Span, ...]:
    """Read "mon-fri 09:00-12:00, 13:00-17:00; sat 10:00-14:00", a list of such texts, "daily 9-17" or "always".

    An end that is not after its start lies on the next day ("22:00-06:00"); hours up to 48 say the same thing without
    a second look ("22:00-30:00"). Raises UsageError naming `field`.
    """
    found: set[Span] = set()
    for part in [text] if isinstance(text, str) else text:
        if not isinstance(part, str):
            raise UsageError(f"{field}: must be text or a list of texts", hint=EXAMPLE)
        for section in re.split(r"[;\n]", part.lower()):
            if section.strip() == "always":
                found.update(ALWAYS)
            elif section.strip():
                found.update(_section(section.strip(), field))
    if not found:
        raise UsageError(f"{field}: says no time at all", hint=EXAMPLE)
    return checked_hours(found, field=field)


def checked_hours(spans: Iterable[Span], *, field: str = "window.hours") -> tuple[Span, ...]:
    """Spans in order, each once. Raises UsageError naming `field` for none, too many, or one that no day has."""
    hours = tuple(sorted({Span(*span) for span in spans}))
    if not 1 <= len(hours) <= MOST_SPANS:
        raise UsageError(f"{field}: must have between 1 and {MOST_SPANS} spans", hint=EXAMPLE)
    for day, start, end in hours:
        if not (0 <= day <= 6 and 0 <= start < DAY_MINUTES and start < end <= start + DAY_MINUTES):
            raise UsageError(f"{field}: no week has the span {day}, {start}-{end} (minutes)", hint=EXAMPLE)
    return hours


def format_hours(hours: tuple[Span, ...]) -> str:
    """What `parse_hours` reads back, days of the same times together: "mon-fri 09:00-17:00; sat 10:00-14:00"."""
    if hours == ALWAYS:
        return "always"
    days = {day: ", ".join(_times(span) for span in spans) for day, spans in groupby(hours, key=lambda span: span.day)}
    return "; ".join(
        f"{_day_names([day for day in days if days[day] == times])} {times}" for times in dict.fromkeys(days.values())
    )


def _section(section: str, field: str) -> list[Span]:
    digit = re.search(r"\d", section)
    if digit is None:
        raise UsageError(f"{field}: {section[:40]!r} says no times", hint=EXAMPLE)
    days = _days(section[: digit.start()], field)
    spans = []
    for text in section[digit.start() :].split(","):
        start, end = _minutes(text.strip(), field)
        spans += [Span(day, start, end) for day in days]
    return spans


def _days(text: str, field: str) -> list[int]:
    words = re.sub(r"\s*-\s*", "-", text).replace(",", " ").split()
    if words in ([], ["daily"]):
        return list(range(7))
    found: list[int] = []
    for word in words:
        first, dash, last = word.partition("-")
        begin, end = _day(first, field), _day(last if dash else first, field)
        found += [(begin + step) % 7 for step in range((end - begin) % 7 + 1)]
    return found


def _day(word: str, field: str) -> int:
    for names in (DAY_NAMES, _LONG_NAMES):
        if word in names:
            return names.index(word)
    raise UsageError(f"{field}: {word[:40]!r} is not a day of the week", hint=EXAMPLE)


def _minutes(text: str, field: str) -> tuple[int, int]:
    found = _TIMES.fullmatch(text)
    if found is None:
        raise UsageError(f"{field}: {text[:40]!r} is not a time such as 09:00-17:00", hint=EXAMPLE)
    hour, minute, end_hour, end_minute = (int(digits or 0) for digits in found.groups())
    start, end = hour * 60 + minute, end_hour * 60 + end_minute
    if minute > 59 or end_minute > 59 or start >= DAY_MINUTES:
        raise UsageError(f"{field}: {text[:40]!r} names a time that no day has", hint=EXAMPLE)
    if end == start:
        raise UsageError(f"{field}: {text[:40]!r} is no time at all", hint="A whole day is 00:00-24:00.")
    end += DAY_MINUTES * (end < start)
    if end > start + DAY_MINUTES:
        raise UsageError(f"{field}: {text[:40]!r} is longer than a day", hint="A whole day is 00:00-24:00.")
    return start, end


def _times(span: Span) -> str:
    late = span.end - DAY_MINUTES
    end = late if 0 < late < span.start else span.end
    return f"{span.start // 60:02}:{span.start % 60:02}-{end // 60:02}:{end % 60:02}"


def _day_names(days: list[int]) -> str:
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(DAY_NAMES[run[0]] + (f"-{DAY_NAMES[run[-1]]}" if run[1:] else "") for run in runs)
