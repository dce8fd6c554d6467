"""Background jobs in the console: the list, one job, its keys, the form, queues, trends, the overview."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage import kind_facts
from storage.model import DAY, HOUR, MINUTE, SECOND, JobState, OutcomeClass
from storage.reader import Reader
from tests.console.jobs_world import PROSPECTS, Jobs, working
from tests.console.looking import SIZES, Compare, answered, asked, console, looking, message, shown, until, walk
from tests.console.world import NOON, RecordingLink, World
from tui.screens import work_today
from tui.screens.all_actions import ActionsScreen
from tui.screens.enqueue import EnqueueScreen
from tui.screens.job import JobScreen
from tui.screens.jobs import AllJobsScreen
from tui.screens.raw import RawScreen
from tui.screens.view import ViewScreen
from tui.secret_words import without_secrets
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines
from tui.work_words import brief, ends_at, progress, subject, sums

PIPELINE, FAILED, EMPTY, UNCERTAIN, RUNNING, WAITING = 1, 14, 16, 17, 18, 20
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202eevil\u200b 漢字"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Read by many tests and changed by none."""
    world = working(tmp_path_factory.mktemp("day"))
    yield world
    world.close()


def text_of(app: Any) -> str:
    screen = app.screen
    return "\n".join(
        [*(lines.text for lines in screen.query(Lines) if lines.display), *(grid.text for grid in screen.query(Grid))]
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(("1",), id="overview"),
        pytest.param(("3",), id="jobs"),
        pytest.param(("3", "enter"), id="pipeline"),
        pytest.param(("3", "G", "k", "k", "k", "k", "enter"), id="running"),
        pytest.param(("6",), id="queues"),
        pytest.param(("8", "l"), id="trends"),
    ],
)
def test_picture(day: World, link: RecordingLink, snap_compare: Compare, keys: tuple[str, ...], size: Any) -> None:
    assert snap_compare(console(day, link), terminal_size=size, run_before=walk(*keys))


# the list


async def test_a_filter_for_kinds_has_their_sums_over_the_list(day: World, link: RecordingLink) -> None:
    async with looking(day, link, "3") as (app, pilot):
        assert isinstance(app.view, AllJobsScreen)
        assert not app.view.query_one("#sums").display
        app.view.narrow("kind:sync_customer_data")
        await until(pilot, lambda: app.view.query_one("#sums").display)  # type: ignore[union-attr]
        line = app.view.query_one("#sums", Lines).text
    assert "13 jobs  + done 12  ! failed 1  success 92.3% of 13  average" in line


async def test_active_jobs_show_how_far_they_are_and_when_they_may_end(day: World, link: RecordingLink) -> None:
    async with looking(day, link, "3", size=(120, 40)) as (app, pilot):
        assert app.view is not None
        app.view.narrow("state:processing")
        await until(pilot, lambda: app.view.data["count"] == "2")  # type: ignore[union-attr]
        shown_text = text_of(app)
    assert "45% 45/100 in 4m" in shown_text
    assert "> running" in shown_text
    assert "update_analytics" in shown_text


@pytest.mark.parametrize(
    ("filter", "n"),
    [("kind:sync*", 13), ("flag:empty", 1), ("origin:schedule*", 3), ("state:failed", 2), ("-kind:send", 22)],
)
async def test_background_jobs_are_filtered(day: World, link: RecordingLink, filter: str, n: int) -> None:
    async with looking(day, link, "3") as (app, pilot):
        assert app.view is not None
        app.view.narrow(filter)
        await until(pilot, lambda: app.view.data["count"] == str(n))  # type: ignore[union-attr]


def test_what_stands_where_an_address_stands() -> None:
    assert subject("process_payment:A-17", '{"order": "A-17"}', "manual") == "A-17"
    assert subject("", '{"days": 30, "of": ["a", "b"]}', "manual") == "days=30 of=[2]"
    assert subject("", "{}", "schedule:nightly") == "schedule:nightly"
    assert subject("", '{"text": "cut in the mid', "manual") == '"text": "cut in the mid'
    assert brief({"on": True, "off": None, "in": {"a": 1}}) == "on=true off=- in={1}"


