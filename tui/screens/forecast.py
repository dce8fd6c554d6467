"""`o`: the forecast of a campaign: when it ends, its sends by day and hour, which limit binds, as a table and a plot.

It is worked out in the reader's thread, anew when a campaign of the queue or the queue itself has changed, and once a
minute: 100,000 messages take some seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar

from engine.config import Config
from engine.forecasting import forecast_campaign
from engine.planning.forecast import Forecast
from engine.planning.forecast_days import Day, Part
from storage.errors import PacelineError
from storage.forecast_facts import changes
from storage.reader import Reader
from tui.actions import Row, Target
from tui.forecast_words import day_name, hours_of, short_day, summary, time_of_day
from tui.format import count, fit, spark, wrap
from tui.plots import Plot, columns
from tui.safe_text import safe_text
from tui.screens.page import Page
from tui.widgets.columns import Column, Item, blank, fixed, header, heading, table_line

ROWS = 4
"""Height of the plot."""
LABEL = 10
PART = 14
"""Width of an account's name under a day."""
FEW_DAYS = 2
MANY_DAYS = 60
"""Up to so few days the plot goes by hours, up to so many by days, beyond by weeks."""


class ForecastScreen(Page):
    """Of the campaign `name`. Enter on a day shows its hours, and of several accounts what each sends."""

    HINTS: ClassVar = ("view.open", "app.back")

    def __init__(self, name: str) -> None:
        super().__init__("campaigns", f"Campaigns > {name} > forecast")
        self._campaign = name
        self._unfolded: set[int] = set()

    def reads(self) -> Callable[..., Any]:
        name, load_config = self._campaign, self.console.load_config
        kept: dict[str, Any] = {}
        # Read once, and not before the reader asks.
        config = cache(lambda: _config(load_config))

        def load(reader: Reader, now: int) -> Row:
            row = reader.campaign(name)
            queues = [changes(reader, one["id"], now) for one in row["accounts"]]
            state = (*queues, row["due"]["first"] is None)
            if kept.get("state") != state:
                kept.update(state=state, **_foretold(reader, name, config(), now))
            return {"told": kept["told"], "problem": kept["problem"], "campaign": row}

        return load

    def items(self, data: Any, now: int) -> list[Item]:
        told: Forecast | None = data["told"]
        if told is None:
            return [heading(safe_text(data["problem"]), "bad")]
        items = [item for label, words in summary(told) for item in self._sentence(label, words)]
        if not told.days:
            return items
        items += [blank(), *(fixed(line) for line in columns(*_plot(told), self.size.width, ROWS)), blank()]
        shown = _table(told)
        items.append(Item(lambda width: header(shown, width)))
        for day in told.days:
            items.append(_row(shown, day))
            if day.begins in self._unfolded:
                items += [_part(part) for part in day.parts]
                items += [_hour(told, begins, sends, every) for begins, sends, every in day.hours]
        return items

    def _sentence(self, label: str, words: str) -> list[Item]:
        style = "paced" if label in ("if it is", "not sent", "perhaps") else ""
        lines = wrap(safe_text(words), max(20, self.size.width - LABEL - 3))
        return [
            fixed(((f" {fit(label.upper() if not i else '', LABEL)}", "head"), (part, style)))
            for i, part in enumerate(lines)
        ]

    def chosen(self, row: Any) -> None:
        if isinstance(row, Day):
            self._unfolded ^= {row.begins}
            self.redraw()

    def targets(self) -> list[Target]:
        return [Target("campaign", self.data["campaign"])] if self.data is not None else []


def _config(load: Callable[[], Config]) -> Config | None:
    """None where it cannot be read: a running engine has left its limits in the store."""
    try:
        return load()
    except PacelineError:
        return None


def _foretold(reader: Reader, name: str, config: Config | None, now: int) -> Row:
    try:
        return {"told": forecast_campaign(reader, name, config, now=now), "problem": ""}
    except PacelineError as error:
        return {"told": None, "problem": f"{error.message}{f' - {error.hint}' if error.hint else ''}"}


def _plot(told: Forecast) -> tuple[Plot, Sequence[tuple[int, str]]]:
    """Sends by hour, day or week, with some times below."""
    days = told.days
    if len(days) <= FEW_DAYS:
        values = [n for day in days for n in hours_of(day)]
        first = next(i for i, n in enumerate(values) if n)
        last = len(values) - next(i for i, n in enumerate(reversed(values)) if n)
        begins = days[0].begins
        hour = (days[0].ends - begins) // len(hours_of(days[0]))
        marks = [(i - first, time_of_day(begins + i * hour, told)) for i in range(first, last, 3)]
        return Plot("SENDS PER HOUR", values[first:last], _label, 1, "good"), marks
    if len(days) <= MANY_DAYS:
        marks = [(i, short_day(day, told)) for i, day in enumerate(days) if i % max(1, len(days) // 6) == 0]
        return Plot("SENDS PER DAY", [day.sends for day in days], _label, 1, "good"), marks
    size = -(-len(days) // MANY_DAYS)
    parts = [days[i : i + size] for i in range(0, len(days), size)]
    marks = [(i, short_day(part[0], told)) for i, part in enumerate(parts) if i % 10 == 0]
    sums = [sum(day.sends for day in part) for part in parts]
    return Plot(f"SENDS IN EACH {size} DAYS", sums, _label, 1, "good"), marks


def _label(value: float) -> str:
    return count(round(value))


def _table(told: Forecast) -> list[Column]:
    def when(day: Day) -> str:
        first, last = time_of_day(day.first, told), time_of_day(day.last, told)
        return f"{first}-{last}" if first else "-"

    return [
        Column("DAY", 14, lambda day: day_name(day, told), keep=True),
        Column("SENDS", 7, lambda day: count(day.sends), right=True, keep=True),
        Column("ACCOUNT", 7, lambda day: count(day.account), right=True, rank=4),
        Column("FROM-TO", 11, when, rank=2),
        Column("BOUND BY", 16, lambda day: (day.bound_by or "-", "paced" if day.bound_by else "dim"), rank=6),
        Column("0     6     12    18", 24, lambda day: (spark(hours_of(day)[:24]), "good"), rank=3),
    ]


def _row(shown: Sequence[Column], day: Day) -> Item:
    return Item(lambda width: table_line(shown, day, width), ("day", day.begins), day)


def _part(part: Part) -> Item:
    name = fit(safe_text(part.account), PART)
    text = f"  {name} {count(part.sends):>7} {count(part.every):>7}"
    return fixed(((f"{text}  {safe_text(part.bound_by)}".rstrip(), "dim"),))


def _hour(told: Forecast, begins: int, sends: int, every: int) -> Item:
    text = f"  {fit(f'  {time_of_day(begins, told)}', PART)} {count(sends):>7} {count(every):>7}"
    return fixed(((text, "dim"),))
