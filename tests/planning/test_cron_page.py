"""The worked examples of docs/schedules.md are true."""

from __future__ import annotations

import doctest
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from engine.planning.cron import Cron
from engine.planning.missed import Missed, missed
from storage.model import SECOND
from tests.support.window_oracle import us

PAGE = Path(__file__).parents[2] / "docs" / "schedules.md"


def cron(expression: str, zone: str = "Europe/Berlin") -> Cron:
    return Cron.parse(expression, zone)


def shown_at(moment: int, zone: str) -> str:
    """A time as the page prints it."""
    return datetime.fromtimestamp(moment // SECOND, ZoneInfo(zone)).strftime("%a %d %b %H:%M %z")


def shown(expression: str, zone: str, after: int, n: int) -> None:
    """One line a firing."""
    for firing in cron(expression, zone).firings(after, n):
        print(f"{shown_at(firing.at, zone)}  {firing.note}".rstrip())


NAMES = {
    **{"cron": cron, "Missed": Missed, "missed": missed},
    **{"at": us, "shown": shown, "shown_at": shown_at},
}


def test_the_examples_of_the_page_on_schedules_come_out_as_it_says():
    found = doctest.testfile(str(PAGE), module_relative=False, globs=dict(NAMES))
    assert found.failed == 0
    assert found.attempted >= 12
