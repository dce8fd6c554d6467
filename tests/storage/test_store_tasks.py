"""Background jobs in any store: who is claimed first, how runs end, what waits for what."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from storage.endings import POISON
from storage.model import MINUTE, SECOND, Effect, JobState, OutcomeClass
from storage.nouns import Queue
from storage.tasks import ClaimedTask, Made, NewTask, TaskClaim, TaskEnd
from storage.work_terms import CHANNEL
from tests.support.stores import LEASE, Desk, said

AGEING = 10 * MINUTE


async def work_queue(desk: Desk) -> Queue:
    return await desk.store.ensure_queue("default", CHANNEL)


async def make(desk: Desk, *tasks: dict[str, Any]) -> list[Made]:
    queue = await work_queue(desk)
    new = [NewTask(**({"kind": "report", "queue_id": queue.id, "due_at": desk.clock()} | task)) for task in tasks]
    return (await desk.store.enqueue(new, name="test", actor="ada"))[1]


async def claim(desk: Desk, room: int = 100, *, ageing: int = AGEING, suspect: bool = True) -> list[ClaimedTask]:
    queue, now = await work_queue(desk), desk.clock()
    wanted = TaskClaim(queue.id, room, now, now + LEASE, ageing, desk.store.epoch, suspect)
    return await desk.store.claim_tasks(lambda: wanted)


def end(desk: Desk, task: ClaimedTask, state: JobState = JobState.COMPLETED, **more: Any) -> TaskEnd:
    outcome = {
        JobState.COMPLETED: OutcomeClass.ACCEPTED,
        JobState.FAILED: OutcomeClass.PERMANENT,
        JobState.PENDING: OutcomeClass.TRANSIENT,
        JobState.UNCERTAIN: OutcomeClass.UNCERTAIN,
    }[state]
    key = "" if state is JobState.COMPLETED else "broken"
    due = desk.clock() + MINUTE if state is JobState.PENDING else None
    return TaskEnd(task, desk.clock(), state, outcome, **({"due_at": due, "error_key": key, "error": key} | more))


def kinds(desk: Desk) -> dict[tuple[str, str], int]:
    rows = desk.look.rows("SELECT kind, state, n FROM kind_counters WHERE n <> 0")
    return {(row["kind"], row["state"]): row["n"] for row in rows}


async def release(desk: Desk, batch_id: int) -> None:
    after: int | None = 0
    while after is not None:
        after = await desk.store.release_slice(batch_id, after)


# who goes first


async def test_the_highest_priority_goes_first_then_what_is_due_longest(desk: Desk) -> None:
    now = desk.clock()
    made = await make(desk, {"priority": 3}, {"priority": 9}, {"priority": 9, "due_at": now - SECOND}, {"priority": 10})
    ids = [one.id for one in made]
    assert [task.id for task in await claim(desk)] == [ids[3], ids[2], ids[1], ids[0]]


async def test_waiting_raises_a_priority_step_by_step_to_the_highest(desk: Desk) -> None:
    [old] = await make(desk, {"priority": 1})
    desk.clock.step(4 * AGEING)
    [five, six] = await make(desk, {"priority": 5}, {"priority": 6})
    # Four steps: the old one is a 5 now, and older than the other 5.
    assert [task.id for task in await claim(desk)] == [six.id, old.id, five.id]


async def test_without_ageing_a_low_one_waits_for_ever(desk: Desk) -> None:
    [old] = await make(desk, {"priority": 1})
    desk.clock.step(1_000 * AGEING)
    [new] = await make(desk, {"priority": 2})
    assert [task.id for task in await claim(desk, 1, ageing=0)] == [new.id]
    assert [task.id for task in await claim(desk, 1, ageing=0)] == [old.id]


async def test_a_claim_takes_as_many_as_there_is_room_for_and_none_twice(desk: Desk) -> None:
    made = await make(desk, *({} for _ in range(5)))
    first, second = await claim(desk, 3), await claim(desk, 3)
    assert [task.id for task in first + second] == [one.id for one in made]
    assert await claim(desk, 0) == []


async def test_what_is_due_later_or_held_or_of_a_paused_queue_is_not_claimed(desk: Desk) -> None:
    await make(desk, {"due_at": desk.clock() + MINUTE}, {"held": "no gateway"})
    assert await claim(desk) == []
    [due] = await make(desk, {})
    await desk.store.set_engine_paused(True, said("paused"))
    assert await claim(desk) == []
    await desk.store.set_engine_paused(False, said("resumed"))
    assert [task.id for task in await claim(desk)] == [due.id]


async def test_a_delayed_job_is_claimed_once_it_is_promoted(desk: Desk) -> None:
    [later] = await make(desk, {"due_at": desk.clock() + MINUTE})
    desk.clock.step(MINUTE)
    await desk.store.promote()
    assert [task.id for task in await claim(desk)] == [later.id]


# making


async def test_a_job_of_which_nobody_knows_keeps_its_unique_key_until_a_person_says(desk: Desk) -> None:
    [first] = await make(desk, {"unique_key": "order 7", "effect": Effect.UNREPEATABLE.value})
    [task] = await claim(desk)
    await desk.store.finish_tasks([end(desk, task, JobState.UNCERTAIN)])
    assert await make(desk, {"unique_key": "order 7"}) == [Made(first.id, False)]


async def test_an_open_job_keeps_its_unique_key(desk: Desk) -> None:
    [first, twin] = await make(desk, {"unique_key": "a"}, {"unique_key": "a"})
    assert twin == Made(first.id, False)
    assert await make(desk, {"unique_key": "a"}) == [twin]
    [task] = await claim(desk)
    assert await make(desk, {"unique_key": "a"}) == [twin]
    await desk.store.finish_tasks([end(desk, task)])
    [later] = await make(desk, {"unique_key": "a"})
    assert later.new


async def test_a_slice_of_many_has_ids_of_its_own_in_order(desk: Desk) -> None:
    made = await make(desk, *({"payload": json.dumps({"n": n})} for n in range(300)))
    ids = [one.id for one in made]
    assert ids == list(range(ids[0], ids[0] + 300))
    tasks = await claim(desk, 300)
    assert [json.loads(task.payload)["n"] for task in tasks] == list(range(300))
    assert all(await desk.store.finish_tasks([end(desk, task) for task in tasks]))
    assert kinds(desk) == {("report", "completed"): 300}


async def test_what_is_loading_cannot_be_claimed_and_nothing_stays_of_an_empty_batch(desk: Desk) -> None:
    queue = await work_queue(desk)
    batch_id = await desk.store.begin_batch(None, "enqueue", "many", "ada")
    await desk.store.add_tasks(batch_id, [NewTask("report", queue.id, desk.clock())])
    assert await claim(desk) == []
    await desk.store.finish_enqueue(batch_id, go_on=False)
    await release(desk, batch_id)
    assert len(await claim(desk)) == 1
    empty = await desk.store.begin_batch(None, "enqueue", "none", "ada")
    await desk.store.finish_enqueue(empty, go_on=False)
    assert desk.look.rows("SELECT id FROM batches WHERE id = ?", (empty,)) == []


# ends


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.FAILED, JobState.PENDING, JobState.UNCERTAIN])
async def test_an_end_is_in_the_row_the_attempts_and_every_sum(desk: Desk, state: JobState) -> None:
    [made] = await make(desk, {})
    [task] = await claim(desk)
    desk.clock.step(3 * SECOND)
    assert await desk.store.finish_tasks(
        [end(desk, task, state, flag="look" if state is JobState.COMPLETED else "")]
    ) == [True]
    job = desk.job(made.id)
    assert (job["state"], job["attempts"], job["lease_until"]) == (state.value, 1, None)
    [attempt] = desk.attempts(made.id)
    assert (attempt["intent_at"], attempt["finished_at"], attempt["duration"]) == (
        task.started_at, task.started_at + 3 * SECOND, 3 * SECOND,
    )  # fmt: skip
    assert kinds(desk) == {("report", state.value): 1}
    [hour] = desk.look.rows("SELECT outcome, n, duration FROM kind_hours")
    assert (hour["n"], hour["duration"]) == (1, 3 * SECOND)
    assert hour["outcome"] == {"pending": "retried"}.get(state.value, state.value)


async def test_ends_of_several_leases_and_states_are_recorded_together(desk: Desk) -> None:
    made = await make(desk, *({} for _ in range(4)))
    first = await claim(desk)
    await desk.store.give_back(first[:2])
    again = await claim(desk)
    assert [task.lease for task in again] == [2, 2]
    ends = [end(desk, first[2]), end(desk, again[0]), end(desk, first[3], JobState.FAILED), end(desk, again[1])]
    stale = end(desk, first[0], JobState.FAILED)
    assert await desk.store.finish_tasks([stale, *ends]) == [False, True, True, True, True]
    assert [desk.state(one.id) for one in made] == ["completed", "completed", "completed", "failed"]


async def test_an_end_with_an_old_lease_changes_nothing(desk: Desk) -> None:
    [made] = await make(desk, {})
    [task] = await claim(desk)
    desk.clock.step(2 * LEASE)
    await desk.store.rescue(everything=False)
    before = desk.job(made.id)
    assert await desk.store.finish_tasks([end(desk, task, result='{"n": 1}')]) == [False]
    assert desk.job(made.id) == before
    assert await desk.store.renew_leases([(task.id, task.lease)], desk.clock() + LEASE) == [task.id]
    assert not await desk.store.keep_items(task, "items", [("1", True, "1")])
    assert await desk.store.give_back([task]) == 0


async def test_the_same_end_twice_in_one_commit_counts_once(desk: Desk) -> None:
    await make(desk, {})
    [task] = await claim(desk)
    assert await desk.store.finish_tasks([end(desk, task), end(desk, task)]) == [True, False]


async def test_what_was_said_of_an_earlier_run_does_not_outlive_a_later_one(desk: Desk) -> None:
    [made] = await make(desk, {})
    [task] = await claim(desk)
    await desk.store.ask_to_end(made.id, "ada")
    await desk.store.finish_tasks([end(desk, task, JobState.FAILED, asked=True)])
    [row] = desk.look.rows("SELECT cancel FROM tasks")
    assert row["cancel"] == ""


async def test_a_lease_that_is_renewed_is_not_rescued(desk: Desk) -> None:
    [made] = await make(desk, {})
    [task] = await claim(desk)
    desk.clock.step(LEASE - SECOND)
    assert await desk.store.renew_leases([(task.id, task.lease)], desk.clock() + LEASE) == []
    desk.clock.step(LEASE - SECOND)
    await desk.store.rescue(everything=False)
    assert desk.state(made.id) == "processing"


# engines that die


async def test_one_that_must_not_run_twice_has_its_intent_with_its_claim(desk: Desk) -> None:
    [made] = await make(desk, {"effect": Effect.UNREPEATABLE.value})
    [task] = await claim(desk)
    [attempt] = desk.attempts(made.id)
    assert (task.attempt_id, attempt["outcome"]) == (attempt["id"], None)
    await desk.kill()
    await desk.store.rescue(everything=True)
    assert desk.state(made.id) == "uncertain"
    assert await claim(desk) == []


async def test_one_that_was_given_back_before_it_began_may_run(desk: Desk) -> None:
    [made] = await make(desk, {"effect": Effect.UNREPEATABLE.value})
    assert await desk.store.give_back(await claim(desk)) == 1
    [task] = await claim(desk)
    await desk.store.finish_tasks([end(desk, task)])
    assert [attempt["outcome"] for attempt in desk.attempts(made.id)] == ["transient", "accepted"]


async def test_a_job_fails_whose_engine_died_three_times(desk: Desk) -> None:
    [made] = await make(desk, {})
    for _ in range(POISON):
        assert desk.state(made.id) == "pending"
        await claim(desk)
        await desk.kill()
        await desk.store.rescue(everything=True)
    assert desk.state(made.id) == "failed"


async def test_those_whose_engine_died_often_run_one_at_a_time(desk: Desk) -> None:
    """What ends the engine takes nobody with it at the last time: the others of its run are claimed after it."""
    made = await make(desk, {}, {}, {})
    for _ in range(POISON - 1):
        assert len(await claim(desk)) == 3
        await desk.kill()
        await desk.store.rescue(everything=True)
    [fresh] = await make(desk, {})
    first = await claim(desk)
    assert [task.id for task in first] == [made[0].id, fresh.id]
    assert await claim(desk, suspect=False) == []
    assert [task.id for task in await claim(desk)] == [made[1].id]


# stages


async def staged(desk: Desk, *stages: int, go_on: bool = False) -> list[int]:
    queue = await work_queue(desk)
    batch_id = await desk.store.begin_batch(None, "enqueue", "staged", "ada")
    new = [NewTask("report", queue.id, desk.clock(), stage=stage) for stage in stages]
    made = await desk.store.add_tasks(batch_id, new)
    await desk.store.finish_enqueue(batch_id, go_on=go_on)
    await release(desk, batch_id)
    return [one.id for one in made]


async def test_a_stage_begins_when_all_of_the_earlier_ones_are_over(desk: Desk) -> None:
    ids = await staged(desk, 2, 1, 1, 3)
    first = await claim(desk)
    assert [task.id for task in first] == [ids[1], ids[2]]
    await desk.store.finish_tasks([end(desk, first[0])])
    await desk.store.settle()
    assert await claim(desk) == []
    await desk.store.finish_tasks([end(desk, first[1])])
    await desk.store.settle()
    [second] = await claim(desk)
    assert second.id == ids[0]
    await desk.store.finish_tasks([end(desk, second)])
    await desk.store.settle()
    assert [task.id for task in await claim(desk)] == [ids[3]]


@pytest.mark.parametrize(("state", "go_on", "begins"), [
    (JobState.FAILED, False, False),
    (JobState.UNCERTAIN, False, False),
    (JobState.FAILED, True, True),
    (JobState.PENDING, True, False),
])  # fmt: skip
async def test_what_ended_badly_holds_the_next_stage_unless_it_is_to_go_on(
    desk: Desk, state: JobState, go_on: bool, begins: bool
) -> None:
    ids = await staged(desk, 1, 2, go_on=go_on)
    [task] = await claim(desk)
    await desk.store.finish_tasks([end(desk, task, state)])
    await desk.store.settle()
    assert [task.id for task in await claim(desk)] == ([ids[1]] if begins else [])


async def test_items_are_kept_and_known_to_the_next_run(desk: Desk) -> None:
    await make(desk, {})
    [task] = await claim(desk)
    assert await desk.store.keep_items(task, "items", [("1", True, "10"), ("2", False, "no")])
    await desk.store.give_back([task])
    [again] = await claim(desk)
    assert await desk.store.items_done(again.id, "items") == {"1": "10"}
    assert await desk.store.keep_items(again, "items", [("2", True, "20")])
    assert await desk.store.items_done(again.id, "items") == {"1": "10", "2": "20"}
    assert not await desk.store.keep_items(replace(again, lease=again.lease - 1), "items", [("3", True, "30")])
