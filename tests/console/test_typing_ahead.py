"""Keys that come faster than the screen: each is answered by what it was meant for, none is lost."""

from __future__ import annotations

import time
from pathlib import Path

from textual.events import Key

from storage.reader import Reader
from tests.console.looking import console as console_of
from tests.console.looking import shown, until
from tests.console.world import RecordingLink, World
from tests.support.terminals import console
from tui.screens.wizard_name import NameScreen


def campaigns(folder: Path) -> dict[str, str]:
    """Every campaign with its state."""
    with Reader(folder / "paceline.db") as reader:
        return {row["name"]: row["state"] for row in reader.campaigns()}


def test_a_draft_is_made_by_keys_that_wait_for_nothing(tmp_path: Path) -> None:
    """From the first view to the checked file in one go: on the way every letter of the names is some key as well."""
    world = World(tmp_path)
    world.clock.at = time.time_ns() // 1_000
    world.close()
    people = tmp_path / "people.csv"
    people.write_text("E-mail,First Name\nada@example.com,Ada\nben@example.org,Ben\n")
    terminal = console(tmp_path)
    terminal.shows("EMBEDDED")
    terminal.press(f"2Aweekly-XqR\rj\r\r{people}\r")
    terminal.shows("weekly-XqR", "FILE", "2 rows = 2 to import")
    assert campaigns(tmp_path) == {"weekly-XqR": "draft"}
    terminal.close()


def test_keys_typed_while_the_console_starts_are_answered(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.clock.at = time.time_ns() // 1_000
    # Its first gap is an hour: none of them is sent before the console has read them.
    world.campaign("letters", 3, pacing={"mode": "human", "gap_min": "1h", "gap_max": "2h"})
    world.close()
    terminal = console(tmp_path)
    terminal.until(lambda: terminal.raw)
    terminal.press("3/state:pending\r")
    terminal.shows("Jobs  state:pending", "3 of 3")
    terminal.close()


async def test_what_is_typed_behind_an_action_waits_for_its_screen(world: World) -> None:
    app = console_of(world, RecordingLink())
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        for key in ("A", "w", "x", "enter"):
            app.post_message(Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: isinstance(app.screen, NameScreen) and app.screen.making.wanted == "wx")


async def test_a_view_whose_rows_never_come_can_be_left(world: World) -> None:
    app = console_of(world, RecordingLink())
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        app.feed.stop()
        await pilot.press("2", "3")
        assert app.current_mode == "campaigns"
        await until(pilot, lambda: app.current_mode == "jobs")
