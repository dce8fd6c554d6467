"""Every control by its key: what is asked of the engine, what is asked of the operator, what is refused and why."""

from __future__ import annotations

import asyncio

import pytest

from storage.errors import RefusedError
from storage.model import SECOND
from tests.console.looking import answered, asked, console, cursor_on, go, looking, message, until
from tests.console.world import NOON, RecordingLink, World
from tui.link import EMBEDDED, LOST, LinkState
from tui.screens.confirm import ConfirmScreen
from tui.screens.job import JobScreen
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines


async def test_p_pauses_at_once_without_a_question(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, "2") as (app, pilot):
        await cursor_on(pilot, "newsletter-38")
        await pilot.press("p")
        await until(pilot, lambda: bool(link.calls))
        assert link.calls == [("campaign.pause", {"name": "newsletter-38"})]
        await until(pilot, lambda: "ok:" in message(app))


async def test_resume_of_a_guarded_pause_always_asks_with_its_reason(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, "2") as (_, pilot):
        await cursor_on(pilot, "spring-sale")
        await pilot.press("P")
        text = await asked(pilot)
        assert "hard bounces 5.2% > 5%" in text
        await pilot.press("enter")
        await answered(pilot)
        assert link.calls == []
        await pilot.press("P")
        await asked(pilot)
        await pilot.press("y")
        await until(pilot, lambda: bool(link.calls))
        assert link.calls[0][0] == "campaign.resume"
        assert link.calls[0][1]["name"] == "spring-sale"


async def test_the_key_of_start_and_resume_says_that_a_running_campaign_runs(
    busy_world: World, link: RecordingLink
) -> None:
    async with looking(busy_world, link, "2") as (app, pilot):
        await cursor_on(pilot, "newsletter-38")
        await pilot.press("P")
        await until(pilot, lambda: bool(message(app)))
        assert message(app).strip() == "resume is off: newsletter-38 is running already: nothing to resume"
        assert link.calls == []


async def test_start_shows_the_plan_of_a_dry_run_before_it_begins(busy_world: World, link: RecordingLink) -> None:
    link.answers["campaign.start"] = {
        "queued": 12, "message": "12 messages would be scheduled", "estimated_completion": NOON + 600 * SECOND,
    }  # fmt: skip
    async with looking(busy_world, link, "2") as (_, pilot):
        await cursor_on(pilot, "reminder-q3")
        await pilot.press("P")
        text = await asked(pilot)
        assert "12 messages would be scheduled" in text
        assert "about 14:12Z" in text
        await pilot.press("y")
        await until(pilot, lambda: len(link.calls) == 2)
        assert link.calls[0][1]["dry_run"] is True
        assert "dry_run" not in link.calls[1][1]


async def test_a_refused_start_says_why_and_what_to_do(busy_world: World, link: RecordingLink) -> None:
    link.answers["campaign.start"] = RefusedError("12 addresses are not on the allow-list", hint="make it live")
    async with looking(busy_world, link, "2") as (app, pilot):
        await cursor_on(pilot, "reminder-q3")
        await pilot.press("P")
        await until(pilot, lambda: "allow-list" in message(app))
        assert "make it live" in message(app)


async def test_cancel_of_a_campaign_that_has_sent_needs_its_name_typed(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, "2") as (app, pilot):
        await cursor_on(pilot, "spring-sale")
        await pilot.press("X")
        assert "Type spring-sale" in await asked(pilot)
        await pilot.press("y", "enter")
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("backspace", *"spring", "minus", *"sale", "enter")
        await until(pilot, lambda: bool(link.calls))
        assert link.calls[0][0] == "campaign.cancel"


async def test_z_takes_the_last_pause_back_after_a_question(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, "2") as (app, pilot):
        await cursor_on(pilot, "newsletter-38")
        await pilot.press("p")
        await until(pilot, lambda: "ok:" in message(app))
        await pilot.press("z")
        assert "Undo 'pause newsletter-38'" in await asked(pilot)
        await pilot.press("y")
        await until(pilot, lambda: len(link.calls) == 2)
        assert link.calls[1] == ("campaign.resume", {"name": "newsletter-38"})


