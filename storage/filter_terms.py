"""What a filter is made of: its words, its terms as frozen dataclasses, and the text that a tree is written as."""

from __future__ import annotations

import re
from dataclasses import dataclass

from storage.model import DAY, HOUR, MINUTE, SECOND

STATE_WORDS = (
    "held", "pending", "processing", "completed", "failed", "uncertain", "skipped", "bounced",
    "scheduled", "due", "retry",
)  # fmt: skip
"""The job states, then the three words that part `pending` as the screen does."""
ALIASES: dict[str, tuple[str, ...]] = {
    "queued": ("pending",), "waiting": ("pending",), "later": ("scheduled",), "sending": ("processing",),
    "in_progress": ("processing",), "sent": ("completed",), "success": ("completed",), "done": ("completed",),
    "error": ("failed",), "cancelled": ("skipped",), "open": ("held", "pending", "processing"),
}  # fmt: skip
"""Words that people bring along, whatever their case."""
TEXTS = ("campaign", "queue", "kind", "to", "origin", "flag")
NUMBERS = ("try", "id", "batch", "stage")
TIMES = ("age", "next", "since", "created")
FIELDS = ("state", *TEXTS, "error", *NUMBERS, *TIMES)
EXAMPLES = {
    "state": "state:failed,retry", "campaign": "campaign:spring*", "queue": "queue:smtp-eu-2", "kind": "kind:send",
    "to": "to:*@example.org", "error": "error:~421", "try": "try:>3", "id": "id:100..200", "batch": "batch:7",
    "age": "age:>1h", "next": "next:<10m", "since": "since:24h", "created": "created:<1d",
    "origin": "origin:schedule*", "flag": "flag:empty", "stage": "stage:2",
}  # fmt: skip
"""One of each, for hints and help."""

UNITS = {"w": 7 * DAY, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}
_SAFE = re.compile(r"[\w.@+/][\w.@+/=-]*")


@dataclass(frozen=True, slots=True)
class States:
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """One of `patterns`, each against the whole value without regard to case; `*` stands for anything, `\\*` for
    itself."""

    field: str
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contains:
    """The last error holds one of these."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """From `low` to `high`, both included; None is open."""

    field: str
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Time:
    """`age`, `since`: time since the last change; `created`: since it was made; `next`: time until a pending job is
    due. Microseconds."""

    field: str
    more: bool
    duration: int


@dataclass(frozen=True, slots=True)
class Word:
    """In id, recipient, kind of a background job, or error."""

    text: str


Term = States | Match | Contains | Number | Time | Word


@dataclass(frozen=True, slots=True)
class Not:
    term: Term


@dataclass(frozen=True, slots=True)
class Filter:
    """All `terms` hold; without one, everything matches."""

    terms: tuple[Term | Not, ...] = ()


EVERY = Filter()


def literal(text: str) -> str:
    """The pattern that matches exactly this text."""
    return text.replace("\\", "\\\\").replace("*", "\\*")


def pieces(pattern: str) -> list[str | None]:
    """A pattern's texts in order, with None for each `*`."""
    found: list[str | None] = []
    for escaped, plain in re.findall(r"\\(.)|(.)", pattern, re.DOTALL):
        if plain == "*":
            found.append(None)
        elif found and found[-1] is not None:
            found[-1] += escaped or plain
        else:
            found.append(escaped or plain)
    return found


def render(filter: Filter) -> str:
    """The text that parses to this filter."""
    return " ".join(f"-{_rendered(term.term)}" if isinstance(term, Not) else _rendered(term) for term in filter.terms)


def _rendered(term: Term) -> str:
    match term:
        case States(words):
            return f"state:{','.join(words)}"
        case Match(field, patterns):
            return f"{field}:{','.join(map(_quoted_pattern, patterns))}"
        case Contains(texts):
            return f"error:~{','.join(map(quoted, texts))}"
        case Number(field, low, high):
            return f"{field}:{_quoted_number(low, high)}"
        case Time(field, more, duration):
            sign = "" if field == "since" else ">" if more else "<"
            return f"{field}:{sign}{_quoted_time(duration)}"
        case Word(text):
            return quoted(text)


def quoted(text: str) -> str:
    if _SAFE.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _quoted_pattern(pattern: str) -> str:
    return "".join("*" if piece is None else quoted(piece) for piece in pieces(pattern))


def _quoted_number(low: int | None, high: int | None) -> str:
    if low == high:
        return str(low)
    if low is None or high is None:
        return f"<={high}" if low is None else f">={low}"
    return f"{low}..{high}"


def _quoted_time(duration: int) -> str:
    parts = []
    for unit, size in UNITS.items():
        n, duration = divmod(duration, size)
        if n:
            parts.append(f"{n}{unit}")
    return "".join(parts) or "0s"