def running(**more: Any) -> dict[str, Any]:
    row = {"state": "processing", "started_at": NOON - 10 * SECOND, "done": 0, "total": 0, "note": "", "usual": None}
    return {**row, **more}


def test_the_end_is_estimated_by_items_else_by_what_is_usual_and_else_not_at_all() -> None:
    assert ends_at(running(done=25, total=100), NOON) == NOON + 30 * SECOND
    assert ends_at(running(usual=MINUTE), NOON) == NOON + 50 * SECOND
    assert ends_at(running(done=2, total=6, stages=[1], usual=MINUTE), NOON) == NOON + 50 * SECOND
    assert ends_at(running(), NOON) is None
    assert ends_at(running(state="completed"), NOON) is None
    assert progress(running(done=150, total=100), NOON).startswith("[########] 100% 150/100")
    assert progress(running(usual=SECOND), NOON) == "runs 10s"


def test_sums_leave_out_what_has_no_room_and_give_the_rate_its_denominator() -> None:
    totals = dict.fromkeys(("held", "pending", "processing", "uncertain", "skipped", "bounced"), 0)
    found = {"totals": {**totals, "completed": 1450, "failed": 28}, "average": 1_200_000, "p95": 3_000_000}
    assert sums(found, 120) == "1,478 jobs  + done 1450  ! failed 28  success 98.1% of 1478  average 1.20s  p95 3.00s"
    assert sums(found, 40) == "1,478 jobs  + done 1450  ! failed 28"


# one job


async def opened(app: Any, pilot: Any, job_id: int) -> None:
    app.push_screen(JobScreen(job_id, "Jobs"))
    await until(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen.data is not None)


async def test_a_pipeline_shows_its_ladder_its_funnel_and_what_was_not_as_expected(
    day: World, link: RecordingLink
) -> None:
    async with looking(day, link, "3", size=(120, 60)) as (app, pilot):
        await opened(app, pilot, PIPELINE)
        found = text_of(app)
    assert "STAGES (6 of 6)" in found
    assert "discovered 150, tested 150" in found
    assert "! 120 scored, 40 to 100 are usual" in found
    assert "high priority       75" in found
    assert found.index("discovered         150") < found.index("queued              50")


async def test_a_job_shows_payload_result_runs_and_failed_items(day: World, link: RecordingLink) -> None:
    async with looking(day, link, "3", size=(120, 60)) as (app, pilot):
        await opened(app, pilot, RUNNING)
        found = text_of(app)
        assert "ITEMS   1 done, 1 failed" in found
        assert "1: no such day" in found
        assert '"days": 7' in found
        await opened(app, pilot, EMPTY)
        assert "done, but look at it: empty: nothing was old enough" in text_of(app)
        await opened(app, pilot, UNCERTAIN)
        assert "unrepeatable: must not run twice" in text_of(app)
        assert "key A-17" in text_of(app)


@pytest.fixture
def hostile(world: World) -> World:
    """One job that is as large as a payload may be."""
    payload = {"text": HOSTILE, HOSTILE: [HOSTILE], "large": ["x" * 60] * 4_000}
    Jobs(world).add("nobody_has_this", payload)
    return world


async def test_hostile_payloads_of_any_size_are_shown_harmless_and_bounded(hostile: World, link: RecordingLink) -> None:
    async with looking(hostile, link, "3", size=(80, 24)) as (app, pilot):
        listed = text_of(app)
        await opened(app, pilot, 1)
        detail = text_of(app)
        await pilot.press("G")
        await shown(pilot)
        end = text_of(app)
    for found in (listed, detail, end):
        assert not set(found) & {"\x1b", "\x07", "\u202e", "\u200b"}
    assert "more lines: paceline job show 1 --json" in end


# keys


async def test_what_runs_is_asked_to_end_and_what_waits_is_cancelled_by_one_key(
    day: World, link: RecordingLink
) -> None:
    async with looking(day, link, "3") as (app, pilot):
        await opened(app, pilot, RUNNING)
        await pilot.press("X")
        await until(pilot, lambda: bool(link.calls))
        assert link.calls[-1] == ("job.end", {"ids": [RUNNING]})
        await opened(app, pilot, WAITING)
        await pilot.press("X")
        question = await asked(pilot)
        assert "kind      send_reminder" in question
        assert "will not be run" in question