async def test_retry_of_a_campaign_counts_what_it_takes_and_what_it_leaves(
    busy_world: World, link: RecordingLink
) -> None:
    async with looking(busy_world, link, "2") as (_, pilot):
        await cursor_on(pilot, "newsletter-38")
        await pilot.press("R")
        text = await asked(pilot)
        assert "Retry 4 jobs of newsletter-38" in text
        assert "3 failed, 1 held" in text
        assert "5 refused for good" in text
        assert "newsletter-38: 4 at" in text
        await pilot.press("y")
        await until(pilot, lambda: bool(link.calls))
        (name, args), *others = link.calls
        assert (name, others, args["total"]) == ("job.retry", [], 4)
        assert sorted(state for _, state, _ in args["seen"]) == ["failed", "failed", "failed", "held"]


async def test_retry_of_a_group_names_its_reason_and_its_campaigns(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, "4") as (_, pilot):
        await pilot.press("R")
        text = await asked(pilot)
        assert "550 5.1.1 user unknown" in text
        assert "newsletter-38 (5), spring-sale (3), winback (1)" in text
        await pilot.press("y")
        await until(pilot, lambda: bool(link.calls))
        (name, args), *others = link.calls
        assert (name, others, len(args["seen"])) == ("job.retry", [], 9)
        assert args["filter"] == 'error:"550 5.1.1 user unknown"'


async def test_one_failed_job_is_retried_without_a_question(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, "4", "enter") as (app, pilot):
        await until(pilot, lambda: app.screen.query_one(Grid).cursor == 0)
        await pilot.press("R")
        await until(pilot, lambda: bool(link.calls))
        assert link.calls[0][0] == "job.retry"
        ((_, state, lease),) = link.calls[0][1]["seen"]
        assert (state, lease) == ("failed", 1)


@pytest.mark.parametrize(("key", "verdict"), [("s", "sent"), ("a", "again")])
async def test_an_uncertain_job_has_its_own_question(
    busy_world: World, link: RecordingLink, key: str, verdict: str
) -> None:
    async with looking(busy_world, link, "j", "enter") as (app, pilot):
        await until(pilot, lambda: pilot.app.screen.query_one(Grid).cursor == 0)
        await pilot.press("R")
        assert "it may have been sent" in message(app)
        await pilot.press("U")
        question = await asked(pilot)
        assert "send it again (may be a duplicate)" in question
        for known in ("id        <", "begun     ", "server    ", "phase ", "heard     "):
            assert known in question
        await pilot.press(key)
        await until(pilot, lambda: bool(link.calls))
        assert link.calls[0][0] == "job.resolve"
        assert link.calls[0][1]["verdict"] == verdict


async def test_a_question_that_is_taller_than_the_terminal_keeps_what_is_asked_and_how_to_answer(
    busy_world: World, link: RecordingLink
) -> None:
    async with looking(busy_world, link, "4", size=(60, 15)) as (_, pilot):
        await pilot.press("R")
        text = await asked(pilot)
        box = pilot.app.screen.query_one("#dialog")
        assert box.outer_size.height <= 15
        assert text.splitlines()[0].startswith(" Retry")
        assert "more lines: the terminal is too low" in text
        assert "y yes   [ n no (enter) ]" in text


async def test_a_message_that_is_wider_than_the_screen_takes_the_rows_that_it_needs(
    busy_world: World, link: RecordingLink
) -> None:
    async with looking(busy_world, link, "2") as (app, pilot):
        row = app.screen.query_one("#message")
        before = app.screen.query_one(Grid).size.height
        told = "copied 'newsletter-38'; also in " + "/home/ana/.local/state" + "/paceline" * 5
        app.say(told)
        await until(pilot, lambda: row.size.height == 2)
        assert message(app).replace(" ", "") == told.replace(" ", "")
        assert app.screen.query_one(Grid).size.height == before - 1
        app.say("word " * 100)
        await until(pilot, lambda: row.size.height == 3)
        app.say("ok")
        await until(pilot, lambda: row.size.height == 1)
        assert app.screen.query_one(Grid).size.height == before


