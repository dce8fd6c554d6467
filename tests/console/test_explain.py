"""`x`: why a job, a campaign or a queue does not run now: every gate, the one that holds, and what opens it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from textual.pilot import Pilot

from tests.console.looking import SIZES, Compare, console, cursor_on, go, looking, message, shown, until
from tests.console.world import RecordingLink, World
from tui.screens.explain import ExplainScreen
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

LIMITS = {
    "caps": ["60/min", "50/h", "400/day calendar"],
    "min_gap": "2s",
    "window": {"hours": "mon-fri 08:00-18:00", "zone": "Europe/Berlin", "holidays": []},
    "warmup": {"start": 80, "step": 10, "ceiling": 200},
    "zone": "Europe/Berlin",
}


@pytest.fixture
def limited(busy_world: World) -> Iterator[World]:
    """The busy world behind a queue with every limit there is; afterwards it is again as other tests know it."""
    queue = busy_world.run(busy_world.store.get_queue("smtp-eu-1"))
    busy_world.run(busy_world.store.set_limits(queue.id, LIMITS))
    yield busy_world
    busy_world.run(busy_world.store.set_limits(queue.id, {}))


def lines(pilot: Pilot[int]) -> list[str]:
    grid = pilot.app.screen.query_one(Grid)
    source = grid._source
    return ["".join(text for text, _ in source.line(i, 118)) for i in range(source.count())]


async def on_row(pilot: Pilot[int], view: str, name: str) -> None:
    await go(pilot, view)
    await cursor_on(pilot, name)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("view", "name"), [("2", "newsletter-38"), ("6", "smtp-eu-1"), ("6", "smtp-eu-2")])
def test_picture(
    limited: World, link: RecordingLink, snap_compare: Compare, view: str, name: str, size: tuple[int, int]
) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await shown(pilot)
        await on_row(pilot, view, name)
        await go(pilot, "x")

    assert snap_compare(console(limited, link), terminal_size=size, run_before=before)


async def test_a_job_is_explained_from_the_list_and_on_its_own_page(limited: World, link: RecordingLink) -> None:
    async with looking(limited, link, "3") as (app, pilot):
        await until(pilot, lambda: pilot.app.screen.query_one(Grid).current is not None)
        await go(pilot, "x")
        assert isinstance(app.view, ExplainScreen)
        assert app.view.data["answer"]["job"] == app.view.data["row"]["id"]
        await go(pilot, "escape", "enter", "x")
        assert isinstance(app.view, ExplainScreen)


@pytest.mark.parametrize(
    ("line", "crumb"),
    [("campaign explain receipts", "Why > receipts"), ("queue explain smtp-eu-2", "Why > smtp-eu-2"),
     ("job explain 5", "Why > job 5")],
)  # fmt: skip
async def test_a_line_of_the_prompt_explains(limited: World, link: RecordingLink, line: str, crumb: str) -> None:
    async with looking(limited, link, read_only=True) as (app, pilot):
        await pilot.press("colon")
        await until(pilot, lambda: app.view is not None and app.view.prompt.is_open)
        app.view.prompt._set(line, len(line))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.view, ExplainScreen) and app.view.data is not None)
        assert app.view.crumb() == crumb


async def test_a_queue_tells_its_campaigns_and_enter_explains_one(limited: World, link: RecordingLink) -> None:
    async with looking(limited, link) as (app, pilot):
        await on_row(pilot, "6", "smtp-eu-1")
        await go(pilot, "x")
        assert any(line.startswith("newsletter-38") for line in lines(pilot))
        await go(pilot, "G", "enter")
        assert app.view.crumb() in ("Why > newsletter-38", "Why > receipts")


async def test_the_key_that_it_names_opens_the_gate(limited: World, link: RecordingLink) -> None:
    async with looking(limited, link) as (app, pilot):
        await on_row(pilot, "2", "spring-sale")
        await go(pilot, "x")
        held = app.view.data["answer"]["holding"]
        assert held["needs_person"]
        assert "P resume" in " ".join(lines(pilot))
        await pilot.press("P", "y")
        await until(pilot, lambda: any(call[0] == "campaign.resume" for call in link.calls))


async def test_what_has_ended_says_what_became_of_it(limited: World, link: RecordingLink) -> None:
    async with looking(limited, link) as (app, pilot):
        await on_row(pilot, "2", "winback")
        await go(pilot, "x")
        assert [line.strip() for line in lines(pilot)] == ["WHY    done (Dec 30 14:02Z)"]
        assert not message(app).startswith("x:")


@pytest.mark.parametrize(("keys", "place"), [((), "#why"), (("enter",), "#overview")])
async def test_a_long_sentence_goes_on_below_to_what_helps(
    limited: World, link: RecordingLink, keys: tuple[str, ...], place: str
) -> None:
    async with looking(limited, link) as (app, pilot):
        await on_row(pilot, "2", "spring-sale")
        await go(pilot, *keys)
        last = app.screen.query_one(place, Lines).text.splitlines()[-1]
        assert last.endswith("P resume") and not last.startswith(" WHY")


@pytest.fixture
def untouched(world: World) -> World:
    """A campaign through an account that no engine has served yet."""
    world.config_path.write_text(world.config_path.read_text() + 'caps = ["7/h"]\n')
    world.campaign("letters", 3, account="smtp-eu-2")
    return world


async def test_an_account_that_no_engine_has_served_is_told_by_its_configuration(
    untouched: World, link: RecordingLink
) -> None:
    async with looking(untouched, link) as (_, pilot):
        await on_row(pilot, "2", "letters")
        await go(pilot, "x")
        assert "cap 0/7 h" in " ".join(lines(pilot))
