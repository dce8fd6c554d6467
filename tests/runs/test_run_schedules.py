"""Schedules fired by a whole engine on simulated time: by the clock, by changes of clocks, after an absence."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from run_world import slow_heart
from work_world import Scripted, WorkWorld

from engine.processors.context import RunContext
from engine.processors.processor import Outcome, Payload, Processor
from engine.processors.registry import Registry
from storage import firings, schedule_facts
from storage.errors import RefusedError, UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND
from storage.reader import Reader
from tests.support.simulated import SimulatedClock


@pytest.fixture
async def world(
    tmp_path: Path, clock: SimulatedClock, unhurried: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[WorkWorld]:
    made = WorkWorld(tmp_path, clock)
    made.work_settings = {"timeout": "2h"}
    slow_heart(monkeypatch, HOUR)
    yield made
    await made.stop()
    made.true_books()


async def schedule(world: WorkWorld, cron: str, zone: str = "UTC", *, name: str = "s", **more: Any) -> dict[str, Any]:
    payload = {"name": name, **more.pop("payload", {})}
    return await world.call("schedule.add", name=name, kind="scripted", cron=cron, zone=zone, payload=payload, **more)


def look(world: WorkWorld, name: str = "s") -> dict[str, Any]:
    def ask(reader: Reader) -> dict[str, Any]:
        found = schedule_facts.schedule(reader, name)
        return {**found, "firings": schedule_facts.firings(reader, found["id"], 1_000)[::-1]}

    return dict(world.read(ask))


def fired(world: WorkWorld, name: str = "s") -> list[str]:
    """When each firing was for, in UTC, with a word where it made no job."""
    rows = look(world, name)["firings"]
    return [f"{iso(row['at'])} {row['outcome']}".removesuffix(" started") for row in rows]


def iso(at: int) -> str:
    return f"{datetime.fromtimestamp(at // SECOND, UTC):%m-%d %H:%M}"


async def pass_days(world: WorkWorld, days: float) -> None:
    await world.clock.run(round(days * DAY))


# by the clock


async def test_it_fires_at_eight_in_new_york_in_winter_and_in_summer(world: WorkWorld) -> None:
    world.set_clock("2026-03-06T18:00:00+00:00")
    await world.start()
    await schedule(world, "0 8 * * *", "America/New_York")
    await pass_days(world, 3)
    assert fired(world) == ["03-07 13:00", "03-08 12:00", "03-09 12:00"]
    assert Scripted.ledger == ["s"] * 3


async def test_a_time_that_the_clocks_skip_fires_at_the_first_minute_after_and_says_so(world: WorkWorld) -> None:
    world.set_clock("2026-03-28T12:00:00+00:00")
    await world.start()
    await schedule(world, "30 2 * * *", "Europe/Berlin")
    await pass_days(world, 2)
    assert fired(world) == ["03-29 01:00", "03-30 00:30"]
    assert look(world)["firings"][0]["note"] == "02:30 does not exist on 2026-03-29: fires at 03:00"


async def test_a_time_that_the_clocks_show_twice_fires_once_and_an_hourly_one_each_hour(world: WorkWorld) -> None:
    world.set_clock("2026-10-24T23:30:00+00:00")
    await world.start()
    await schedule(world, "30 2 * * *", "Europe/Berlin", name="daily")
    await schedule(world, "0 */1 * * *", "Europe/Berlin", name="hourly")
    await world.clock.run(3 * HOUR)
    assert fired(world, "daily") == ["10-25 00:30"]
    assert fired(world, "hourly") == ["10-25 00:00", "10-25 01:00", "10-25 02:00"]


async def test_it_fires_within_the_minute_though_the_engine_sleeps_longer(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:30+00:00")
    await world.start()
    await schedule(world, "0 8 * * *")
    await world.clock.run(31 * SECOND)
    [row] = look(world)["firings"]
    assert row["fired_at"] == row["at"]


async def test_at_rest_nothing_is_read_and_a_thousand_schedules_fire_in_a_few_commits(
    world: WorkWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.set_clock("2026-05-01T07:00:00+00:00")
    await world.start()
    for n in range(1_000):
        await schedule(world, "0 8 * * *", name=f"s{n}", missed="skip")
    store = world.engine.store
    reads: list[int] = []
    read = store.due_schedules

    async def counted(now: int, most: int) -> Any:
        reads.append(now)
        return await read(now, most)

    monkeypatch.setattr(store, "due_schedules", counted)
    await world.clock.settle()
    reads.clear()
    await world.clock.run(59 * MINUTE)
    assert reads == []
    commits = store.writer.commits
    world.engine.work.runners["default"].drain()
    await world.clock.run(2 * MINUTE)
    made = world.rows("SELECT count(*) AS n FROM firings WHERE outcome = 'started'")[0]["n"]
    assert made == 1_000
    assert len(reads) == 11, "a hundred a time, and once more to see that there are no others"
    assert store.writer.commits - commits < 100


# after an absence


@pytest.mark.parametrize(
    ("rule", "back", "fires", "missed"),
    [
        ({"missed": "skip"}, 0.1 / 24, [], 3),
        ({"missed": "run_once"}, 0.5 / 24, ["05-04 08:00"], 2),
        ({"missed": "run_once"}, 2 / 24, [], 3),
        ({"missed": "run_once", "grace": 3 * HOUR}, 2 / 24, ["05-04 08:00"], 2),
        ({"missed": "catch_up"}, 2 / 24, ["05-02 08:00", "05-03 08:00", "05-04 08:00"], 0),
        ({"missed": "catch_up", "most": 2}, 2 / 24, ["05-03 08:00", "05-04 08:00"], 1),
    ],
)
async def test_what_becomes_of_three_missed_days(
    world: WorkWorld, rule: dict[str, Any], back: float, fires: list[str], missed: int
) -> None:
    world.set_clock("2026-05-01T12:00:00+00:00")
    await world.start()
    await schedule(world, "0 8 * * *", payload={"takes": 60}, **rule)
    await world.stop()
    world.set_clock("2026-05-04T08:00:00+00:00")
    await pass_days(world, back)
    await world.start()
    await world.clock.run(HOUR)
    assert [at for at in fired(world) if at[-1].isdigit()] == fires
    assert len([at for at in fired(world) if at.endswith("missed")]) == missed
    assert Scripted.ledger == ["s"] * len(fires)
    assert Scripted.together["most"] <= 1, "what is made up for runs one after another"
    events = world.events("schedule.missed")
    assert [event["n"] for event in events] == ([missed] if missed else [])
    assert world.read(lambda reader: reader.counter_drift()) == []


async def test_a_long_absence_leaves_few_rows_that_tell_of_the_others(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T12:00:00+00:00")
    await world.start()
    await schedule(world, "* * * * *", missed="skip")
    await world.stop()
    world.set_clock("2026-05-11T12:00:30+00:00")
    await world.start()
    await world.clock.settle()
    rows = [row for row in look(world)["firings"] if row["outcome"] == "missed"]
    assert len(rows) == 20
    assert rows[0]["note"] == "20m30s late; 9,980+ before it were missed too"
    [event] = world.events("schedule.missed")
    when = "from Fri 2026-05-01 12:01 UTC to Mon 2026-05-11 11:59 UTC"
    assert event["text"] == f"schedule s missed 10,000+ firings: {when}"


async def test_a_restart_within_the_minute_fires_nothing_twice(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await schedule(world, "0 8 * * *")
    await world.clock.run(MINUTE + SECOND)
    await world.restart()
    await world.clock.run(10 * SECOND)
    await world.restart()
    await world.clock.run(MINUTE)
    assert fired(world) == ["05-01 08:00"]


# the clock is set


async def test_set_back_it_fires_no_time_again(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await schedule(world, "*/10 * * * *")
    await world.clock.run(25 * MINUTE)
    assert fired(world) == ["05-01 08:00", "05-01 08:10", "05-01 08:20"]
    world.clock.step_wall(-20 * MINUTE)
    await world.clock.run(18 * MINUTE)
    assert fired(world)[3:] == []
    await world.clock.run(10 * MINUTE)
    assert fired(world)[3:] == ["05-01 08:30"]


async def test_set_forward_it_judges_what_was_passed_over_as_missed(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:00:00+00:00")
    await world.start()
    await schedule(world, "0 8 * * *")
    world.clock.step_wall(80 * MINUTE)
    await world.clock.run(2 * HOUR)
    assert fired(world) == ["05-01 08:00"]
    world.clock.step_wall(3 * DAY)
    await world.clock.run(HOUR + MINUTE)
    assert fired(world)[1:] == ["05-02 08:00 missed", "05-03 08:00 missed", "05-04 08:00 missed"]


async def test_set_far_forward_by_mistake_and_back_it_goes_on_by_itself(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await schedule(world, "0 8 * * *", missed="skip")
    await world.clock.run(5 * MINUTE)
    world.clock.step_wall(1_000 * DAY)
    await world.clock.run(HOUR)
    world.clock.step_wall(-1_000 * DAY)
    await world.clock.run(HOUR)
    [event] = world.events("schedule.counts_anew")
    assert event["text"] == (
        "the clock was set back: schedule s fires next Sat 2026-05-02 08:00 UTC instead of Fri 2029-01-26 08:00 UTC"
    )
    await pass_days(world, 2)
    assert [at for at in fired(world) if at[-1].isdigit()] == ["05-01 08:00", "05-02 08:00", "05-03 08:00"]
    assert Scripted.ledger == ["s"] * 3


async def test_a_clock_that_was_mended_while_the_engine_was_off_is_noticed_at_its_start(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await schedule(world, "0 8 * * *", missed="skip")
    world.clock.step_wall(400 * DAY)
    await world.clock.run(2 * HOUR)
    await world.stop()
    world.clock.step_wall(-400 * DAY)
    await world.start()
    await pass_days(world, 1)
    assert next(at for at in fired(world) if at[-1].isdigit()) == "05-02 08:00"


async def test_a_time_that_fired_while_the_clock_was_ahead_does_not_fire_again(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await schedule(world, "0 * * * *", missed="skip")
    await world.clock.run(MINUTE)
    world.clock.step_wall(5 * HOUR)
    await world.clock.run(HOUR)
    assert [at for at in fired(world) if at[-1].isdigit()] == ["05-01 08:00", "05-01 14:00"]
    world.clock.step_wall(-5 * HOUR)
    await world.clock.run(8 * HOUR)
    hours = [f"05-01 {hour:02}:00" for hour in (8, 10, 11, 12, 13, 14, 15, 16, 17)]
    assert [at for at in fired(world) if at[-1].isdigit()] == hours
    assert len(Scripted.ledger) == len(hours)


async def test_what_has_lost_its_early_rows_stays_silent_and_says_so(
    world: WorkWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firings, "KEPT", 120)
    world.set_clock("2026-05-01T07:59:30+00:00")
    await world.start()
    await schedule(world, "* * * * *", missed="skip", overlap="allow")
    await world.clock.run(3 * HOUR)
    world.clock.step_wall(-3 * HOUR)
    await world.clock.run(MINUTE)
    assert len(Scripted.ledger) == 180, "which of these times have fired is no longer known"
    [row] = world.read(lambda reader: schedule_facts.silent(reader, world.clock.now()))
    assert row["name"] == "s"
    await world.clock.run(3 * HOUR)
    assert world.read(lambda reader: schedule_facts.silent(reader, world.clock.now())) == []
    assert len(Scripted.ledger) == 181


# overlap


async def test_overlap_skip_passes_over_what_comes_while_a_run_goes_on(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await schedule(world, "*/10 * * * *", payload={"takes": 25 * 60}, overlap="skip")
    await world.clock.run(52 * MINUTE)
    assert fired(world) == [
        "05-01 08:00", "05-01 08:10 overlapped", "05-01 08:20 overlapped", "05-01 08:30", "05-01 08:40 overlapped",
        "05-01 08:50 overlapped",
    ]  # fmt: skip


async def test_overlap_wait_begins_the_newest_that_waited_when_the_run_is_over(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await schedule(world, "*/10 * * * *", payload={"takes": 4 * 60 + 60 * 20}, overlap="wait")
    await world.clock.run(26 * MINUTE)
    assert fired(world) == ["05-01 08:00", "05-01 08:10 overlapped", "05-01 08:20"]
    rows = look(world)["firings"]
    assert rows[2]["fired_at"] - rows[0]["finished_at"] <= SECOND
    assert Scripted.together["most"] == 1


async def test_overlap_allow_runs_beside(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await schedule(world, "*/10 * * * *", payload={"takes": 240}, overlap="allow", name="short")
    await schedule(world, "* * * * *", payload={"takes": 90}, overlap="allow", name="long")
    await world.clock.run(4 * MINUTE)
    assert Scripted.together["most"] >= 2
    assert all(at[-1].isdigit() for at in fired(world, "long"))


async def test_what_waits_is_given_up_when_the_schedule_is_disabled(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await schedule(world, "*/10 * * * *", payload={"takes": 15 * 60}, overlap="wait")
    await world.clock.run(12 * MINUTE)
    assert fired(world)[-1] == "05-01 08:10 waiting"
    await world.call("schedule.disable", name="s")
    await world.clock.run(HOUR)
    assert fired(world) == ["05-01 08:00", "05-01 08:10 overlapped"]
    assert Scripted.ledger == ["s"]


async def test_an_engine_until_idle_begins_what_is_due_and_what_waits_before_it_ends(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await schedule(world, "0 8 * * *", payload={"takes": 60})
    await world.stop()
    await world.clock.run(2 * MINUTE)
    await world.start()
    await world.finish()
    assert Scripted.finished == ["s"]


# people


async def test_another_expression_counts_from_now_on(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await schedule(world, "0 8 * * *")
    await world.clock.run(2 * MINUTE)
    answer = await world.call("schedule.edit", name="s", cron="*/30 * * * *")
    assert answer["message"] == "schedule s: cron changed; next Fri 2026-05-01 08:30 UTC"
    await world.clock.run(30 * MINUTE)
    assert fired(world) == ["05-01 08:00", "05-01 08:30"]


async def test_run_now_is_no_firing_of_its_own_time_and_is_refused_beside_a_run(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await schedule(world, "0 8 * * *", payload={"takes": 600}, overlap="allow")
    await world.call("schedule.edit", name="s", overlap="skip")
    answer = await world.call("schedule.run", name="s")
    assert (answer["meta"]["trigger"], answer["statusUrl"]) == ("manual", f"paceline job show {answer['job_id']}")
    with pytest.raises(RefusedError, match=f"job {answer['job_id']} of schedule 's' is not over"):
        await world.call("schedule.run", name="s")
    await world.call("schedule.run", name="s", anyway=True)
    await world.clock.run(2 * MINUTE)
    assert fired(world)[-1] == "05-01 08:00 overlapped"
    assert [event["text"] for event in world.events("schedule.run")] == ["ana ran schedule s"] * 2


async def test_a_kind_that_is_gone_is_refused_where_it_fires_and_stands_as_trouble(world: WorkWorld) -> None:
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await schedule(world, "0 8 * * *")
    world.engine.context.registry = Registry()
    await world.clock.run(2 * MINUTE)
    assert fired(world) == ["05-01 08:00 refused"]
    assert look(world)["trouble"].startswith("there is no job kind 'scripted'")
    [event] = world.events("schedule.refused")
    assert event["level"] == "error"
    world.engine.context.registry = world.registry
    await pass_days(world, 1)
    assert look(world)["trouble"] == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "nosuch"}, "there is no job kind 'nosuch'"),
        ({"payload": {"typo": 1}}, "payload.typo"),
        ({"cron": "0 25 * * *"}, "cron: hour"),
        ({"zone": "Europe/Berlinn"}, "zone: there is no time zone"),
        ({"queue": "nosuch"}, "queue: there is no queue"),
        ({"missed": "sometimes"}, "missed"),
        ({"name": "no good"}, "schedule name 'no good' cannot be used"),
    ],
)
async def test_what_is_wrong_is_said_before_it_is_saved(world: WorkWorld, change: dict[str, Any], said: str) -> None:
    await world.start()
    good: dict[str, Any] = {"name": "s", "kind": "scripted", "cron": "0 8 * * *", "payload": {}}
    with pytest.raises(UsageError, match=said):
        await world.call("schedule.add", **{**good, **change})
    with pytest.raises(UsageError, match=said):
        await world.call("schedule.preview", **{**good, **change})
    assert world.read(schedule_facts.schedules) == []


async def test_a_preview_shows_five_firings_with_their_notes_and_saves_nothing(world: WorkWorld) -> None:
    world.set_clock("2026-03-28T12:00:00+00:00")
    await world.start()
    answer = await world.call("schedule.preview", cron="30 2 * * *", zone="Europe/Berlin")
    assert [row["local"] for row in answer["next"]][:2] == ["Sun 2026-03-29 03:00 CEST", "Mon 2026-03-30 02:30 CEST"]
    assert [bool(row["note"]) for row in answer["next"]] == [True, False, False, False, False]
    assert answer["words"] == "At 02:30 every day"
    assert world.read(schedule_facts.schedules) == []


class Tells(Processor[Payload]):
    kind = "tells"
    about = "tells for which time it is"
    payload = Payload

    async def run(self, context: RunContext, payload: Payload) -> Outcome:
        return {"for": await context.scheduled_at(), "origin": context.origin}


async def test_a_run_knows_for_which_time_it_is(world: WorkWorld) -> None:
    world.registry = Registry({"tells": Tells})
    world.set_clock("2026-05-01T07:59:00+00:00")
    await world.start()
    await world.call("schedule.add", name="s", kind="tells", cron="0 8 * * *", zone="UTC", missed="catch_up")
    await world.stop()
    world.set_clock("2026-05-02T09:00:00+00:00")
    await world.start()
    alone = (await world.call("job.add", kind="tells"))["job_id"]
    await world.finish()
    first, second = (row for row in look(world)["firings"])
    results = {row["job_id"]: json.loads(row["result"]) for row in world.rows("SELECT job_id, result FROM tasks")}
    assert results == {
        first["job_id"]: {"for": first["at"], "origin": "schedule s"},
        second["job_id"]: {"for": second["at"], "origin": "schedule s"},
        alone: {"for": None, "origin": "manual"},
    }
    assert [iso(first["at"]), iso(second["at"])] == ["05-01 08:00", "05-02 08:00"]