async def test_a_job_that_is_over_is_run_again_and_a_failed_one_is_retried(day: World, link: RecordingLink) -> None:
    async with looking(day, link, "3") as (app, pilot):
        await opened(app, pilot, EMPTY)
        await pilot.press("R")
        await until(pilot, lambda: bool(link.calls))
        assert link.calls[-1] == ("job.again", {"job": EMPTY})
        await opened(app, pilot, FAILED)
        await pilot.press("R")
        await until(pilot, lambda: len(link.calls) > 1)
        assert link.calls[-1][0] == "job.retry"


async def test_an_uncertain_job_is_asked_about_as_something_that_was_done(day: World, link: RecordingLink) -> None:
    async with looking(day, link, "3") as (app, pilot):
        await opened(app, pilot, UNCERTAIN)
        await pilot.press("U")
        assert "was it done?" in await asked(pilot)
        await pilot.press("s")
        await answered(pilot)
        await until(pilot, lambda: bool(link.calls))
        assert link.calls[-1] == ("job.resolve", {"job": UNCERTAIN, "verdict": "sent"})


@pytest.fixture
def secretive(tmp_path: Path) -> Iterator[World]:
    """One job, which was given secrets."""
    world = World(tmp_path)
    given = {"city": "Rome", "api_key": "k-123", "gate": {"smtpPassword": "p-456", "token": ""}, "keys": ["door"]}
    Jobs(world).add("water_plants", given)
    yield world
    world.close()


async def test_the_record_of_a_background_job_has_what_it_was_given_without_secrets(secretive: World) -> None:
    async with looking(secretive, RecordingLink(), "3", size=(120, 60)) as (app, pilot):
        await opened(app, pilot, 1)
        assert "k-123" not in text_of(app) and '"city": "Rome"' in text_of(app)
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, RawScreen) and "Rome" in text_of(app))
        found = text_of(app)
    assert "k-123" not in found and "p-456" not in found
    assert found.count("(cut: the command line has it)") == 2
    assert '"token": ""' in found and '"door"' in found


async def test_a_cancel_of_many_asks_those_that_run_to_end(day: World, link: RecordingLink) -> None:
    link.answers["job.cancel"] = {"done": 3, "changed": 0, "refused": 0, "left": [], "events": [9]}
    link.answers["job.end"] = {"asked": [RUNNING, RUNNING + 1]}
    async with looking(day, link, "3", size=(120, 40)) as (app, pilot):
        assert app.view is not None
        app.view.narrow("state:pending,processing -kind:send")
        await until(pilot, lambda: app.view.data["count"] == "5")  # type: ignore[union-attr]
        await pilot.press("asterisk", "X")
        question = await asked(pilot)
        assert "Cancel 5 jobs" in question
        assert "running   2 of them: asked to end at a good place, no undo" in question
        await pilot.press("5", "enter")
        await answered(pilot)
        await until(pilot, lambda: len(link.calls) == 2)
        await until(pilot, lambda: "3 done; 2 running jobs asked to end" in message(app))
    assert [name for name, _ in link.calls] == ["job.cancel", "job.end"]
    assert link.calls[1][1] == {"ids": [RUNNING, RUNNING + 1]}


async def test_all_actions_name_the_command_of_a_background_job_that_is_uncertain(
    day: World, link: RecordingLink
) -> None:
    async with looking(day, link, "3", size=(120, 40)) as (app, pilot):
        await opened(app, pilot, UNCERTAIN)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, ActionsScreen))
        found = text_of(app)
    assert f"paceline job resolve {UNCERTAIN} --done" in found
    assert "campaign resolve" not in found


async def test_read_only_nothing_is_made_or_ended(day: World, link: RecordingLink) -> None:
    async with looking(day, link, "3", read_only=True) as (app, pilot):
        await pilot.press("A")
        assert "read-only" in message(app)
        await opened(app, pilot, RUNNING)
        await pilot.press("X")
        assert "read-only" in message(app)
        assert not link.calls


