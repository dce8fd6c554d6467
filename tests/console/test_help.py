"""`?`: what can be done here stands first, every key is there, `/` finds."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from tests.console.looking import go, looking, shown, until
from tests.console.world import RecordingLink, World
from tui.actions import ACTIONS
from tui.looks import LOOKS
from tui.screens.help import HelpScreen
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines


def headings(pilot: Pilot[int]) -> list[str]:
    return [line.strip() for line in pilot.app.screen.query_one(Grid).text.splitlines() if line[:1] == " " != line[1:2]]


def rows_found(pilot: Pilot[int]) -> list[str]:
    return [line for line in pilot.app.screen.query_one(Grid).text.splitlines() if line[1:2] == " " and line.strip()]


@pytest.mark.parametrize(
    ("keys", "first", "also"),
    [
        (("2",), "THIS VIEW: ACT ON A CAMPAIGN", "THIS VIEW: ORDER OF A LIST"),
        (("3",), "THIS VIEW: ACT ON A JOB", "THIS VIEW: MARK JOBS"),
        (("3", "space"), "THIS VIEW: ACT ON THE MARKED JOBS", "THIS VIEW: ACT ON A JOB"),
        (("6",), "THIS VIEW: ACT ON A QUEUE", "MOVE"),
        (("9",), "THIS VIEW: NARROW", "THIS VIEW: IN THE LOG"),
    ],
    ids=["campaigns", "jobs", "marks", "queues", "log"],
)
async def test_what_can_be_done_here_stands_first_and_the_rest_behind(
    busy_world: World, link: RecordingLink, keys: tuple[str, ...], first: str, also: str
) -> None:
    async with looking(busy_world, link, *keys, "question_mark", size=(120, 260)) as (app, pilot):
        assert isinstance(app.screen, HelpScreen)
        found = headings(pilot)
        assert found[0] == first
        assert also in found
        elsewhere = [title.startswith("ELSEWHERE: ") for title in found]
        assert elsewhere == sorted(elsewhere)
        assert {"MOVE", "ACT EVERYWHERE", "GO", "FILTER", "STATES"} <= set(found)
        told = len([row for row in rows_found(pilot) if "state:" not in row])
        assert told >= len(ACTIONS) + len(LOOKS)


async def test_a_slash_finds_rows_by_their_words_and_esc_shows_all_again(
    busy_world: World, link: RecordingLink
) -> None:
    async with looking(busy_world, link, "2", "question_mark") as (app, pilot):
        await pilot.press("slash", *"who CONTACT", "enter")
        await until(pilot, lambda: headings(pilot) == ["GO"])
        assert ["opt-outs: who must not be contacted" in row for row in rows_found(pilot)] == [True]
        await go(pilot, "slash", *" xyz", "enter")
        await until(pilot, lambda: "nothing here holds 'who CONTACT xyz'" in app.screen.query_one(Grid).text)
        await go(pilot, "escape")
        assert headings(pilot)[0] == "THIS VIEW: ACT ON A CAMPAIGN"
        await pilot.press("escape")
        await shown(pilot)
        assert not isinstance(app.screen, HelpScreen)


async def test_the_row_under_the_cursor_is_told_whole(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, "2", "question_mark", "j") as (app, _):
        about = app.screen.query_one("#about", Lines).text
        assert "only a draft can be started" in " ".join(about.split())
