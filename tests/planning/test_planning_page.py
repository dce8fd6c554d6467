"""The worked examples of docs/pacing.md are true."""

from __future__ import annotations

import doctest
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from engine.planning.pacing import Pacing, Slot, estimate, plan
from engine.planning.windows import Window, place
from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.window_oracle import us

PAGE = Path(__file__).parents[2] / "docs" / "pacing.md"


def shown_at(moment: int, zone: str) -> str:
    """A time as the page prints it."""
    return datetime.fromtimestamp(moment // SECOND, ZoneInfo(zone)).strftime("%a %d %b %H:%M")


def shown(slots: Iterable[Slot], zone: str) -> None:
    """One line a slot."""
    for slot in slots:
        print(shown_at(slot.due_at, zone))


NAMES = {
    **{"Pacing": Pacing, "Window": Window, "estimate": estimate, "place": place, "plan": plan},
    **{"at": us, "shown": shown, "shown_at": shown_at, "DAY": DAY, "HOUR": HOUR, "MINUTE": MINUTE},
}


def test_the_examples_of_the_page_on_pacing_come_out_as_it_says():
    found = doctest.testfile(str(PAGE), module_relative=False, globs=dict(NAMES))
    assert found.failed == 0
    assert found.attempted >= 20
