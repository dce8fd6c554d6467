"""View 6: every queue's state with its reason, what its limits have left, and what can be done about it."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from storage.model import DAY, HOUR, MINUTE, SECOND
from storage.queue_facts import caps_used, last_attempts, last_failures, latency, next_work_due
from storage.reader import Reader
from tests.console.looking import SIZES, Compare, answered, asked, console, go, message, shown, until
from tests.console.world import NOON, SENT, RecordingLink, World
from tui.link import ATTACHED, LOST, LinkState
from tui.screens.job import JobScreen
from tui.screens.queue_words import columns_at, facts_of, fullest, next_slot
from tui.screens.queues import QueueScreen, load_one
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

STATUS = {
    "running": True,
    "queues": [
        {"queue": "smtp-eu-1", "state": "ready", "in_flight": 1, "concurrency": 10, "min_gap": 0, "trouble": "",
         "caps": [[60, MINUTE], [55, DAY]], "held_by": ""},
        {"queue": "smtp-eu-2", "state": "cooling", "in_flight": 0, "concurrency": 5, "min_gap": 2 * SECOND,
         "caps": [[400, DAY]], "held_by": "cooling", "trouble": "421 rate limited"},
    ],
}  # fmt: skip


@pytest.fixture
def engine(link: RecordingLink) -> RecordingLink:
    link.answers["engine.status"] = STATUS
    return link


def changes(link: RecordingLink) -> list[tuple[str, dict[str, object]]]:
    return [call for call in link.calls if call[0] != "engine.status"]


async def told(pilot: Pilot[int]) -> None:
    """Wait until the limits that the engine told are on the screen."""
    await until(pilot, lambda: "/min" in pilot.app.screen.query_one("#facts", Lines).text.replace(" ", "/"))


async def on_queue(pilot: Pilot[int], name: str) -> None:
    await go(pilot, "6")
    grid = pilot.app.screen.query_one(Grid)
    await until(pilot, lambda: grid.cursor >= 0)
    while grid.current["name"] != name:
        await pilot.press("j")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [pytest.param(("6",), id="list"), pytest.param(("6", "enter"), id="one")])
def test_picture(
    busy_world: World, engine: RecordingLink, snap_compare: Compare, keys: tuple[str, ...], size: tuple[int, int]
) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await shown(pilot)
        for key in keys:
            await pilot.press(key)
            await shown(pilot)
            await told(pilot)

    assert snap_compare(console(busy_world, engine), terminal_size=size, run_before=before)


def test_caps_latency_failures_and_attempts_are_read_in_bounds(busy_world: World) -> None:
    with Reader(busy_world.database) as reader:
        queue = next(row for row in reader.queues() if row["name"] == "smtp-eu-1")
        day, full = caps_used(reader, queue["id"], [(400, DAY), (10, DAY)], NOON)
        assert 0 < day["used"] < 400
        assert day["frees_at"] is None
        assert full["used"] == 10
        assert full["frees_at"] is not None
        timed = latency(reader, queue["id"], NOON)
        assert timed["p50"] == 120_000
        assert timed["p95"] >= timed["p50"]
        assert latency(reader, queue["id"], NOON + DAY) == {"n": 0, "p50": None, "p95": None}
        reasons = {row["error_key"]: row["n"] for row in last_failures(reader, NOON - HOUR, queue["id"])}
        assert reasons["550 5.1.1 user unknown"] == 5
        attempts = last_attempts(reader, queue["id"], limit=5)
        assert [row["id"] for row in attempts] == sorted((row["id"] for row in attempts), reverse=True)
        assert attempts[0]["outcome"] is None


def test_the_next_slot_is_when_what_holds_the_queue_opens() -> None:
    def slot(due: int | None = 0, **held: object) -> int | None:
        return next_slot({"due": due, "why": {"holding": held or None}}, NOON)

    assert slot() == NOON
    assert slot(needs_person=False, opens_at=NOON + MINUTE) == NOON + MINUTE
    assert slot(needs_person=False, opens_at=None) == NOON
    assert slot(needs_person=True, opens_at=None) is None
    assert slot(due=None) is None
    assert slot(due=NOON + HOUR) == NOON + HOUR
    assert slot(due=NOON + HOUR, needs_person=False, opens_at=NOON + MINUTE) == NOON + HOUR


def test_a_slot_of_hours_is_whole_in_the_list_and_said_beside_what_holds_nothing(busy_world: World) -> None:
    with Reader(busy_world.database) as reader:
        row = load_one(reader, NOON, "smtp-eu-1", LinkState(ATTACHED))
    row |= {"due": NOON + 23 * HOUR + 59 * MINUTE, "why": {**row["why"], "holding": None}}
    (next_of,) = [column for column in columns_at(NOON) if column.title == "NEXT"]
    cell = next_of.cell(row)
    assert cell == "23h59m" and len(cell) <= next_of.width
    said = "".join(part for part, _ in facts_of(row, NOON, 120)[1])
    assert "the next is due Jan 2 14:01Z (in 23h59m)" in said
    assert "due" not in "".join(part for part, _ in facts_of({**row, "due": 0}, NOON, 120)[1])


def test_the_counts_of_a_queue_that_are_not_zero_are_whole_on_a_narrow_screen(busy_world: World) -> None:
    with Reader(busy_world.database) as reader:
        row = load_one(reader, NOON, "smtp-eu-1", LinkState(ATTACHED))

    def said(**counts: int) -> str:
        line = facts_of({**row, "counts": {**row["counts"], **counts}}, NOON, 80)[0]
        return "".join(part for part, _ in line).rstrip()

    assert said(failed=0, uncertain=2).endswith("uncertain 2")
    assert "failed" not in said(failed=0) and said(failed=3, uncertain=0).endswith("failed 3")


def test_caps_without_room_are_counted(busy_world: World) -> None:
    def told(*caps: tuple[int, int, int]) -> str:
        rows = [{"n": n, "used": used, "period": period} for used, n, period in caps]
        return fullest({"channel": "smtp", "tuning": {}, "caps": rows})

    assert told((1, 60, MINUTE), (38, 40, DAY)) == "38/40 day 1/60 min"
    assert told((100, 2_000, DAY), (1_900, 2_000, HOUR), (3, 60, MINUTE)) == "1,900/2,000 h +2"


def test_a_queue_of_background_jobs_has_its_next_one_when_that_is_due(world: World) -> None:
    world.call("job.add", kind="cleanup_old_data", payload={}, due_at=NOON + HOUR)
    with Reader(world.database) as reader:
        row = load_one(reader, NOON, "default", LinkState(ATTACHED))
        assert next_slot(row, NOON) == NOON + HOUR
        assert next_work_due(reader, row["id"] + 1) is None


async def test_p_pauses_the_queue_and_z_takes_it_back(busy_world: World, engine: RecordingLink) -> None:
    app = console(busy_world, engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_queue(pilot, "smtp-eu-1")
        await pilot.press("p")
        await until(pilot, lambda: "ok:" in message(app))
        await pilot.press("z")
        assert "Undo 'pause queue smtp-eu-1'" in await asked(pilot)
        await pilot.press("y")
        await until(pilot, lambda: len(changes(engine)) == 2)
        assert changes(engine) == [("queue.pause", {"name": "smtp-eu-1"}), ("queue.resume", {"name": "smtp-eu-1"})]


async def test_a_cooling_queue_is_probed_or_resumed_after_a_question(busy_world: World, engine: RecordingLink) -> None:
    app = console(busy_world, engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_queue(pilot, "smtp-eu-2")
        await pilot.press("R")
        await until(pilot, lambda: bool(changes(engine)))
        assert changes(engine) == [("queue.probe", {"name": "smtp-eu-2"})]
        await pilot.press("P")
        assert "421 rate limited" in await asked(pilot)
        await pilot.press("n")
        await answered(pilot)
        assert len(changes(engine)) == 1


async def test_a_ready_queue_says_that_there_is_nothing_to_probe(busy_world: World, engine: RecordingLink) -> None:
    app = console(busy_world, engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_queue(pilot, "smtp-eu-1")
        await pilot.press("R")
        await until(pilot, lambda: "there is nothing to probe" in message(app))
        assert changes(engine) == []


async def test_the_queue_of_a_need_opens_with_its_attempts_and_leads_to_the_job(
    busy_world: World, engine: RecordingLink
) -> None:
    app = console(busy_world, engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_queue(pilot, "smtp-eu-1")
        await go(pilot, "enter")
        assert isinstance(app.screen, QueueScreen)
        await until(pilot, lambda: "accepted" in app.screen.query_one(Grid).text)
        await go(pilot, "G", "enter")
        assert isinstance(app.screen, JobScreen)


async def test_without_an_engine_the_limits_are_unknown_and_said_to_be(busy_world: World) -> None:
    link = RecordingLink(LinkState(LOST, 4120, "mail-1", NOON, 0, NOON + SECOND, "pid 4120 on mail-1 is gone"))
    app = console(busy_world, link)
    async with app.run_test(size=(80, 24)) as pilot:
        await on_queue(pilot, "smtp-eu-2")
        assert "no engine tells its limits" in app.screen.query_one("#facts", Lines).text
        assert link.calls == []


def test_a_cap_that_was_lowered_frees_when_enough_have_left_its_period(world: World) -> None:
    world.campaign("letters", 20, pacing={"mode": "blast", "concurrency": 20, "batch_delay": "0s"})
    world.send("smtp-eu-1", [SENT] * 6, step=MINUTE)
    with Reader(world.database) as reader:
        queue = next(row for row in reader.queues() if row["name"] == "smtp-eu-1")
        (cap,) = caps_used(reader, queue["id"], [(2, HOUR)], world.clock.at)
    # Of six starts, a minute apart, the fifth has to be an hour old before another one may begin.
    assert cap["frees_at"] == NOON + 5 * MINUTE + HOUR
