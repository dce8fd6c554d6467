"""Schedules and their firings (conformance of any store)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from storage import firings, pruning, schedule_facts
from storage.errors import NotFoundError, RefusedError
from storage.firings import Decision, Told
from storage.model import DAY, HOUR, MINUTE, JobState, OutcomeClass
from storage.schedules import Schedule, ScheduleSpec
from storage.tasks import ClaimedTask, NewTask, TaskClaim, TaskEnd
from tests.support.stores import NOON, Desk, said

EIGHT = (NOON // DAY + 1) * DAY + 8 * HOUR
"""The next 08:00 after the desk's clock begins."""


async def made(desk: Desk, **more: Any) -> Schedule:
    spec = ScheduleSpec(**{"name": "daily", "kind": "report", "cron": "0 8 * * *", "zone": "UTC", **more})
    return await desk.store.add_schedule(spec, EIGHT, said("schedule.added"))


async def task(desk: Desk) -> NewTask:
    queue = await desk.store.ensure_queue("default", "jobs")
    return NewTask("report", queue.id, desk.clock(), origin="schedule daily")


async def decide(
    desk: Desk,
    seen: Schedule,
    *on_time: int,
    made_up: tuple[int, ...] = (),
    missed: tuple[int, ...] = (),
    refused: str = "",
) -> int | None:
    """Fire these times; the schedule goes on with the day after the newest."""
    last = max((seen.decided_at, *on_time, *made_up, *missed))
    return await desk.store.decide_firings(
        Decision(
            seen,
            made_up=[Told(at) for at in made_up],
            on_time=[Told(at) for at in on_time],
            missed=[Told(at, "nobody was there") for at in missed],
            task=None if refused else await task(desk),
            refused=refused,
            decided_at=last,
            next_at=last + DAY,
        )
    )


def outcomes(desk: Desk, name: str = "daily") -> list[tuple[int, str]]:
    """Every firing in order: its time and what became of it."""
    id = schedule_facts.schedule(desk.look, name)["id"]
    return [(row["at"], row["outcome"]) for row in reversed(schedule_facts.firings(desk.look, id, 2_000))]


async def claimed(desk: Desk, room: int = 10) -> list[ClaimedTask]:
    queue = await desk.store.ensure_queue("default", "jobs")
    now = desk.clock()
    return await desk.store.claim_tasks(lambda: TaskClaim(queue.id, room, now, now + HOUR, 0, desk.store.epoch))


async def end_all(desk: Desk) -> int:
    jobs = await claimed(desk)
    for job in jobs:
        end = TaskEnd(job, desk.clock(), JobState.COMPLETED, OutcomeClass.ACCEPTED)
        assert await desk.store.finish_tasks([end]) == [True]
    await desk.store.settle()
    return len(jobs)


async def read_again(desk: Desk) -> Schedule:
    return await desk.store.get_schedule("daily")


# one firing a time


async def test_a_firing_and_its_job_are_made_together(desk: Desk) -> None:
    seen = await made(desk)
    assert await decide(desk, seen, EIGHT) == 1
    last = schedule_facts.schedule(desk.look, "daily")["last"]
    assert (last["at"], last["outcome"], last["job_state"], last["manual"]) == (EIGHT, "started", "pending", False)
    assert schedule_facts.of_job(desk.look, last["job_id"])["schedule"] == "daily"  # type: ignore[index]
    after = await read_again(desk)
    assert (after.decided_at, after.next_at) == (EIGHT, EIGHT + DAY)


async def test_two_looks_at_one_time_make_one_job(desk: Desk) -> None:
    seen = await made(desk)
    assert [await decide(desk, seen, EIGHT), await decide(desk, seen, EIGHT)] == [1, None]
    assert desk.counts() == {"pending": 1}


