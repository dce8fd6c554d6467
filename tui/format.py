"""How figures and times read on the screen. Pure; times in microseconds UTC, `now` always passed in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from enum import StrEnum

from rich.cells import cell_len, set_cell_size

from engine.planning.durations import format_duration
from storage.model import HOUR, MINUTE, SECOND

SPARK = " .-=#"
RATE_SPAN = 5 * MINUTE


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Exactly `width` cells: padded, or cut where it is too long."""
    if width <= 0:
        return ""
    plain = text.isascii()  # most of all text, and three times as fast
    used = len(text) if plain else cell_len(text)
    if used > width:
        return text[:width] if plain else set_cell_size(text, width)
    pad = " " * (width - used)
    return pad + text if right else text + pad


def count(n: int) -> str:
    return f"{n:,}"


def short(n: int) -> str:
    """At most five characters: 9999, 12.5k, 418k, 1.2M."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if n >= 10_000 and n >= size:
            value = n / size
            return f"{value:.1f}{unit}" if value < 100 else f"{int(value)}{unit}"
    return str(n)


def data_size(n: int) -> str:
    """Bytes in at most four characters: 512, 9.5k, 412M, 1.2T; a kilo is 1024."""
    value, units = float(n), iter("kMGTP")
    unit = ""
    while value >= 999.5:
        value, unit = value / 1024, next(units)
    return f"{value:.1f}{unit}" if unit and value < 9.95 else f"{value:.0f}{unit}"


def percent(done: int, total: int) -> str:
    """Rounded down, so that 100 means all."""
    return f"{done * 100 // total}%" if total else "-"


def bar(done: int, total: int, width: int) -> str:
    filled = done * width // total if total else 0
    if done and not filled:
        filled = 1
    return f"[{'#' * filled}{'.' * (width - filled)}]"


def span(duration: int) -> str:
    """A duration for a person: two units, and no fractions of a second."""
    return format_duration(max(0, duration) // SECOND * SECOND if duration >= SECOND else 0)


class Times(StrEnum):
    """How a screen tells moments."""

    UTC = "UTC"
    LOCAL = "local"
    RELATIVE = "relative"

    @property
    def next(self) -> Times:
        ways = list(Times)
        return ways[(ways.index(self) + 1) % len(ways)]


_told: tuple[Times, tzinfo] = (Times.UTC, UTC)


def set_times(times: Times, zone: tzinfo = UTC) -> None:
    """How `clock` tells moments from now on: one screen has one operator, so this is one setting for the process."""
    global _told
    _told = times, zone


def clock(at: int | None, now: int, *, seconds: bool = False, dated: bool = True, relative: bool = True) -> str:
    """`14:02Z` today, `Nov 20 14:02Z` on another day (unless `dated` is false), `-` for never; without the Z in local
    time; `-12m` or `+4m` where times are relative. The present itself is never
    relative, nor is anything with `relative` false."""
    if at is None:
        return "-"
    times, zone = _told
    if times is Times.RELATIVE and relative and at != now:
        return f"{'-' if at < now else '+'}{ago(min(at, now), max(at, now))}"
    shown = UTC if times is Times.UTC else zone
    moment, today = (datetime.fromtimestamp(t / SECOND, shown) for t in (at, now))
    text = moment.strftime("%H:%M:%S" if seconds else "%H:%M") + ("Z" if shown is UTC else "")
    if dated and moment.date() != today.date():
        text = f"{moment:%b} {moment.day} {text}"
    return text


def zone_word(at: int) -> str:
    """The abbreviation of the zone that `clock` shows a moment in, where it does not say Z itself: ` CET`; "" for UTC
    and relative times."""
    times, zone = _told
    return f" {datetime.fromtimestamp(at / SECOND, zone):%Z}" if times is Times.LOCAL else ""


def off_plan(later: int | None) -> str:
    """How far from its plan something began: `on time`, `12s late`, `4m early`; `-` where no plan is known."""
    if later is None:
        return "-"
    if abs(later) < SECOND:
        return "on time"
    return f"{span(abs(later))} {'late' if later > 0 else 'early'}"


def ago(at: int | None, now: int) -> str:
    """How long ago; once a minute has passed in whole minutes, which turn with the clock's, so that a screen may rest
    between."""
    if at is None:
        return "-"
    passed = max(0, now - at)
    return span(passed if passed < MINUTE else max(MINUTE, (now // MINUTE * MINUTE - at) // MINUTE * MINUTE))


def until(at: int, now: int) -> int:
    """How much time is left, in whole minutes, which turn with the clock's."""
    return max(MINUTE, (at + -now // MINUTE * MINUTE) // MINUTE * MINUTE)


def soon(at: int | None, now: int) -> str:
    """`in 4m`, `now`, `-`."""
    if at is None:
        return "-"
    left = at - now
    if left < SECOND:
        return "now"
    return f"in {span(left if left < MINUTE else until(at, now))}"


def ahead(at: int, now: int) -> str:
    """A moment to come, with its zone and how far it is: `14:03:00Z (in 42s)`, `Nov 23 09:42 CET (in 14h7m)`; where
    times are relative only how far."""
    left = soon(at, now)
    if _told[0] is Times.RELATIVE:
        return left
    return f"{clock(at, now, seconds=at - now < HOUR)}{zone_word(at)} ({left})"


def spark(values: Sequence[int], top: int | None = None) -> str:
    """One character a value, by height; a blank is none."""
    highest = max(values, default=0) if top is None else top
    if not highest:
        return SPARK[0] * len(values)
    steps = len(SPARK) - 1
    return "".join(SPARK[min(steps, -(-value * steps // highest))] for value in values)


def per_minute(
    rows: Sequence[dict[str, int]], now: int, *, since: int = 0, over: int = RATE_SPAN, key: str = "sent"
) -> float:
    """What left in the last `over` microseconds, by the minute, out of counts per minute.

    `since`: when this pace began (a start, a resume); a younger run is measured over its own age, at least ten
    seconds of it. A minute that is only partly inside counts by its part.
    """
    wanted = [row for row in rows if row["minute"] + MINUTE > now - over and row[key]]
    begin = max(now - over, since, min((row["minute"] for row in wanted), default=now))
    total = 0.0
    for row in wanted:
        first, end = max(row["minute"], since), min(row["minute"] + MINUTE, now)
        if end > begin:
            total += row[key] * min(1.0, (end - max(first, begin)) / max(1, end - first))
    return total * MINUTE / max(10 * SECOND, now - begin)


def rate(value: float) -> str:
    """`59.4/m`, `3/m`, `0/m`, `12/h` where less than one leaves a minute, `<1/h`."""
    if value and value < 1:
        return f"{value * 60:.0f}/h" if value * 60 >= 0.5 else "<1/h"
    return f"{value:.1f}/m" if value < 100 and round(value, 1) % 1 else f"{value:.0f}/m"


def plural(n: int, word: str) -> str:
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def wrap(text: str, width: int) -> list[str]:
    """Words in lines of at most `width` cells; a word that is longer is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        while cell_len(word) > width:
            head = set_cell_size(word, width).rstrip()
            if line:
                lines.append(line)
                line = ""
            lines.append(head)
            word = word[len(head) :] if head else ""
        if line and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line] if line or not lines else lines
