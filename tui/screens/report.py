"""`%`: the report of a campaign: rates with what they are parts of, reasons, parts, pace and timeline.

It is made in the reader's thread: of a campaign of up to 20,000 messages whole (0.15 s), of a longer one in part, and
while much changes at most every ten seconds. A million take the command 13 s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count as numbers
from typing import Any, ClassVar

from storage.model import MINUTE, SECOND
from storage.reader import Reader
from tui.actions import Row, Target
from tui.format import fit, wrap
from tui.reporting.report import figures, report
from tui.reporting.words import Section, sections
from tui.safe_text import safe_text
from tui.screens.page import Page
from tui.screens.view import Written
from tui.terminal import cells
from tui.widgets.columns import Column, Item, blank, fixed, header, heading, table_line
from tui.widgets.lines import Line

MOST = 20_000
MANY = 2_000
"""Messages from which a report takes long enough to be made anew only now and then."""
REST = 10 * SECOND
LABEL = 11
TEXT = 16
"""A last column that is wider than this takes what is left."""
_KEPT = ("sent", "how many", "reason", "recipient")


class ReportScreen(Page):
    """Of the campaign `name`."""

    HINTS: ClassVar = ("app.write", "app.back")

    def __init__(self, name: str) -> None:
        super().__init__("campaigns", f"Campaigns > {name} > report")
        self._campaign = name

    def reads(self) -> Callable[..., Any]:
        name, zone = self._campaign, self.console.zone
        kept: dict[str, Any] = {"state": None, "until": 0}

        def load(reader: Reader, now: int) -> Row:
            row = reader.campaign(name)
            state = (row["state"], row["counts"], row["state"] == "active" and now // MINUTE)
            if state != kept["state"] and now >= kept["until"]:
                told = report(reader, name, zone, now, most=MOST)
                until = now + REST if row["total"] > MANY else 0
                kept.update(state=state, until=until, report=told)
            return {"report": kept["report"], "campaign": row}

        return load

    def items(self, data: Any, now: int) -> list[Item]:
        places = numbers()
        found: list[Item] = []
        for place, section in enumerate(sections(data["report"], self.console.zone)):
            if place:
                found.append(blank())
                found.append(heading(safe_text(section.title.upper())))
            for label, words in section.pairs:
                found += self._sentence(label, words, places)
            if section.rows:
                found += _rows(section, places)
            if section.note:
                found += self._sentence("", section.note, places)
        return found

    def _sentence(self, label: str, words: str, places: Iterator[int]) -> Iterator[Item]:
        """Each line can be reached by the cursor, so that a long report can be read to its end."""
        for i, part in enumerate(wrap(safe_text(words, 1_000), max(20, self.size.width - LABEL - 5))):
            yield fixed(((f"{fit(label if not i else '', LABEL)} ", "head"), (part, "")), ("line", next(places)))

    def written(self) -> Written:
        """All figures, of the whole campaign."""
        name, zone = self._campaign, self.console.zone
        return lambda reader, now: figures(report(reader, name, zone, now))

    def targets(self) -> list[Target]:
        return [Target("campaign", self.data["campaign"])] if self.data is not None else []


def _rows(section: Section, places: Iterator[int]) -> Iterator[Item]:
    shown = [tuple(safe_text(cell) for cell in row) for row in section.rows]
    columns = [_column(title, place, shown, len(section.head)) for place, title in enumerate(section.head)]
    yield Item(lambda width: header(columns, width))
    for row in shown:
        yield Item(partial(_line, columns, row), ("line", next(places)), row)


def _line(columns: list[Column], row: tuple[str, ...], width: int) -> Line:
    return table_line(columns, row, width)


def _column(title: str, place: int, rows: list[tuple[str, ...]], of: int) -> Column:
    width = max(sum(map(cells, cell)) for cell in (title, *(row[place] for row in rows)))
    last = place == of - 1 and width > TEXT
    number = all(re.fullmatch(r"[\d,]+", row[place]) for row in rows)
    return Column(
        title.upper(), 0 if last else width, lambda row: row[place], right=number,
        keep=place == 0 or title in _KEPT, rank=of - place, least=TEXT,
    )  # fmt: skip
