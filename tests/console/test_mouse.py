"""The mouse, where it is taken: it moves, opens and chooses; the program does not take it by itself."""

from __future__ import annotations

import pytest

from engine.config import Config
from tests.console.looking import looking, shown, until
from tests.console.world import RecordingLink, World
from tui.keymap import changed_by
from tui.screens.campaign import CampaignScreen
from tui.widgets.frame import VIEWS, views
from tui.widgets.grid import Grid
from tui.widgets.views import view_at


def test_it_is_not_taken_by_itself() -> None:
    assert Config().console.mouse is False


@pytest.mark.parametrize(("name", "word"), VIEWS)
@pytest.mark.parametrize("key", ["", "0", "F5"])
def test_each_word_of_row_two_is_its_view(name: str, word: str, key: str) -> None:
    keymap, wrong = changed_by({f"view.{name}": key})
    assert wrong == ()
    row = "".join(text for text, _ in views("overview", 80, keymap))
    at = row.index(f" {key}{word} ") + 1
    assert view_at(at, keymap) == view_at(at + len(key) + len(word) - 1, keymap) == name
    assert view_at(at - 1, keymap) is None


async def test_a_click_goes_to_a_view_moves_the_cursor_and_opens(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link) as (app, pilot):
        await pilot.click("#views", offset=(7, 0))
        await until(pilot, lambda: app.current_mode == "campaigns")
        await shown(pilot)
        grid = app.screen.query_one(Grid)
        await pilot.click(grid, offset=(10, 2))
        await until(pilot, lambda: grid.cursor == 2)
        await pilot.click(grid, offset=(10, 15))
        assert grid.cursor == 2
        assert app.screen.query_one(Grid) is grid
        await pilot.click(grid, offset=(10, 2))
        await until(pilot, lambda: isinstance(app.screen, CampaignScreen))