def test_a_job_is_run_again_with_what_it_was_given(world: World) -> None:
    jobs = Jobs(world)
    first = jobs.done("cleanup_old_data", {"days": 12})
    made = world.call("job.again", job=first)
    with Reader(world.database) as reader:
        row = reader.rows("SELECT payload, origin FROM tasks WHERE job_id = ?", (made["job_id"],))[0]
    assert row == {"payload": '{"days": 12}', "origin": f"job {first}"}


# the form, and `:`


async def test_the_form_offers_the_fields_of_a_kind_and_makes_the_job(day: World, link: RecordingLink) -> None:
    async with looking(day, link, "3") as (app, pilot):
        await pilot.press("A")
        await until(pilot, lambda: isinstance(app.screen, EnqueueScreen) and app.screen.data is not None)
        await typed(app, pilot, "cleanup_old_data")
        assert "days" in text_of(app)
        await typed(app, pilot, "7", ("field", "days"))
        await typed(app, pilot, "8", "priority")
        await choose(app, pilot, "add")
        await until(pilot, lambda: bool(link.calls))
    assert link.calls[-1] == ("job.add", {"kind": "cleanup_old_data", "payload": {"days": 7}, "priority": 8})


async def choose(app: Any, pilot: Any, key: Any) -> None:
    form = app.screen.query_one("#form", Grid)
    await pilot.press("g")
    for _ in range(40):
        if form.current is not None and form.current[0] == key:
            break
        await pilot.press("j")
    assert form.current[0] == key
    await pilot.press("enter")


async def typed(app: Any, pilot: Any, text: str, key: Any = "kind") -> None:
    await choose(app, pilot, key)
    view: ViewScreen = app.screen
    await until(pilot, lambda: view.prompt.is_open)
    view.prompt._set(text, len(text))
    await pilot.press("enter")
    await until(pilot, lambda: not view.prompt.is_open)
    await shown(pilot)


async def test_a_line_makes_a_job_as_the_command_line_does(day: World, link: RecordingLink) -> None:
    async with looking(day, link, "3") as (app, pilot):
        assert app.view is not None
        await pilot.press("colon")
        app.view.prompt._set("job add cleanup_old_data --set days=7 --priority 9", 50)
        await pilot.press("enter")
        await until(pilot, lambda: bool(link.calls))
    assert link.calls[-1] == ("job.add", {"kind": "cleanup_old_data", "payload": {"days": 7}, "priority": 9})


# overview and trends


async def test_the_overview_tells_the_day_and_opens_what_needs_a_person(day: World, link: RecordingLink) -> None:
    async with looking(day, link) as (app, pilot):
        assert "TODAY      > running 2  + done 14  ! failed 2  empty 1" in text_of(app)
        assert "> sending 0" in text_of(app), "what runs in the background sends nothing"
        assert "uncertain: done or not?" in text_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, AllJobsScreen) and app.screen.data is not None)
        assert isinstance(app.screen, AllJobsScreen)
        assert [row["id"] for row in app.screen.data["rows"]] == [UNCERTAIN]


@pytest.fixture
def plants(tmp_path: Path) -> Iterator[World]:
    """Two jobs of a kind that is not installed: one that was tried, and one that still waits."""
    world = World(tmp_path)
    jobs = Jobs(world)
    jobs.add("water_plants")
    jobs.end(
        jobs.claim()[0], JobState.HELD, OutcomeClass.CONFIGURATION, reason="configuration",
        error="there is no job kind 'water_plants'", counts_try=False,
    )  # fmt: skip
    jobs.add("water_plants")
    yield world
    world.close()


async def test_jobs_that_nothing_installed_can_run_need_a_person_who_opens_them(plants: World) -> None:
    async with looking(plants, RecordingLink()) as (app, pilot):
        found = text_of(app)
        assert "NEEDS YOU (1)" in found, "what is held for the same reason is told once"
        assert "! 2 work jobs     no processor for water_plants: install it, or cancel them" in found
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, AllJobsScreen) and app.screen.data is not None)
        assert isinstance(app.screen, AllJobsScreen)
        assert sorted(row["state"] for row in app.screen.data["rows"]) == ["held", "pending"]


