"""Durations as people write and read them: `15m`, `1h30m`, `2m44s`. Integer microseconds inside."""

from __future__ import annotations

import re

from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND

MILLISECOND = 1_000
LONGEST = 3_650 * DAY

_WORDS = {
    "us": 1,
    "ms": MILLISECOND,
    "s sec secs second seconds": SECOND,
    "m min mins minute minutes": MINUTE,
    "h hr hrs hour hours": HOUR,
    "d day days": DAY,
    "w week weeks": 7 * DAY,
}
UNITS = {word: size for words, size in _WORDS.items() for word in words.split()}
"""Every unit word and its length in microseconds."""
_PART = re.compile(r"(\d{1,15})(?:\.(\d{1,6}))?\s*([a-z]+)\s*", re.ASCII)
_EXACT = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND), ("us", 1))


def parse_duration(text: str, *, field: str = "duration") -> int:
    """Microseconds of "15m", "90 min", "2s", "500ms", "1h30m", "1.5h", "3d" or "0".

    Raises UsageError naming `field` for anything else, a bare number without a unit, or more than ten years.
    """
    rest = text.strip().lower()
    if rest == "0":
        return 0
    total, position = 0, 0
    while rest and position < len(rest):
        part = _PART.match(rest, position)
        if part is None or part[3] not in UNITS:
            raise UsageError(
                f"{field}: {text[:40]!r} is not a duration",
                hint="Write a number with a unit, for example 500ms, 2s, 15m, 1h30m or 3d.",
            )
        unit, fraction = UNITS[part[3]], part[2] or ""
        total += int(part[1]) * unit + int(fraction or 0) * unit // 10 ** len(fraction)
        position = part.end()
    if not rest:
        raise UsageError(f"{field}: a duration is missing", hint="For example 2s or 15m.")
    if total > LONGEST:
        raise UsageError(f"{field}: {text[:40]!r} is longer than ten years")
    return total


def parse_spread(text: str) -> int:
    """Microseconds over which a retry is spread: a duration, or 0 for "" and "now". Raises UsageError."""
    return 0 if text in ("", "now") else parse_duration(text, field="spread")


def exact_duration(us: int) -> str:
    """The shortest one-unit text that `parse_duration` reads back to the same number: "90m", "500ms", "0s"."""
    if us <= 0:
        return "0s"
    name, size = next(unit for unit in _EXACT if us % unit[1] == 0)
    return f"{us // size}{name}"


def format_duration(us: int) -> str:
    """Two units for a person, rounded down: "3d4h", "1h27m", "2m44s", "45s", "1.5s", "500ms"."""
    if us < 0:
        return f"-{format_duration(-us)}"
    if us < MILLISECOND:
        return f"{us}us" if us else "0s"
    if us < SECOND:
        return f"{us // MILLISECOND}ms"
    if us < MINUTE:
        whole, tenths = us // SECOND, us % SECOND * 10 // SECOND
        return f"{whole}.{tenths}s" if tenths else f"{whole}s"
    pairs = (("d", DAY, "h", HOUR), ("h", HOUR, "m", MINUTE), ("m", MINUTE, "s", SECOND))
    large, size, small, part = next(pair for pair in pairs if us >= pair[1])
    rest = us % size // part
    return f"{us // size}{large}{rest}{small}" if rest else f"{us // size}{large}"
