"""The forecast of a campaign on the screen, and its timeline turned both ways from now."""

from __future__ import annotations

import re

import pytest
from textual.pilot import Pilot

from storage.model import HOUR, MINUTE, SECOND
from tests.console.looking import SIZES, Compare, console, cursor_on, go, looking, message, shown, until
from tests.console.world import NOON, SENT, RecordingLink, World
from tui.link import LOST, LinkState
from tui.screens.campaign import CampaignScreen
from tui.screens.forecast import ForecastScreen
from tui.screens.timeline import timeline_columns
from tui.widgets.grid import Grid

LIMITS = {"concurrency": 10, "caps": ["20/day calendar", "6/h"], "zone": "Europe/Berlin",
          "window": {"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin"}}  # fmt: skip


@pytest.fixture
def capped(world: World) -> World:
    """A running campaign of 130 on an account with a window, a cap a day and one an hour; nothing was sent yet."""
    world.clock.at = NOON
    world.campaign("autumn", 130, pacing={"mode": "steady", "rate": "30/h", "jitter": 0})
    queue = world.run(world.store.get_queue("smtp-eu-1"))
    world.run(world.store.set_limits(queue.id, LIMITS))
    return world


@pytest.fixture
def half_sent(world: World) -> World:
    """240 of 520, each two seconds after the other while the plan says one."""
    world.clock.at = NOON - 30 * MINUTE
    world.campaign("long", 520, pacing={"mode": "steady", "rate": "60/min", "jitter": 0})
    world.send("smtp-eu-1", [SENT] * 240, step=2 * SECOND)
    return world


def text(pilot: Pilot[int]) -> str:
    return pilot.app.screen.query_one(Grid).text


async def forecast_open(pilot: Pilot[int], *keys: str) -> None:
    await go(pilot, *keys)
    await until(pilot, lambda: isinstance(pilot.app.screen, ForecastScreen) and "DAY" in text(pilot))


@pytest.mark.parametrize("size", SIZES)
def test_picture(capped: World, link: RecordingLink, snap_compare: Compare, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await shown(pilot)
        await forecast_open(pilot, "2", "o", "enter")

    assert snap_compare(console(capped, link), terminal_size=size, run_before=before)


async def test_o_says_when_it_ends_what_binds_and_the_hours_of_a_day(capped: World, link: RecordingLink) -> None:
    async with looking(capped, link, size=(120, 40)) as (_, pilot):
        await forecast_open(pilot, "2", "o")
        seen = text(pilot)
        assert "130 of 130 through account smtp-eu-1" in seen
        assert "20/day calendar" in seen and "SENDS PER DAY" in seen
        assert len(re.findall(r"^\W*(Mon|Tue|Wed|Thu|Fri) 20\d\d", seen, re.M)) == 7
        hours = r"^ +\d\d:\d\d +\d+ +\d+$"
        assert not re.search(hours, seen, re.M)
        await pilot.press("enter")
        await until(pilot, lambda: bool(re.search(hours, text(pilot), re.M)))
        await pilot.press("enter")
        await until(pilot, lambda: not re.search(hours, text(pilot), re.M))


async def test_the_prompt_opens_it_too_and_a_draft_is_told_as_if_it_started_now(
    busy_world: World, link: RecordingLink
) -> None:
    async with looking(busy_world, link, size=(120, 40)) as (_, pilot):
        await pilot.press("colon")
        await pilot.press(*"campaign forecast reminder-q3", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ForecastScreen) and "DAY" in text(pilot))
        assert "started now" in text(pilot) and "SENDS PER HOUR" in text(pilot)


@pytest.mark.parametrize("options", [{"read_only": True}, {}], ids=["read-only", "lost"])
async def test_it_needs_neither_an_engine_nor_the_right_to_change(capped: World, options: dict[str, bool]) -> None:
    link = RecordingLink(LinkState(LOST, 4120, "mail-1", NOON, 5, NOON + SECOND, "its lock is free"))
    async with looking(capped, link, **options) as (_, pilot):
        await forecast_open(pilot, "2", "o")
        assert "FINISH" in text(pilot)


async def test_an_ended_campaign_has_nothing_left(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, "2", size=(120, 40)) as (_, pilot):
        await cursor_on(pilot, "winback")
        await pilot.press("o")
        await until(pilot, lambda: isinstance(pilot.app.screen, ForecastScreen) and "MESSAGES" in text(pilot))
        assert "nothing is left to send" in text(pilot)


async def test_the_timeline_tells_what_comes_by_the_limits_and_how_far_that_is_from_its_plan(
    capped: World, link: RecordingLink
) -> None:
    async with looking(capped, link, size=(120, 40)) as (_, pilot):
        await go(pilot, "2", "enter", "tab")
        await until(pilot, lambda: "late" in text(pilot))
        rows = [line for line in text(pilot).splitlines() if "@example" in line]
        # 30 an hour are planned, six may leave.
        assert all("on time" in line for line in rows[:6]) and "48m" in rows[6] and "late" in rows[6]
        assert "14:04" in rows[0] and "15:04" in rows[6]


async def test_the_timeline_turns_both_ways_and_comes_back(half_sent: World, link: RecordingLink) -> None:
    def first(pilot: Pilot[int]) -> str:
        found = re.search(r"\w+\.(\d+)@example", text(pilot))
        return found[1] if found else ""

    async with looking(half_sent, link, "2", "enter", "tab", size=(120, 40)) as (app, pilot):
        await until(pilot, lambda: isinstance(pilot.app.screen, CampaignScreen) and first(pilot) == "237")
        # What is overdue begins by the account's limits of the configuration: no engine has served it yet.
        coming = next(line for line in text(pilot).splitlines() if ". due" in line)
        assert "14:02" in coming and "late" in coming and "overdue" not in coming
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: first(pilot) == "037")
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: first(pilot) == "000")
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "nothing was sent earlier" in message(app))
        for wanted in ("037", "237", "440"):
            await pilot.press("right_square_bracket")
            await until(pilot, lambda wanted=wanted: first(pilot) == wanted)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "nothing is planned later" in message(app))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: first(pilot) == "237")
        assert "nothing is planned later" not in message(app)


def test_what_nobody_can_foresee_is_told_by_its_plan() -> None:
    plan = next(column for column in timeline_columns(NOON) if column.title == "PLAN")
    assert plan.cell({"expected_at": None, "due_at": NOON - 2 * HOUR}) == "2h overdue"
    assert plan.cell({"expected_at": None, "due_at": NOON + 2 * HOUR}) == "in 2h"


@pytest.mark.parametrize("leaving", ["tab", "6", "escape"])
async def test_what_is_said_of_a_page_goes_when_something_else_is_shown(
    capped: World, link: RecordingLink, leaving: str
) -> None:
    async with looking(capped, link, "2", "enter", "tab", size=(120, 40)) as (app, pilot):
        await until(pilot, lambda: "@example" in text(pilot))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "nothing was sent earlier" in message(app))
        await pilot.press(leaving)
        await until(pilot, lambda: "nothing was sent earlier" not in message(app))
