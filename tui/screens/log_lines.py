"""How an event reads: its row, with what was searched for marked in it, and the lines about one. Pure."""

from __future__ import annotations

from tui.actions import Row
from tui.format import clock, count, fit, wrap
from tui.widgets.columns import Column, table_line
from tui.widgets.lines import Line, Span

LEVELS = {"info": ("", ""), "warning": ("warn", "warn"), "error": ("ERROR", "bad")}


def whence(row: Row) -> str:
    """Where somebody acted from: the machine (with the SSH client), and through what."""
    return " by ".join(part for part in (row["host"], row["via"]) if part)


def columns_at(now: int) -> list[Column]:
    return [
        Column("TIME", 16, lambda row: clock(row["at"], now, seconds=True)),
        Column("LEVEL", 5, lambda row: LEVELS.get(row["level"], (row["level"], ""))),
        Column("WHO", 8, lambda row: row["actor"] or "-"),
        Column("FROM", 18, whence, from_width=108),
        Column("N", 6, lambda row: count(row["n"]) if row["n"] else "", right=True),
        Column("WHAT", 0, lambda row: row["text"]),
    ]


def marked(line: Line, words: str) -> Line:
    """The same line with every place of `words` set off."""
    if not words:
        return line
    found: list[Span] = []
    for text, style in line:
        rest, low = text, text.lower()
        while (at := low.find(words.lower())) >= 0:
            found += [(rest[:at], style), (rest[at : at + len(words)], "stopped")]
            rest, low = rest[at + len(words) :], low[at + len(words) :]
        found.append((rest, style))
    return tuple(found)


class Events:
    """A source of event rows for the grid."""

    def __init__(self, rows: list[Row], now: int, words: str = "") -> None:
        self._rows = rows
        self._columns = columns_at(now)
        self._words = words
        self._places = {row["id"]: place for place, row in enumerate(rows)}

    def count(self) -> int:
        return len(self._rows)

    def key(self, index: int) -> int | None:
        return self._rows[index]["id"] if 0 <= index < len(self._rows) else None

    def index_of(self, key: object) -> int | None:
        return self._places.get(key) if isinstance(key, int) else None

    def row(self, index: int) -> Row | None:
        return self._rows[index] if 0 <= index < len(self._rows) else None

    def line(self, index: int, width: int) -> Line:
        return marked(table_line(self._columns, self._rows[index], width), self._words)


def target_of(row: Row) -> str:
    """What enter opens, in words; "" when an event is about nothing that has a screen."""
    if row["job_id"]:
        return f"job {row['job_id']}"
    if row["campaign"]:
        return f"campaign {row['campaign']}"
    return f"queue {row['queue']}" if row["queue"] else ""


def about(row: Row | None, now: int, width: int, enter: str = "enter") -> list[Line]:
    """Who, from where, what, how many, with what result: four lines."""
    if row is None:
        return []
    many = f"   {count(row['n'])} of them" if row["n"] else ""
    who = f"{row['actor'] or 'engine'}{f' from {whence(row)}' if whence(row) else ''}   {row['kind']}{many}"
    data = "  ".join(f"{key}={value}" for key, value in row["data"].items())
    words = [*wrap(f"{row['text']}  {data}".strip(), width - 10), ""][:2]
    target = target_of(row)
    return [
        ((" " + "-" * (width - 2), "dim"),),
        ((" WHO     ", "head"), (fit(f"{clock(row['at'], now, seconds=True)}  {who}", width - 10), "")),
        ((" WHAT    ", "head"), (words[0], "")),
        ((f"         {words[1]}", ""),),
        ((" ABOUT   ", "head"), (f"{target} ({enter} opens it)" if target else "the engine as a whole", "")),
    ]
