"""Every view as a picture, at 80x24 and 120x40: fixed store, fixed time. Look at each before it is accepted."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from storage.model import SECOND
from tests.console.looking import SIZES, Compare, console, until, walk
from tests.console.world import NOON, RecordingLink, World
from tui.link import LOST, LinkState
from tui.screens.confirm import ConfirmScreen

VIEWS = {
    "overview": (),
    "campaigns": ("2", "j", "j"),
    "campaign_batches": ("2", "j", "enter"),
    "campaign_timeline": ("2", "j", "enter", "tab"),
    "campaign_failures": ("2", "j", "enter", "tab", "tab"),
    "campaign_recipients": ("2", "j", "enter", "tab", "tab", "tab"),
    "failures": ("4",),
    "failure_jobs": ("4", "enter"),
    "job": ("4", "enter", "enter"),
    "uncertain_jobs": ("j", "enter"),
    "help": ("2", "question_mark"),
}
DIALOGS = {"confirm_cancel": ("X",), "confirm_resume": ("P",), "confirm_retry": ("4", "R")}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", VIEWS)
def test_view(draws: Compare, view: str, size: tuple[int, int]) -> None:
    assert draws(*VIEWS[view], size=size)


@pytest.mark.parametrize("dialog", DIALOGS)
def test_dialog(busy_world: World, link: RecordingLink, snap_compare: Compare, dialog: str) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await walk(*DIALOGS[dialog])(pilot)
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))

    assert snap_compare(console(busy_world, link), terminal_size=(80, 24), run_before=before)


def test_lost_engine(busy_world: World, snap_compare: Compare) -> None:
    state = LinkState(
        LOST, 4120, "mail-1", NOON - 47 * SECOND, 5, NOON + 8 * SECOND, "pid 4120 on mail-1 is gone: its lock is free"
    )
    assert snap_compare(console(busy_world, RecordingLink(state)), terminal_size=(80, 24), run_before=walk("2"))


def test_production_looks_different(busy_world: World, link: RecordingLink, snap_compare: Compare) -> None:
    app = console(busy_world, link, environment="production")
    assert snap_compare(app, terminal_size=(80, 24), run_before=walk())


def test_empty_store(world: World, link: RecordingLink, snap_compare: Compare) -> None:
    assert snap_compare(console(world, link), terminal_size=(80, 24), run_before=walk())


def test_too_small(draws: Compare) -> None:
    assert draws(size=(50, 14))


def test_short_screen_keeps_the_list(draws: Compare) -> None:
    assert draws("2", size=(60, 16))