def test_what_the_engine_runs_counts_and_not_what_this_program_has(day: World) -> None:
    with Reader(day.database) as reader:
        found = work_today.load(reader, NOON, NOON - HOUR, ["send_reminder", PROSPECTS])
    assert [(row["kind"], row["n"]) for row in found["strange"]] == [("update_analytics", 1)]


def test_without_background_jobs_the_overview_says_nothing_of_them(world: World) -> None:
    world.campaign("letters", 2)
    with Reader(world.database) as reader:
        assert work_today.load(reader, NOON, NOON - HOUR) == {}
    assert work_today.today({}, NOON, 80) == ()
    assert work_today.needs({}, NOON) == []


def test_hours_of_a_kind_have_their_quantiles_and_name_every_hour(day: World) -> None:
    with Reader(day.database) as reader:
        hours = kind_facts.hourly(reader, ["sync_customer_data"], NOON, 24)
        assert kind_facts.hourly(reader, ["never_seen"], NOON, 3)[-1]["p50"] is None
    assert len(hours) == 24
    assert sum(hour["sent"] for hour in hours) == 12
    assert sum(hour["failed"] for hour in hours) == 1
    assert all(hour["p50"] <= hour["p95"] for hour in hours if hour["sent"])
    assert hours[-1]["hour"] <= NOON < hours[0]["hour"] + DAY


async def test_the_trends_go_from_messages_to_each_kind_and_back(day: World, link: RecordingLink) -> None:
    async with looking(day, link, "8") as (app, pilot):
        for keys, of in (("l", "background jobs"), ("l", "cleanup_old_data"), ("hhh", "update_analytics")):
            await pilot.press(*keys)
            await until(pilot, lambda of=of: app.view.data["of"] == of)  # type: ignore[misc]
            assert f"Performance of {of}" in text_of(app)


async def test_a_queue_of_background_jobs_has_no_caps_and_is_not_tuned_live(day: World, link: RecordingLink) -> None:
    async with looking(day, link, "6", size=(120, 40)) as (app, pilot):
        assert "background jobs" in text_of(app)
        assert "CAPS    " not in app.screen.query_one("#facts", Lines).text
        await pilot.press("e")
        assert "its concurrency stands in [jobs]" in message(app)


@pytest.mark.parametrize("n", [10, 100_000])
def test_opening_the_list_reads_as_much_of_many_jobs_as_of_few(tmp_path: Path, n: int) -> None:
    from storage.jobs_page import Query
    from storage.tasks import NewTask
    from storage.work_terms import CHANNEL
    from tui.screens.jobs_window import Anchor, load

    world = World(tmp_path)
    try:
        queue = world.run(world.store.ensure_queue("default", CHANNEL))
        batch = world.run(world.store.begin_batch(None, "enqueue", "many", "ana"))
        for start in range(0, n, 1_000):
            tasks = [NewTask("noop", queue.id, NOON) for _ in range(min(1_000, n - start))]
            world.run(world.store.add_tasks(batch, tasks))
        with Reader(world.database) as reader:
            steps = []
            reader._connection.set_progress_handler(lambda: steps.append(1), 1_000)
            found = load(reader, NOON, Query(), Anchor(), 120, ())
    finally:
        world.close()
    assert len(found["rows"]) == min(n, 120)
    # Thousands of steps of the database's machine: those of a page, not those of the store.
    assert len(steps) < 200


def test_all_that_stands_under_the_name_of_a_secret_is_cut() -> None:
    given = {
        "credentials": {"user": "ana", "value": "hidden"}, "tokens": ["hidden"], "apiKeys": {"a": "hidden"},
        "rows": [{"smtp_password": "hidden", "name": "ana"}], "token": "", "auth": True, "author": "ana",
    }  # fmt: skip
    shown = without_secrets(given)
    assert "hidden" not in json.dumps(shown)
    assert (shown["rows"][0]["name"], shown["token"], shown["auth"], shown["author"]) == ("ana", "", True, "ana")
