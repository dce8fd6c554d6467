"""Views 2 and 4 with a filter: what it lets through, what is refused, and that a retry takes what is shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from textual.pilot import Pilot

from storage.model import MINUTE
from tests.console.looking import SIZES, Compare, asked, console, looking, message, shown, until
from tests.console.world import DOUBT, FULL, NOON, UNKNOWN, RecordingLink, World
from tui.console import PacelineApp
from tui.screens.failures import JobsScreen
from tui.screens.filtered import WholeFilteredScreen
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One reason in two campaigns and at two times, and another one: letters failed 4 + 1 two hours ago and 3 now,
    other 2 now."""
    world = World(tmp_path_factory.mktemp("failing"))
    world.clock.at = NOON - 180 * MINUTE
    world.campaign("letters", 30)
    world.campaign("other", 10, account="smtp-eu-2")
    world.clock.at = NOON - 120 * MINUTE
    world.send("smtp-eu-1", [UNKNOWN] * 4 + [FULL], step=MINUTE)
    world.clock.at = NOON - 10 * MINUTE
    world.send("smtp-eu-1", [UNKNOWN] * 3 + [DOUBT], step=MINUTE)
    world.send("smtp-eu-2", [UNKNOWN] * 2, step=MINUTE)
    world.clock.at = NOON
    yield world
    world.close()


def view(pilot: Pilot[int]) -> WholeFilteredScreen:
    app = pilot.app
    assert isinstance(app, PacelineApp) and isinstance(app.view, WholeFilteredScreen)
    return app.view


def crumb(pilot: Pilot[int]) -> str:
    return pilot.app.screen.query_one("#crumb", Lines).text.rstrip()


def hints(pilot: Pilot[int]) -> str:
    return pilot.app.screen.query_one("#hints", Lines).text


def rows(pilot: Pilot[int]) -> list[str]:
    return pilot.app.screen.query_one(Grid).text.splitlines()


def names(pilot: Pilot[int]) -> set[str]:
    return {row["name"] for row in view(pilot).data["rows"]}


async def opened(pilot: Pilot[int], key: str, text: str = "") -> PacelineApp:
    await shown(pilot)
    await pilot.press(key)
    await shown(pilot)
    if text:
        await pilot.press("slash", *text, "enter")
        await until(pilot, lambda: view(pilot).shown.terms != ())
    app = pilot.app
    assert isinstance(app, PacelineApp)
    return app


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("state:paused", {"spring-sale"}),
        ("state:running", {"newsletter-38"}),
        ("state:active", {"newsletter-38", "receipts"}),
        ("state:draft,cancelled", {"reminder-q3", "test-ana"}),
        ("-state:recent", set()),
        ("account:smtp-eu-2", {"spring-sale"}),
        ("channel:smtp", {"spring-sale"}),
        ("name:*-38 state:active", {"newsletter-38"}),
        ("SALE", {"spring-sale"}),
        ("age:>1d", {"winback"}),
        ("since:30m state:open", {"newsletter-38", "receipts"}),
    ],
)
async def test_a_filter_of_campaigns(busy_world: World, link: RecordingLink, text: str, found: set[str]) -> None:
    async with console(busy_world, link).run_test(size=(80, 24)) as pilot:
        await opened(pilot, "2", text)
        assert names(pilot) == found
        assert crumb(pilot).startswith(f" Campaigns  {text}  ")
        assert crumb(pilot).endswith(f" {len(found)} of 6 campaigns")
        assert bool(found) or "No campaign matches." in view(pilot).query_one("#head", Lines).text


async def test_esc_puts_the_filter_back(busy_world: World, link: RecordingLink) -> None:
    async with console(busy_world, link).run_test(size=(80, 24)) as pilot:
        await opened(pilot, "2", "state:paused")
        await pilot.press("slash", *" sale", "escape")
        await until(pilot, lambda: view(pilot).text == "state:paused" and names(pilot) == {"spring-sale"})
        await pilot.press("escape")
        await until(pilot, lambda: len(names(pilot)) == 6)
        assert crumb(pilot).endswith(" 6 campaigns")