async def test_a_time_that_has_its_row_makes_no_second_job_whoever_asks(desk: Desk) -> None:
    seen = await made(desk, overlap="allow")
    await decide(desk, seen, EIGHT)
    # Set back to before the time, and begun anew by a person.
    desk.clock.time = EIGHT - HOUR
    off = await desk.store.set_schedule_enabled(await read_again(desk), False, None, said())
    again = await desk.store.set_schedule_enabled(off, True, EIGHT, said())
    assert again.decided_at == EIGHT - HOUR
    assert await decide(desk, again, EIGHT) == 0
    assert outcomes(desk) == [(EIGHT, "started")]
    assert desk.counts() == {"pending": 1}


async def test_what_dies_before_its_commit_leaves_nothing_and_is_done_whole_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = await made(desk)

    def die(*args: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(firings, "finish_batch", die)
        with pytest.raises(ZeroDivisionError):
            await decide(desk, seen, EIGHT, missed=(EIGHT - DAY,))
    assert outcomes(desk) == []
    assert desk.counts() == {}
    await desk.kill()
    assert await read_again(desk) == seen
    assert await decide(desk, seen, EIGHT, missed=(EIGHT - DAY,)) == 1
    await desk.kill()
    assert await decide(desk, seen, EIGHT) is None
    assert outcomes(desk) == [(EIGHT - DAY, "missed"), (EIGHT, "started")]
    assert desk.counts() == {"pending": 1}


async def test_only_schedules_that_are_due_are_read(desk: Desk) -> None:
    seen = await made(desk)
    later = await desk.store.add_schedule(replace(seen.spec, name="later"), EIGHT + HOUR, said("schedule.added"))
    off = await desk.store.add_schedule(replace(seen.spec, name="off", enabled=False), EIGHT, said())
    assert off.enabled is False
    assert await desk.store.due_schedules(EIGHT - 1, 10) == ([], EIGHT)
    assert await desk.store.due_schedules(EIGHT, 10) == ([seen], later.next_at)


# overlap


async def test_skip_keeps_the_firing_and_begins_nothing_while_its_job_is_open(desk: Desk) -> None:
    await decide(desk, await made(desk), EIGHT)
    assert await decide(desk, await read_again(desk), EIGHT + DAY) == 0
    assert outcomes(desk) == [(EIGHT, "started"), (EIGHT + DAY, "overlapped")]
    job_id = desk.look.rows("SELECT job_id FROM firings WHERE job_id IS NOT NULL")[0]["job_id"]
    last = schedule_facts.schedule(desk.look, "daily")["last"]
    assert last["note"] == f"job {job_id} was not over"
    await end_all(desk)
    assert await decide(desk, await read_again(desk), EIGHT + 2 * DAY) == 1


async def test_allow_begins_beside_what_runs(desk: Desk) -> None:
    await decide(desk, await made(desk, overlap="allow"), EIGHT)
    assert await decide(desk, await read_again(desk), EIGHT + DAY, EIGHT + 2 * DAY) == 2
    assert len(await claimed(desk)) == 3


async def test_with_wait_only_the_newest_waits_and_begins_when_the_one_before_is_over(desk: Desk) -> None:
    await decide(desk, await made(desk, overlap="wait"), EIGHT)
    await decide(desk, await read_again(desk), EIGHT + DAY)
    await decide(desk, await read_again(desk), EIGHT + 2 * DAY)
    assert outcomes(desk) == [(EIGHT, "started"), (EIGHT + DAY, "overlapped"), (EIGHT + 2 * DAY, "waiting")]
    assert await desk.store.waiting_firings() == []
    await end_all(desk)
    [(seen, at)] = await desk.store.waiting_firings()
    assert at == EIGHT + 2 * DAY
    assert await desk.store.begin_waiting(seen, at, await task(desk), "")
    assert not await desk.store.begin_waiting(seen, at, await task(desk), "")
    assert outcomes(desk)[-1] == (EIGHT + 2 * DAY, "started")
    assert desk.counts() == {"completed": 1, "pending": 1}


async def test_what_waits_counts_as_work_that_can_still_run(desk: Desk) -> None:
    await decide(desk, await made(desk, overlap="wait"), EIGHT)
    await decide(desk, await read_again(desk), EIGHT + DAY)
    await end_all(desk)
    queue = await desk.store.ensure_queue("default", "jobs")
    assert await desk.store.runnable([queue.id]) == 1
    [(seen, at)] = await desk.store.waiting_firings()
    assert await desk.store.begin_waiting(seen, at, await task(desk), "")
    await end_all(desk)
    assert await desk.store.runnable([queue.id]) == 0


async def test_a_firing_that_waits_begins_no_more_once_its_schedule_is_disabled(desk: Desk) -> None:
    await decide(desk, await made(desk, overlap="wait"), EIGHT)
    await decide(desk, await read_again(desk), EIGHT + DAY)
    await desk.store.set_schedule_enabled(await read_again(desk), False, None, said())
    await end_all(desk)
    assert await desk.store.waiting_firings() == []
    assert outcomes(desk)[-1] == (EIGHT + DAY, "overlapped")


async def test_what_is_made_up_runs_one_after_another(desk: Desk) -> None:
    times = tuple(EIGHT + n * DAY for n in range(3))
    assert await decide(desk, await made(desk), made_up=times) == 3
    assert outcomes(desk) == [(at, "started") for at in times]
    for _ in times:
        assert await end_all(desk) == 1
    assert desk.counts() == {"completed": 3}


async def test_what_is_on_time_runs_behind_what_is_made_up(desk: Desk) -> None:
    seen = await made(desk)
    assert await decide(desk, seen, EIGHT + 2 * DAY, made_up=(EIGHT, EIGHT + DAY)) == 3
    for _ in range(3):
        assert await end_all(desk) == 1


async def test_of_several_that_are_on_time_at_once_only_the_first_begins(desk: Desk) -> None:
    assert await decide(desk, await made(desk), EIGHT, EIGHT + MINUTE) == 1
    assert [word for _, word in outcomes(desk)] == ["started", "overlapped"]


# by hand


async def test_run_now_makes_a_job_beside_the_times(desk: Desk) -> None:
    seen = await made(desk)
    desk.clock.time = EIGHT
    job_id = await desk.store.run_schedule(seen.id, await task(desk), said("schedule.run"), anyway=False)
    assert desk.look.events()[-1]["job_id"] == job_id
    last = schedule_facts.schedule(desk.look, "daily")["last"]
    assert (last["job_id"], last["manual"], last["outcome"]) == (job_id, True, "started")
    await end_all(desk)
    assert await decide(desk, await read_again(desk), EIGHT) == 1, "its own time is still to come"


async def test_run_now_is_refused_while_a_job_is_open_unless_anyway(desk: Desk) -> None:
    seen = await made(desk)
    job_id = await desk.store.run_schedule(seen.id, await task(desk), said(), anyway=False)
    with pytest.raises(RefusedError, match=f"job {job_id} of schedule 'daily' is not over"):
        await desk.store.run_schedule(seen.id, await task(desk), said(), anyway=False)
    assert await desk.store.run_schedule(seen.id, await task(desk), said(), anyway=True) > job_id


# what cannot be made


async def test_a_refused_firing_is_kept_and_its_trouble_stands_until_one_makes_its_job(desk: Desk) -> None:
    seen = await made(desk)
    assert await decide(desk, seen, EIGHT, refused="there is no job kind 'report'") == 0
    [row] = schedule_facts.troubled(desk.look)
    assert (row["name"], row["trouble"], row["at"]) == ("daily", "there is no job kind 'report'", desk.clock())
    await decide(desk, await read_again(desk), EIGHT + DAY, refused="there is no job kind 'report'")
    assert len([event for event in desk.look.events() if event["kind"] == "schedule.refused"]) == 1
    await decide(desk, await read_again(desk), EIGHT + 2 * DAY)
    assert schedule_facts.troubled(desk.look) == []


# what is kept no longer


async def test_old_firings_go_in_slices_but_for_the_newest_and_those_whose_job_is_open(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "SLICE", 40)
    seen = await made(desk, overlap="allow")
    await decide(desk, seen, EIGHT)
    missed = tuple(EIGHT + n * MINUTE for n in range(1, 301))
    await decide(desk, await read_again(desk), missed=missed)
    before = EIGHT + 300 * DAY
    assert pruning.old_firings(desk.look, before) == 200
    removed, after, calls = 0, 0, 0
    while after is not None:
        slice_ = await desk.store.prune_firings(before, after)
        removed, after, calls = removed + slice_.removed, slice_.after, calls + 1
        assert slice_.removed <= 40
    assert (removed, calls) == (200, 6)
    left = outcomes(desk)
    assert left[0] == (EIGHT, "started"), "its job is not over"
    assert [at for at, _ in left[1:]] == list(missed[-100:])
    await end_all(desk)
    assert (await desk.store.prune_firings(before, 0)).removed == 1
    assert (await desk.store.prune_firings(EIGHT, 0)).removed == 0


# changes by people


async def test_other_times_count_from_now_on_and_the_due_one_is_given_up(desk: Desk) -> None:
    seen = await made(desk)
    desk.clock.time = EIGHT + MINUTE
    after = await desk.store.edit_schedule(seen, replace(seen.spec, cron="0 9 * * *"), EIGHT + HOUR, said())
    assert (after.decided_at, after.next_at, after.version) == (EIGHT + MINUTE, EIGHT + HOUR, 2)
    assert outcomes(desk) == [(EIGHT, "missed")]
    assert await decide(desk, seen, EIGHT) is None, "what was decided before the edit is worth nothing"


async def test_an_edit_that_leaves_the_times_alone_loses_none(desk: Desk) -> None:
    seen = await made(desk)
    desk.clock.time = EIGHT + MINUTE
    after = await desk.store.edit_schedule(seen, replace(seen.spec, payload='{"days": 7}'), None, said())
    assert (after.decided_at, after.next_at) == (seen.decided_at, EIGHT)
    assert await decide(desk, after, EIGHT) == 1


async def test_a_change_of_what_changed_meanwhile_is_refused(desk: Desk) -> None:
    seen = await made(desk)
    await desk.store.set_schedule_enabled(seen, False, None, said())
    for change in (
        desk.store.edit_schedule(seen, seen.spec, EIGHT, said()),
        desk.store.set_schedule_enabled(seen, True, EIGHT, said()),
        desk.store.remove_schedule(seen, said()),
    ):
        with pytest.raises(RefusedError, match="changed meanwhile"):
            await change


async def test_a_name_is_given_once(desk: Desk) -> None:
    await made(desk)
    with pytest.raises(RefusedError, match="there is a schedule 'daily' already"):
        await made(desk)


async def test_removed_it_is_gone_and_its_jobs_stay(desk: Desk) -> None:
    seen = await made(desk)
    await decide(desk, seen, EIGHT)
    await desk.store.remove_schedule(await read_again(desk), said("schedule.removed"))
    with pytest.raises(NotFoundError):
        await read_again(desk)
    assert schedule_facts.schedules(desk.look) == []
    assert desk.counts() == {"pending": 1}


# bounded


async def test_old_firings_are_let_go_but_never_one_whose_job_may_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firings, "KEPT", 3)
    await decide(desk, await made(desk), EIGHT)
    for n in range(1, 12):
        await decide(desk, await read_again(desk), EIGHT + n * DAY)
    kept = outcomes(desk)
    assert kept[0] == (EIGHT, "started")
    assert kept[1:] == [(EIGHT + n * DAY, "overlapped") for n in range(6, 12)]
    await end_all(desk)
    for n in range(12, 20):
        await decide(desk, await read_again(desk), EIGHT + n * DAY)
        await end_all(desk)
    assert [at for at, word in outcomes(desk) if word == "started"] == [EIGHT + n * DAY for n in (17, 18, 19)]