async def test_live_asks_before_it_lets_a_campaign_reach_anybody(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, "2") as (_, pilot):
        await cursor_on(pilot, "reminder-q3")
        await pilot.press("L")
        assert "reach anybody" in await asked(pilot)
        await pilot.press("n")
        await answered(pilot)
        assert link.calls == []


async def test_one_key_pauses_everything(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link) as (_, pilot):
        await pilot.press("E")
        await until(pilot, lambda: bool(link.calls))
        assert link.calls == [("engine.pause", {})]


async def test_keys_typed_ahead_of_a_dialog_are_dropped(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    app.monotonic = lambda: 5.0
    async with app.run_test(size=(80, 24)) as pilot:
        await go(pilot, "2")
        await cursor_on(pilot, "spring-sale")
        await pilot.press("P")
        await asked(pilot)
        await pilot.press("y")
        assert isinstance(app.screen, ConfirmScreen)
        app.monotonic = lambda: 5.31
        app.screen._monotonic = app.monotonic
        await pilot.press("y")
        await until(pilot, lambda: bool(link.calls))


async def test_read_only_refuses_every_change_with_the_same_sentence(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, "2", read_only=True) as (app, pilot):
        for key in "pPRXLE":
            await pilot.press(key)
            await until(pilot, lambda: "--read-only" in message(app))
            app.say("")
        assert link.calls == []
        assert " ro|" in app.screen.query_one("#status", Lines).text


async def test_a_lost_engine_turns_actions_off_and_says_so(busy_world: World) -> None:
    lost = LinkState(LOST, 4120, "mail-1", NOON - 47 * SECOND, 5, NOON + 8 * SECOND, "pid 4120 on mail-1 is gone")
    link = RecordingLink(lost)
    async with looking(busy_world, link, "2") as (app, pilot):
        assert "LOST 47s, try 6, next 8s" in app.screen.query_one("#status", Lines).text
        await pilot.press("p")
        assert "pid 4120 on mail-1 is gone" in message(app)
        await pilot.press("ctrl+r")
        assert link.calls == [("look_now", {})]


async def test_quitting_with_work_asks_and_drains_by_default(busy_world: World) -> None:
    link = RecordingLink(LinkState(EMBEDDED, 1))
    async with looking(busy_world, link) as (app, pilot):
        await pilot.press("q")
        text = await asked(pilot)
        assert "2 campaigns running" in text
        assert "[ y drain and stop (enter) ]   n stay" in text
        await pilot.press("escape")
        await answered(pilot)
        assert link.drained == []
        await pilot.press("ctrl+q")
        await asked(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: link.drained == ["the console was closed"])
    assert app.return_value == 0


async def test_an_attached_console_quits_without_a_question(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link) as (app, pilot):
        await pilot.press("q")
        await pilot.pause()
    assert app.return_value == 0
    assert link.drained == []


async def test_three_keys_lead_from_overview_to_the_words_of_the_server(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, "4", "enter") as (app, pilot):
        await until(pilot, lambda: app.screen.query_one(Grid).cursor == 0)
        await go(pilot, "enter")
        assert isinstance(app.screen, JobScreen)
        await until(pilot, lambda: "User unknown in" in app.screen.query_one(Grid).text)


async def test_a_change_by_somebody_else_is_shown_by_itself(world: World, link: RecordingLink) -> None:
    await asyncio.to_thread(world.campaign, "letters", 3)
    async with looking(world, link, "2") as (app, pilot):
        assert "running" in app.screen.query_one(Grid).text
        await asyncio.to_thread(world.call, "campaign.pause", name="letters")
        await until(pilot, lambda: "paused" in app.screen.query_one(Grid).text)