@pytest.mark.parametrize(
    ("key", "good", "bad", "sentence", "act"),
    [
        ("2", "state:paused", "try:>3", "campaigns have no field 'try' - there are: state, name", "P"),
        ("4", "since:24h", "state:failed", "failures have no field 'state' - there are: since, age", "R"),
    ],
)
async def test_a_field_that_the_view_has_not_keeps_the_rows_and_turns_the_actions_off(
    busy_world: World, link: RecordingLink, key: str, good: str, bad: str, sentence: str, act: str
) -> None:
    async with console(busy_world, link).run_test(size=(160, 24)) as pilot:
        app = await opened(pilot, key, good)
        before = rows(pilot)
        await pilot.press("slash")
        await until(pilot, lambda: "enter keep it" in hints(pilot))
        await pilot.press(*f" {bad}")
        await until(pilot, lambda: sentence in hints(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: sentence in message(app))
        assert "(does not parse)" in crumb(pilot)
        assert rows(pilot) == before
        await pilot.press(act)
        await until(pilot, lambda: "is off: the filter does not parse" in message(app))
        assert link.calls == []
        await pilot.press("escape")
        await until(pilot, lambda: view(pilot).text == good and not view(pilot).broken)


@pytest.mark.parametrize(("line", "mode"), [("campaigns state:paused", "campaigns"), ("fail kind:hard", "failures")])
async def test_a_line_goes_to_the_view_with_its_filter(
    busy_world: World, link: RecordingLink, line: str, mode: str
) -> None:
    async with looking(busy_world, link) as (app, pilot):
        await pilot.press("colon", *line, "enter")
        await until(pilot, lambda: app.current_mode == mode and " of " in crumb(pilot))
        assert line.partition(" ")[2] in crumb(pilot)


async def test_keys_and_values_complete(busy_world: World, link: RecordingLink) -> None:
    async with console(busy_world, link).run_test(size=(80, 24)) as pilot:
        app = await opened(pilot, "2")
        await pilot.press("slash", *"na", "tab", *"spr")
        await until(pilot, lambda: "name:spring-sale" in view(pilot).prompt.offers())
        await pilot.press("tab", "enter")
        await until(pilot, lambda: names(pilot) == {"spring-sale"})
        app.action_view("failures")
        await shown(pilot)
        await pilot.press("slash", *"kind:unc")
        assert view(pilot).prompt.offers() == ["kind:uncertain"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {"550 5.1.1 user unknown": 9, "452 4.2.2 mailbox full": 1, "connection lost": 1}),
        ("since:1h", {"550 5.1.1 user unknown": 5, "connection lost": 1}),
        ("age:>1h", {"550 5.1.1 user unknown": 4, "452 4.2.2 mailbox full": 1}),
        ("campaign:OTHER", {"550 5.1.1 user unknown": 2}),
        ("-queue:smtp-eu-2 kind:hard since:1h", {"550 5.1.1 user unknown": 3}),
        ("kind:soft,uncertain", {"452 4.2.2 mailbox full": 1, "connection lost": 1}),
        ("error:~mailbox", {"550 5.1.1 user unknown": 9, "452 4.2.2 mailbox full": 1}),
        ("error:45*", {"452 4.2.2 mailbox full": 1}),
        ('"connection"', {"connection lost": 1}),
    ],
)
async def test_a_filter_of_failures(failing: World, link: RecordingLink, text: str, found: dict[str, int]) -> None:
    async with console(failing, link).run_test(size=(120, 24)) as pilot:
        await opened(pilot, "4", text)
        assert {row["error_key"]: row["n"] for row in view(pilot).data["rows"]} == found
        of = f"{len(found)} of 3 groups" if text else "3 groups"
        n = sum(found.values())
        assert crumb(pilot).endswith(f" {of}, {n} job{'' if n == 1 else 's'}")


@pytest.mark.parametrize(
    ("text", "taken"),
    [("kind:hard", 9), ("kind:hard since:1h", 5), ("kind:hard campaign:letters since:1h", 3)],
)
async def test_a_retry_of_a_group_and_its_jobs_are_those_that_the_filter_lets_through(
    failing: World, link: RecordingLink, text: str, taken: int
) -> None:
    async with console(failing, link).run_test(size=(120, 40)) as pilot:
        app = await opened(pilot, "4", text)
        await pilot.press("R")
        assert f"Retry {taken} jobs of this reason" in await asked(pilot)
        await pilot.press("y")
        await until(pilot, lambda: any(call[0] == "job.retry" for call in link.calls))
        args = next(call[1] for call in link.calls if call[0] == "job.retry")
        narrowed = text.removeprefix("kind:hard").strip()
        assert args["filter"] == f'error:"550 5.1.1 user unknown" {narrowed}'.strip()
        retried = {id for id, _, _ in args["seen"]}
        assert len(retried) == taken
        await until(pilot, lambda: isinstance(app.screen, WholeFilteredScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen) and bool(app.view and app.view.data))
        assert app.view is not None
        assert {row["id"] for row in app.view.data} == retried


async def test_frozen_a_filter_that_comes_again_is_read_again(failing: World, link: RecordingLink) -> None:
    async with console(failing, link).run_test(size=(80, 24)) as pilot:
        await opened(pilot, "4")
        await pilot.press("f")
        for text, n in (("kind:soft", 1), ("since:1h", 2), ("kind:soft", 1), ("", 3)):
            view(pilot).narrow(text)
            await until(pilot, lambda n=n: len(view(pilot).data["rows"]) == n)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "keys",
    [
        # Home: which row the cursor follows depends on how much of the filter stood there at each look.
        ("2", "slash", *"state:active,recent -state:draft", "enter", "home"),
        ("4", "slash", *"since:24h kind:hard,soft", "enter", "home"),
    ],
    ids=["campaigns", "failures"],
)
def test_filtered(draws: Compare, keys: tuple[str, ...], size: tuple[int, int]) -> None:
    assert draws(*keys, size=size)


@pytest.mark.parametrize(
    ("key", "nothing", "hint"),
    [("2", "No campaign yet: A makes one.", "A new campaign"), ("3", "There are no jobs yet.", "A new job")],
)
async def test_an_empty_list_says_how_to_begin_and_offers_nothing_that_needs_a_row(
    world: World, link: RecordingLink, key: str, nothing: str, hint: str
) -> None:
    async with console(world, link).run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await pilot.press(key)
        await until(pilot, lambda: nothing in pilot.app.screen.query_one("#head", Lines).text)
        await until(pilot, lambda: hint in hints(pilot))
        assert "mark" not in hints(pilot)
        assert "enter" not in hints(pilot)
