"""The pages over a view: every action, the record, what can be copied, what can be taken back, the diagnosis."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable

import pytest
from textual.pilot import Pilot

from tests.console.looking import (
    SIZES,
    Compare,
    answered,
    asked,
    console,
    cursor_on,
    go,
    looking,
    message,
    shown,
    until,
    walk,
)
from tests.console.world import NOON, RecordingLink, World
from tui.actions import ACTIONS, Target
from tui.link import LOST, LinkState
from tui.lookup import Situation
from tui.palette import Palette
from tui.screens.all_actions import ActionsScreen
from tui.screens.copy_menu import CopyScreen, entries
from tui.screens.diagnosis import DiagnosisScreen, size_text
from tui.screens.page import Page
from tui.screens.raw import RawScreen
from tui.screens.undo_list import UndoScreen
from tui.widgets.grid import Grid

HOSTILE = "[/]\x1b[2J‮evil​"


def grid(pilot: Pilot[int]) -> Grid:
    return pilot.app.screen.query_one(Grid)


async def on_campaign(pilot: Pilot[int], name: str = "newsletter-38") -> None:
    await shown(pilot)
    await go(pilot, "2")
    await cursor_on(pilot, name)


async def opened(pilot: Pilot[int], key: str, page: type[Page]) -> None:
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, page) and bool(grid(pilot).text))


async def test_a_lists_every_action_of_the_row_and_says_why_one_is_off(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(160, 60)) as pilot:
        await on_campaign(pilot)
        await opened(pilot, "a", ActionsScreen)
        text = grid(pilot).text
        for action in ACTIONS:
            if action.scope in ("campaign", "engine"):
                assert action.title in text
        assert "off: newsletter-38 is active: only a draft can be started" in text
        assert "paceline campaign pause newsletter-38" in text


async def test_enter_does_the_chosen_action_and_refuses_one_that_is_off(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_campaign(pilot)
        await opened(pilot, "a", ActionsScreen)
        await pilot.press("j", "enter")
        await until(pilot, lambda: "start is off" in message(app))
        assert link.calls == []
        await pilot.press("k", "enter")
        await until(pilot, lambda: [call[0] for call in link.calls] == ["campaign.pause"])
        assert not isinstance(app.screen, Page)


async def test_read_only_and_a_lost_engine_turn_every_action_off(busy_world: World) -> None:
    state = LinkState(LOST, 4120, "mail-1", NOON, 0, NOON, "pid 4120 is gone")
    for app in (console(busy_world, RecordingLink(), read_only=True), console(busy_world, RecordingLink(state))):
        async with app.run_test(size=(160, 60)) as pilot:
            await on_campaign(pilot)
            await opened(pilot, "a", ActionsScreen)
            reasons = {line[8:33].strip(): line[33:] for line in grid(pilot).text.splitlines()}
            for title in ("pause", "cancel", "live", "retry failed"):
                assert reasons[title].startswith(("off: read-only", "off: no engine"))


async def test_i_shows_the_whole_record_as_json(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(160, 200)) as pilot:
        await on_campaign(pilot)
        await opened(pilot, "i", RawScreen)
        lines = [line[2:] for line in grid(pilot).text.splitlines()[1:]]
        record = json.loads("\n".join(lines))
        assert (record["name"], record["state"]) == ("newsletter-38", "active")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Page))


@pytest.fixture
def odd_world(world: World) -> World:
    """A campaign whose name is no name, and a person whose field is no field."""
    world.campaign("odd", 1, start=False)
    world.people("odd", ["x@example.org"], note=HOSTILE)
    world.call("campaign.live", name="odd")
    world.call("campaign.start", name="odd")
    with sqlite3.connect(world.database) as connection:
        connection.execute("UPDATE campaigns SET name = '[red]x[/] [@click=app.quit]y'")
    return world


async def test_a_hostile_record_reaches_no_terminal(odd_world: World, link: RecordingLink) -> None:
    async with looking(odd_world, link, size=(160, 120)) as (app, pilot):
        await pilot.press("3")
        await shown(pilot)
        for key, page in (("i", RawScreen), ("Y", CopyScreen), ("a", ActionsScreen)):
            await opened(pilot, key, page)
            assert not set(grid(pilot).text) & {"\x1b", "‮", "​"}
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, Page))


async def test_capital_y_offers_the_servers_words_the_address_and_the_command(
    busy_world: World, link: RecordingLink
) -> None:
    async with looking(busy_world, link, size=(160, 40)) as (app, pilot):
        await pilot.press("4")
        await shown(pilot)
        await pilot.press("enter")
        await shown(pilot)
        await opened(pilot, "Y", CopyScreen)
        text = grid(pilot).text
        assert "@example.org" in text
        assert "User unknown in virtual mailbox table" in text
        assert "paceline job retry" in text
        await pilot.press("j", "enter")
        await until(pilot, lambda: app.clipboard.endswith("@example.org"))
        assert not isinstance(app.screen, Page)


def test_what_is_off_offers_no_command() -> None:
    row = {"name": "x", "state": "completed", "counts": {"failed": 0, "held": 0}, "version": 1, "live": True}
    offered = dict(entries([Target("campaign", row)], Situation()))
    assert "command: pause" not in offered
    assert offered["name"] == "x"
    assert json.loads(offered["record"])["state"] == "completed"


async def test_capital_z_takes_back_the_chosen_one_after_a_question(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_campaign(pilot, "receipts")
        await pilot.press("p")
        await until(pilot, lambda: len(link.calls) == 1)
        await cursor_on(pilot, "newsletter-38")
        await pilot.press("p")
        await until(pilot, lambda: len(link.calls) == 2)
        await opened(pilot, "Z", UndoScreen)
        assert "pause newsletter-38" in grid(pilot).text
        assert "pause receipts" in grid(pilot).text
        await pilot.press("j", "enter")
        await asked(pilot)
        await pilot.press("y")
        await answered(pilot)
        await until(pilot, lambda: link.calls[-1] == ("campaign.resume", {"name": "receipts"}))
        await until(pilot, lambda: "pause receipts" not in grid(pilot).text)
        assert "pause newsletter-38" in grid(pilot).text


async def test_the_diagnosis_names_lock_heartbeat_sizes_and_versions(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, size=(160, 60)) as (app, pilot):
        await pilot.press("colon", *"diag", "enter")
        await until(pilot, lambda: isinstance(app.screen, DiagnosisScreen) and "VERSIONS" in grid(pilot).text)
        text = grid(pilot).text
        for word in ("is held by pid", "heartbeat", "schema", "sqlite", "textual", str(busy_world.database)):
            assert word in text


@pytest.mark.parametrize(
    ("size", "text"), [(None, "-"), (12, "12 B"), (1 << 10, "1.0 KB"), (150 << 20, "150 MB"), (3 << 30, "3.0 GB")]
)
def test_sizes_read_as_people_say_them(size: int | None, text: str) -> None:
    assert size_text(size) == text


# the palette


async def palette(pilot: Pilot[int], typed: str = "") -> str:
    await pilot.press("ctrl+p")
    await until(pilot, lambda: isinstance(pilot.app.screen, Palette))
    await pilot.press(*typed)
    await until(pilot, lambda: pilot.app.screen.has_class("-ready") and bool(_options(pilot)))
    return "\n".join(_options(pilot))


def _options(pilot: Pilot[int]) -> list[str]:
    from textual.command import CommandList

    options = pilot.app.screen.query_one(CommandList)
    return [str(options.get_option_at_index(i).prompt) for i in range(options.option_count)]


async def test_the_palette_offers_the_rows_actions_with_the_reason_when_off_and_every_name(
    busy_world: World, link: RecordingLink
) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_campaign(pilot)
        text = await palette(pilot)
        assert "start newsletter-38   off: newsletter-38 is active: only a draft can be started" in text
        assert "Queues   6" in text
        assert "campaign spring-sale   open" in text
        assert "queue smtp-eu-1   open" in text


async def test_what_is_chosen_in_the_palette_is_done(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_campaign(pilot)
        await palette(pilot, "pause newsletter")
        await until(pilot, lambda: _options(pilot)[0].startswith("pause newsletter-38"))
        await pilot.press("enter")
        await until(pilot, lambda: [call[0] for call in link.calls] == ["campaign.pause"])
        await palette(pilot, "queue smtp-eu-2")
        await until(pilot, lambda: _options(pilot)[0].startswith("queue smtp-eu-2"))
        await pilot.press("enter")
        await until(pilot, lambda: app.view is not None and "smtp-eu-2" in app.view.crumb())


async def test_a_name_in_the_palette_is_never_markup(odd_world: World, link: RecordingLink) -> None:
    async with looking(odd_world, link, size=(120, 40)) as (_, pilot):
        assert "campaign [red]x[/] [@click=app.quit]y   open" in await palette(pilot)


async def test_ctrl_c_closes_the_palette_and_nothing_else(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_campaign(pilot)
        await palette(pilot)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: not isinstance(app.screen, Palette))
        assert app.is_running


# pictures

PICTURES: dict[str, tuple[str, ...]] = {
    "palette": ("2", "j", "ctrl+p"), "all_actions": ("2", "j", "a"), "record": ("2", "j", "i"),
    "copy_menu": ("4", "enter", "Y"), "undo_list": ("2", "j", "p", "Z"),
}  # fmt: skip


def walked(*keys: str) -> Callable[[Pilot[int]], Awaitable[None]]:
    async def before(pilot: Pilot[int]) -> None:
        await walk(*keys)(pilot)
        if keys[-1] == "ctrl+p":
            await until(pilot, lambda: pilot.app.screen.has_class("-ready") and len(_options(pilot)) > 20)
            from textual.widgets import Input

            pilot.app.screen.query_one(Input).cursor_blink = False

    return before


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", PICTURES)
def test_page(busy_world: World, link: RecordingLink, snap_compare: Compare, page: str, size: tuple[int, int]) -> None:
    assert snap_compare(console(busy_world, link), terminal_size=size, run_before=walked(*PICTURES[page]))
