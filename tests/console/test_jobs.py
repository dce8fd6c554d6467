"""View 3: the list over keyset pages, the filter prompt, marks, and a retry of many with its set fixed when asked."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from storage.errors import PacelineError
from storage.model import MINUTE, SECOND
from storage.reader import Reader
from tests.console.looking import SIZES, Compare, answered, asked, console, looking, message, shown, until
from tests.console.world import NOON, SENT, UNKNOWN, RecordingLink, World, acted
from tui.bulk import FIX
from tui.console import PacelineApp
from tui.screens.confirm import ConfirmScreen
from tui.screens.copy_menu import entries
from tui.screens.job_pane import WIDE, JobPane
from tui.screens.jobs import AllJobsScreen
from tui.screens.left import LeftScreen
from tui.screens.marks import Marks
from tui.screens.windowed import WindowedScreen
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

MANY = 1_500
FAILED = 130


@pytest.fixture(scope="module")
def long_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """1,500 jobs: the first 130 failed, the next 20 sent, the others still to come."""
    world = World(tmp_path_factory.mktemp("long"))
    world.clock.at = NOON - 60 * MINUTE
    world.campaign("letters", 1_000)
    world.campaign("other", 500, account="smtp-eu-2")
    world.send("smtp-eu-1", [UNKNOWN] * FAILED + [SENT] * 20, step=2 * SECOND)
    world.clock.at = NOON
    yield world
    world.close()


def jobs(app: PacelineApp) -> AllJobsScreen:
    assert isinstance(app.view, AllJobsScreen)
    return app.view


def grid(app: PacelineApp) -> Grid:
    return jobs(app).query_one(Grid)


def crumb(app: PacelineApp) -> str:
    return jobs(app).query_one("#crumb", Lines).text


async def opened(pilot: Pilot[int]) -> PacelineApp:
    await shown(pilot)
    await pilot.press("3")
    app = pilot.app
    assert isinstance(app, PacelineApp)
    await until(pilot, lambda: isinstance(app.view, AllJobsScreen) and grid(app).current is not None)
    return app


async def filtered(pilot: Pilot[int], text: str, *, count: str) -> None:
    app = pilot.app
    assert isinstance(app, PacelineApp)
    jobs(app).narrow(text)
    await until(pilot, lambda: jobs(app).data_token == jobs(app).token())
    await until(pilot, lambda: crumb(app).startswith(f" Jobs  {text}") and f" {count} of " in crumb(app))


@asynccontextmanager
async def listed(
    world: World, link: RecordingLink, text: str = "", *, count: str = "", **options: Any
) -> AsyncIterator[tuple[PacelineApp, Pilot[int]]]:
    """The list of jobs, or of those that the filter lets through: so many."""
    async with looking(world, link, **options) as (app, pilot):
        await opened(pilot)
        if text:
            await filtered(pilot, text, count=count)
        yield app, pilot


async def at(pilot: Pilot[int], id: int) -> None:
    app = pilot.app
    assert isinstance(app, PacelineApp)
    await until(pilot, lambda: grid(app).current is not None and grid(app).current["id"] == id)


# the list


async def test_end_and_top_show_the_last_and_the_first_job_of_many(long_world: World, link: RecordingLink) -> None:
    async with listed(long_world, link) as (app, pilot):
        await at(pilot, 1)
        await pilot.press("G")
        await at(pilot, MANY)
        assert str(MANY) in grid(app).text.splitlines()[-1]
        assert len(jobs(app).rows()) <= 400
        await pilot.press("g")
        await at(pilot, 1)


async def test_paging_walks_through_every_job_once(long_world: World, link: RecordingLink) -> None:
    async with listed(long_world, link) as (app, pilot):
        seen = [grid(app).current["id"]]
        for _ in range(90):
            await pilot.press("pagedown")
            await pilot.pause(0.02)
            seen.append(grid(app).current["id"])
        assert seen[-1] == MANY
        assert all(later > before for before, later in itertools.pairwise(seen) if before != MANY)


async def test_the_cursor_follows_its_job_when_the_order_turns(long_world: World, link: RecordingLink) -> None:
    async with listed(long_world, link, "id:>200", count="1,300") as (app, pilot):
        await pilot.press(*"jjjj")
        assert grid(app).current["id"] == 205
        await pilot.press("S")
        await until(pilot, lambda: "by id down" in crumb(app) and jobs(app).rows()[0]["id"] > 205)
        assert grid(app).current["id"] == 205
        await pilot.press("s")
        await until(pilot, lambda: "by due" in crumb(app))
        assert grid(app).current["id"] == 205


async def test_an_order_says_what_it_leaves_out(long_world: World, link: RecordingLink) -> None:
    async with listed(long_world, link, size=(120, 40)) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: "1,350 of 1500  by due  waiting only" in crumb(app))
        assert {row["state"] for row in jobs(app).rows()} == {"pending"}
        await pilot.press("s")
        await until(pilot, lambda: "150 of 1500  by tried down  tried only" in crumb(app))
        await pilot.press("g")
        await at(pilot, 150)
        await filtered(pilot, "state:failed", count="130")
        assert jobs(app).orders() == ["id", "tried", "changed"]
        await filtered(pilot, "state:sent", count="20")
        assert jobs(app).orders() == ["id", "tried"]


async def test_the_place_in_the_whole_is_told_and_estimated_where_it_is_not_counted(
    long_world: World, link: RecordingLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listed(long_world, link) as (app, pilot):
        assert "row 1  1500 jobs" in crumb(app)
        await pilot.press("G")
        await at(pilot, MANY)
        assert "row 1,500  1500 jobs" in crumb(app)
        monkeypatch.setattr("storage.jobs_page.COUNT_LIMIT", 1_000)
        await pilot.press("g")
        await at(pilot, 1)
        await pilot.press("G")
        await until(pilot, lambda: "row ~150" in crumb(app))


async def test_frozen_rows_that_left_stay_and_say_so_and_new_ones_are_counted(
    five: World, link: RecordingLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listed(five, link, "state:pending", count="5") as (app, pilot):
        await pilot.press("j", "f")
        await asyncio.to_thread(five.send, "smtp-eu-1", [SENT, SENT], step=2 * SECOND)
        await until(pilot, lambda: "0 changed, 0 new, 2 gone while frozen" in message(app))
        assert [row["id"] for row in jobs(app).rows()] == [1, 2, 3, 4, 5]
        assert grid(app).text.count("gone") == 2
        assert grid(app).current["id"] == 2
        await asyncio.to_thread(five.campaign, "more", 3, account="smtp-eu-2")
        await until(pilot, lambda: "0 changed, 3 new, 2 gone while frozen" in message(app))
        assert len(jobs(app).rows()) == 5
        # News of others may take the line of what was said before anybody looks at it.
        said: list[str] = []
        say = app.say
        monkeypatch.setattr(app, "say", lambda text, *more: (said.append(text), say(text, *more)))
        await pilot.press("f")
        await until(pilot, lambda: [row["id"] for row in jobs(app).rows()] == [3, 4, 5, 6, 7, 8])
        assert "caught up: 0 changed, 3 new, 2 gone" in said
        assert "gone" not in grid(app).text


async def test_frozen_before_a_filter_was_read_its_rows_come_once_and_are_looked_after(
    five: World, link: RecordingLink
) -> None:
    await asyncio.to_thread(five.send, "smtp-eu-1", [SENT, SENT], step=2 * SECOND)
    async with listed(five, link) as (app, pilot):
        await until(pilot, lambda: len(jobs(app).rows()) == 5)
        jobs(app).narrow("state:pending")
        app.action_freeze()
        await until(pilot, lambda: [row["id"] for row in jobs(app).rows()] == [3, 4, 5])
        await asyncio.to_thread(five.send, "smtp-eu-1", [SENT], step=2 * SECOND)
        await until(pilot, lambda: "0 changed, 0 new, 1 gone while frozen" in message(app))


async def test_beside_a_wide_list_stands_the_job_that_the_cursor_rests_on(
    long_world: World, link: RecordingLink
) -> None:
    async with listed(long_world, link, size=(150, 40)) as (app, pilot):
        pane = jobs(app).query_one(JobPane)
        await until(pilot, lambda: "JOB 1" in pane.text and "550 5.1.1" in pane.text)
        await pilot.press("G")
        await until(pilot, lambda: f"JOB {MANY}" in pane.text and "none yet" in pane.text)
        assert grid(app).size.width + pane.size.width == 150
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: grid(app).size.width == 120)
        assert not pane.display


async def test_a_count_that_takes_long_is_ended_by_esc(
    long_world: World, link: RecordingLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS n FROM n"
    monkeypatch.setitem(FIX, "jobs.retry", lambda reader, now, row: reader.rows(endless))
    async with listed(long_world, link) as (app, pilot):
        await pilot.press("asterisk", "R")
        await until(pilot, lambda: app.counting is not None)
        await pilot.press("j")
        assert grid(app).current["id"] == 2
        await until(pilot, lambda: _ended(app))
        assert link.calls == []


def _ended(app: PacelineApp) -> bool:
    """Presses esc until the count has ended: a statement that has not begun yet cannot be ended."""
    app.stop_counting()
    return "nothing was changed: esc ended the count" in message(app)


@pytest.fixture
def five(world: World) -> World:
    world.clock.at = NOON - 5 * MINUTE
    world.campaign("letters", 5)
    return world


async def test_the_cursor_follows_its_job_through_live_changes(five: World, link: RecordingLink) -> None:
    async with listed(five, link, "state:pending", count="5") as (app, pilot):
        await pilot.press("j", "j")
        assert grid(app).current["id"] == 3
        await asyncio.to_thread(five.send, "smtp-eu-1", [SENT, SENT], step=2 * SECOND)
        await until(pilot, lambda: [row["id"] for row in jobs(app).rows()] == [3, 4, 5])
        assert grid(app).current["id"] == 3


async def test_enter_opens_the_job_and_esc_leads_back_to_its_row(long_world: World, link: RecordingLink) -> None:
    async with listed(long_world, link) as (app, pilot):
        await pilot.press("j", "enter")
        await until(pilot, lambda: app.view is not None and app.view.crumb() == "Jobs > job 2")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.view, AllJobsScreen))
        assert grid(app).current["id"] == 2


# the filter


async def test_the_filter_narrows_while_it_is_typed_and_esc_puts_the_previous_one_back(
    long_world: World, link: RecordingLink
) -> None:
    async with listed(long_world, link, "state:failed", count="130") as (app, pilot):
        await pilot.press("slash", *" id:<10")
        await until(pilot, lambda: "9 of 1500" in crumb(app))
        assert "state:failed id:<10" in jobs(app).prompt.text
        await pilot.press("escape")
        await until(pilot, lambda: "130 of 1500" in crumb(app))
        assert crumb(app).startswith(" Jobs  state:failed ")
        await pilot.press("slash", *" id:<5", "enter")
        await until(pilot, lambda: "4 of 1500" in crumb(app))
        await pilot.press("escape")
        await until(pilot, lambda: "1500 jobs" in crumb(app))


async def test_a_filter_that_does_not_parse_keeps_the_rows_and_turns_the_actions_off(
    long_world: World, link: RecordingLink
) -> None:
    async with listed(long_world, link, "state:failed", count="130") as (app, pilot):
        await pilot.press("slash", *" tyr:3", "enter")
        await until(pilot, lambda: "does not parse" in crumb(app))
        assert "column 14: there is no field 'tyr' - did you mean 'try:'?" in message(app)
        assert {row["state"] for row in jobs(app).rows()} == {"failed"}
        await pilot.press("R")
        await until(pilot, lambda: "retry is off: the filter does not parse" in message(app))
        await pilot.press("space", "R")
        await until(pilot, lambda: "retry marked is off: the filter does not parse" in message(app))
        assert link.calls == []
        await pilot.press("escape")
        await until(pilot, lambda: crumb(app).startswith(" Jobs  state:failed "))


async def test_a_filter_can_be_completed(long_world: World, link: RecordingLink) -> None:
    async with listed(long_world, link) as (app, pilot):
        await pilot.press("slash", *"sta", "tab", *"fai", "tab", "enter")
        await until(pilot, lambda: "130 of 1500" in crumb(app))
        assert crumb(app).startswith(" Jobs  state:failed ")


async def test_one_key_shows_only_faults_and_all_again(long_world: World, link: RecordingLink) -> None:
    async with listed(long_world, link) as (app, pilot):
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: "130 of 1500" in crumb(app))
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: "1500 jobs" in crumb(app))


# marks


def test_all_then_what_is_in_sight_then_none() -> None:
    marks = Marks()
    marks.turn([1, 2])
    assert (marks.all, marks.ids) == (True, set())
    marks.turn([1, 2])
    assert (marks.all, marks.ids) == (False, {1, 2})
    marks.turn([1, 2])
    assert not marks.any


def test_a_range_grows_and_shrinks_and_keeps_what_was_marked_before() -> None:
    rows = [{"id": id} for id in range(10, 20)]
    marks = Marks()
    marks.flip(19)
    marks.begin_range(12)
    marks.reach(rows, 5)
    assert marks.ids == {12, 13, 14, 15, 19}
    marks.reach(rows, 1)
    assert marks.ids == {11, 12, 19}
    marks.end_range()
    marks.reach(rows, 9)
    assert marks.ids == {11, 12, 19}


def test_only_what_was_done_loses_its_mark() -> None:
    marks = Marks()
    for id in (1, 2, 3):
        marks.flip(id)
    marks.done({1, 2}, {3})
    assert marks.ids == {3}
    marks.all = True
    marks.done({1, 2}, set())
    assert not marks.any


async def test_marks_follow_ids_and_those_that_a_filter_hides_are_told(long_world: World, link: RecordingLink) -> None:
    async with listed(long_world, link) as (app, pilot):
        await pilot.press("space", "space")
        assert grid(app).current["id"] == 3
        assert " *1 " in grid(app).text.splitlines()[0]
        await pilot.press("v", "j", "j")
        assert "range: move" in message(app)
        await pilot.press("v")
        assert message(app).strip() == ""
        assert jobs(app).marks.ids == {1, 2, 3, 4, 5}
        assert "5 marked" in crumb(app)
        await filtered(pilot, "id:4..900", count="897")
        await until(pilot, lambda: "5 marked 3 hid" in crumb(app))
        await pilot.press("u")
        assert "marked" not in crumb(app)


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        (("space", "j", "space"), "1 3"),
        (("slash", *"state:failed -to:x", "enter", "asterisk"), "--filter 'state:failed -to:x'"),
        (("asterisk",), "--filter 'id:>0'"),
    ],
    ids=["by hand", "by a filter", "all there are"],
)
async def test_the_command_of_marked_jobs_is_for_these_and_no_others(
    long_world: World, link: RecordingLink, keys: tuple[str, ...], chosen: str
) -> None:
    async with listed(long_world, link) as (app, pilot):
        await pilot.press(*keys)
        commands = dict(entries(jobs(app).targets(), app.situation()))
        assert commands["command: retry marked"] == f"paceline job retry {chosen}"
        assert commands["command: cancel marked"] == f"paceline job cancel {chosen}"


# acting


def calls(link: RecordingLink) -> list[int]:
    return [len(args["seen"]) for action, args in link.calls if action == "job.retry"]


def asked_for(link: RecordingLink) -> list[int]:
    return [id for _, args in link.calls for id, _, _ in args["seen"]]


async def test_one_marked_job_is_retried_without_a_question(long_world: World, link: RecordingLink) -> None:
    async with listed(long_world, link) as (app, pilot):
        await pilot.press("space", "R")
        await until(pilot, lambda: "ok: retry marked: 1 done" in message(app))
        assert link.calls[0][1]["seen"] == [(1, "failed", 1)]
        assert not jobs(app).marks.any


async def test_a_few_marked_ones_are_asked_about_with_what_is_left_out(long_world: World, link: RecordingLink) -> None:
    async with listed(long_world, link, "id:128..140", count="13") as (app, pilot):
        await pilot.press("v", *"jjjjjj", "v", "R")
        text = await asked(pilot)
        assert "Retry 3 jobs on dev?" in text
        assert "states    3 failed" in text
        assert "4 neither failed nor held" in text
        await pilot.press("enter")
        await answered(pilot)
        assert link.calls == []
        await pilot.press("R")
        await asked(pilot)
        await pilot.press("y")
        await until(pilot, lambda: "ok: retry marked: 3 done" in message(app))
        assert asked_for(link) == [128, 129, 130]


async def test_all_that_match_want_the_number_typed_and_are_fixed_when_asked(
    long_world: World, link: RecordingLink
) -> None:
    async with listed(long_world, link, "campaign:letters", count="1,000") as (app, pilot):
        await pilot.press("asterisk")
        assert "1,000 marked all" in crumb(app)
        assert "*" in grid(app).text
        await pilot.press("R")
        text = await asked(pilot)
        assert "Retry 130 jobs on dev?" in text
        assert "campaign:letters (fixed at 14:02:00Z)" in text
        assert "870 neither failed nor held" in text
        await pilot.press("y", "enter")
        assert link.calls == []
        await pilot.press("backspace", "tab", *"130", "enter")
        await until(pilot, lambda: "ok: retry marked: 130 done" in message(app))
        assert calls(link) == [130]
        assert link.calls[0][1]["spread"] == 30 * MINUTE
        assert not jobs(app).marks.any


async def test_a_large_set_goes_in_parts_and_what_was_left_alone_keeps_its_mark_and_is_shown(
    long_world: World, link: RecordingLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.bulk.PART", 50)
    parts = iter([acted(50), acted(48, (60, True, "it is pending now"), (61, False, "no")), acted(30)])
    link.on_call = lambda action, args: link.answers.update({"job.retry": next(parts)})
    async with listed(long_world, link) as (app, pilot):
        await pilot.press("asterisk", "R")
        await asked(pilot)
        await pilot.press(*"130", "enter")
        await until(pilot, lambda: calls(link) == [50, 50, 30])
        text = await asked(pilot)
        assert "128 done, 1 changed state meanwhile, 1 refused" in text
        assert "1 it is pending now" in text
        assert [args["offset"] for _, args in link.calls] == [0, 50, 100]
        assert {args["total"] for _, args in link.calls} == {130}
        assert jobs(app).marks.ids == {60, 61}
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.view, LeftScreen) and app.view.data is not None)
        assert "61" in app.view.query_one(Grid).text
        assert "it is pending now" in app.view.query_one(Grid).text


async def test_a_retry_in_a_paused_campaign_says_that_it_waits(long_world: World, link: RecordingLink) -> None:
    note = "letters is paused: they wait for its resume"
    link.answers["job.retry"] = {**acted(1), "notes": [note]}
    async with listed(long_world, link) as (app, pilot):
        await pilot.press("space", "R")
        await until(pilot, lambda: f"ok: retry marked: 1 done; {note}" in message(app))


async def test_an_act_that_is_cut_short_tells_what_was_done_until_then(
    long_world: World, link: RecordingLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.bulk.PART", 100)
    parts = iter([acted(100), PacelineError("the engine does not answer")])
    link.on_call = lambda action, args: link.answers.update({"job.retry": next(parts)})
    async with listed(long_world, link) as (app, pilot):
        await pilot.press("asterisk", "R")
        await asked(pilot)
        await pilot.press(*"130", "enter")
        await until(pilot, lambda: "100 done; then: the engine does not answer" in message(app))
        assert app.undos.open(NOON)[0].args == {"events": [41]}


async def test_marked_jobs_that_wait_are_cancelled_and_can_be_taken_back(
    long_world: World, link: RecordingLink
) -> None:
    async with listed(long_world, link, "id:129..154", count="26") as (app, pilot):
        await pilot.press("asterisk", "X")
        text = await asked(pilot)
        assert "Cancel 4 jobs on dev?" in text
        assert "22 not open" in text
        await pilot.press(*"4", "enter")
        await until(pilot, lambda: "ok: cancel marked: 4 done" in message(app))
        assert asked_for(link) == [151, 152, 153, 154]
        await pilot.press("z")
        assert "Undo 'cancel marked (4 jobs)'" in await asked(pilot)
        await pilot.press("y")
        await until(pilot, lambda: link.calls[-1] == ("job.undo", {"events": [41]}))


async def test_one_job_that_waits_is_cancelled_after_a_yes(long_world: World, link: RecordingLink) -> None:
    async with listed(long_world, link) as (app, pilot):
        await pilot.press("X")
        await until(pilot, lambda: "job 1 is failed: there is nothing to cancel" in message(app))
        await filtered(pilot, "id:151", count="1")
        await until(pilot, lambda: grid(app).current["id"] == 151)
        await pilot.press("X")
        assert "Cancel job 151 on dev?" in await asked(pilot)
        await pilot.press("y")
        await until(pilot, lambda: link.calls == [("job.cancel", {"seen": [[151, "pending", 0]]})])


async def test_a_line_names_a_set_by_filter_which_is_counted_first(long_world: World, link: RecordingLink) -> None:
    async with looking(long_world, link, size=(120, 40)) as (_, pilot):
        await pilot.press("colon", *'job retry --filter "id:<104 state:failed" --spread 2h', "enter")
        text = await asked(pilot)
        assert "Retry 103 jobs on dev?" in text
        assert "over 2h" in text
        await pilot.press(*"103", "enter")
        await until(pilot, lambda: calls(link) == [103])
        assert link.calls[0][1]["spread"] == 120 * MINUTE
        assert link.calls[0][1]["filter"] == "id:<104 state:failed"


async def test_marks_that_hold_nothing_to_retry_are_told_so(long_world: World, link: RecordingLink) -> None:
    async with listed(long_world, link, "state:sent", count="20") as (app, pilot):
        await pilot.press("asterisk", "R")
        await until(pilot, lambda: "there is nothing to do: 20 neither failed nor held" in message(app))
        assert link.calls == []


async def test_read_only_refuses_to_retry_the_marked(long_world: World, link: RecordingLink) -> None:
    async with listed(long_world, link, read_only=True) as (app, pilot):
        await pilot.press("space", "R")
        await until(pilot, lambda: "retry marked is off: read-only" in message(app))
        assert link.calls == []


# pictures

ALL = [*SIZES, pytest.param((200, 50), id="200x50")]
PICTURES: dict[str, tuple[str, ...]] = {
    "all": (),
    "marked": ("j", "space", "space", "v", "j", "j"),
    "faults": ("exclamation_mark",),
    "prompt": ("slash", *"state:failed,ret"),
    "broken": ("slash", *"state:fialed", "enter"),
    "confirm": ("exclamation_mark", "asterisk", "R"),
    "cancel": ("asterisk", "X"),
    "result": ("exclamation_mark", "asterisk", "R", *"13", "enter"),
    "columns": ("c", "j", "j"),
    "aside": ("l", "l"),
}


def asked_text(app: PacelineApp) -> str:
    return app.screen.query_one("#dialog", Lines).text if isinstance(app.screen, ConfirmScreen) else ""


@pytest.mark.parametrize("size", ALL)
def test_picture_frozen(five: World, link: RecordingLink, snap_compare: Compare, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[int]) -> None:
        app = await opened(pilot)
        await filtered(pilot, "state:pending", count="5")
        await pilot.press("j")
        if size[0] >= WIDE:
            # It is read when the cursor rests: before anything of it changes.
            await until(pilot, lambda: "JOB 2" in jobs(app).query_one(JobPane).text)
        await pilot.press("f")
        await asyncio.to_thread(five.send, "smtp-eu-1", [SENT, SENT], step=2 * SECOND)
        await asyncio.to_thread(five.campaign, "more", 3, account="smtp-eu-2")
        await until(pilot, lambda: "3 new, 2 gone while frozen" in message(app))
        await until(pilot, lambda: "run 2" in jobs(app).query_one("#status", Lines).text)

    assert snap_compare(console(five, link), terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", ALL)
@pytest.mark.parametrize("picture", PICTURES)
def test_picture(
    busy_world: World,
    link: RecordingLink,
    snap_compare: Compare,
    monkeypatch: pytest.MonkeyPatch,
    picture: str,
    size: tuple[int, int],
) -> None:
    if picture == "broken":
        # What is typed half-way is a filter too: without this it depends on the machine whether one was kept.
        monkeypatch.setattr("tui.screens.filtered.DEBOUNCE", 60.0)
    if picture == "result":
        link.answers["job.retry"] = acted(11, (70, True, "it is pending now"), (75, False, "its campaign is cancelled"))

    async def before(pilot: Pilot[int]) -> None:
        app = await opened(pilot)
        view = jobs(app)
        for key in PICTURES[picture]:
            await pilot.press(key)
            if key == "R":
                await asked(pilot)
            if key == "exclamation_mark":
                await until(pilot, lambda: " of " in crumb(app) and view.token()[1].filter.terms != ())
        if picture in ("prompt", "broken"):
            await until(pilot, lambda: bool(view.broken))
        if picture in ("confirm", "cancel"):
            await asked(pilot)
        if picture == "result":
            await until(pilot, lambda: bool(link.calls) and "changed state meanwhile" in asked_text(app))
        if size[0] >= WIDE:
            await until(pilot, lambda: "JOB" in view.query_one(JobPane).text)

    assert snap_compare(console(busy_world, link), terminal_size=size, run_before=before)


def test_the_world_of_these_tests_is_what_it_says(long_world: World) -> None:
    with Reader(long_world.database) as reader:
        counts = reader.counts()
    assert (counts["failed"], counts["completed"], sum(counts.values()) - counts["retry"]) == (FAILED, 20, MANY)


@pytest.mark.parametrize("keys", [("3",), ("2", "enter", "r")], ids=["jobs", "recipients"])
async def test_a_taller_terminal_reads_more_for_the_open_view_and_none_for_the_list_below(
    busy_world: World, keys: tuple[str, ...]
) -> None:
    async with looking(busy_world, RecordingLink()) as (app, pilot):
        await shown(pilot)
        for key in keys:
            await pilot.press(key)
            await shown(pilot)
        below = app.view
        assert isinstance(below, WindowedScreen)
        before = below._half
        await pilot.resize_terminal(120, 60)
        await until(pilot, lambda: below._half > before)
        await pilot.press("enter")
        await shown(pilot)
        opened = app.view
        assert opened is not None and opened is not below
        await pilot.resize_terminal(120, 90)
        await until(pilot, lambda: opened.size.height == 90)
        assert app.feed._watched is not None
        assert app.feed._watched[0] == opened.token()
