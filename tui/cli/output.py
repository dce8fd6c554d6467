"""What a command prints: data on stdout, narration on stderr, every string from outside through `safe_text`."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from engine.planning.durations import format_duration
from storage.model import SECOND
from tui.safe_text import safe_text
from tui.terminal import cells

Json = dict[str, Any]

_TIMES = frozenset(
    (
        "at",
        "first",
        "last",
        "until",
        "eta",
        "first_due",
        "last_due",
        "estimated_completion",
        "heartbeat",
        "hour",
        "timestamp",
    )
)


def emit(data: Any) -> None:
    """One JSON document on stdout, times as ISO 8601 UTC."""
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def emit_line(data: Any) -> None:
    """One JSON document on one line."""
    sys.stdout.write(json.dumps(data) + "\n")


def out(text: str = "") -> None:
    """Data for a person: one line on stdout."""
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """Narration on stderr, line by line."""
    for line in text.split("\n"):
        sys.stderr.write(safe_text(line, 2_000) + "\n")


def iso(us: int | None) -> str | None:
    """Microseconds UTC as "2026-03-01T10:20:00.000000Z"."""
    if us is None:
        return None
    return datetime.fromtimestamp(us // SECOND, UTC).replace(microsecond=us % SECOND).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def dated(row: Mapping[str, Any]) -> Json:
    """A row with its times as ISO text: every key that names a time, at any depth of dicts."""
    return {key: _dated(key, value) for key, value in row.items()}


def _dated(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return dated(value)
    if isinstance(value, list):
        return [dated(item) if isinstance(item, Mapping) else item for item in value]
    if (key.endswith("_at") or key in _TIMES) and isinstance(value, int) and not isinstance(value, bool):
        return iso(value)
    return value


def local(us: int | None, zone: tzinfo) -> str:
    """Wall time for a person, with the zone's abbreviation; "-" for none."""
    if us is None:
        return "-"
    return datetime.fromtimestamp(us / SECOND, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def span(us: int) -> str:
    """A duration as "2m 44s"."""
    return re.sub(r"(?<=[a-z])(?=\d)", " ", format_duration(us))


def pairs(rows: Iterable[tuple[str, Any]]) -> None:
    """Labels and values in two columns; empty values are left out."""
    shown = [(label, safe_text(value)) for label, value in rows if value not in (None, "")]
    width = max((len(label) for label, _ in shown), default=0)
    for label, value in shown:
        out(f"{label:<{width}}  {value}")


def table(titles: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "nothing") -> None:
    """Plain columns; on a terminal the widest ones shrink until a row fits. Numbers stand right."""
    cells = [[safe_text("-" if cell is None or cell == "" else cell) for cell in row] for row in rows]
    if not cells:
        say(empty)
        return
    kept = [list(titles), *cells]
    widths = [max(_width(row[column]) for row in kept) for column in range(len(titles))]
    if sys.stdout.isatty():
        _fit(widths, shutil.get_terminal_size().columns - 2 * (len(widths) - 1))
    numbers = [all(re.fullmatch(r"[\d,.%-]+", row[column]) for row in cells) for column in range(len(titles))]
    for row in kept:
        line = "  ".join(
            _pad(_cut(cell, width), width, right) for cell, width, right in zip(row, widths, numbers, strict=True)
        )
        out(line.rstrip())


def _fit(widths: list[int], room: int) -> None:
    while sum(widths) > room and max(widths) > 6:
        widths[widths.index(max(widths))] -= 1


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(map(cells, text))


def _cut(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    while text and _width(text) > width - 1:
        text = text[:-1]
    return text + "…"


def _pad(text: str, width: int, right: bool) -> str:
    blank = " " * (width - _width(text))
    return blank + text if right else text + blank
