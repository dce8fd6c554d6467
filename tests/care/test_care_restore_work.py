"""`db restore` and what is no plain message: background jobs, schedules, messages that were approved since."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from storage.acts import Seen
from storage.deciding import Approved
from storage.model import DAY, HOUR, JobState, OutcomeClass, PauseReason
from storage.reader import Reader
from storage.restore import Restored, restore
from storage.restore_work import Work
from storage.schedules import ScheduleSpec
from storage.tasks import ClaimedTask, NewTask, TaskClaim, TaskEnd
from tests.support.stores import OPERATOR, Desk, kill_sqlite, said
from tests.support.stores import Row as Columns

DIGEST = "digest of the message"


async def desk_at(tmp_path: Path) -> Desk:
    return await Desk.open("sqlite", tmp_path / "paceline.db")


def back_up(desk: Desk) -> Path:
    target = desk.path.with_name("backup.db")
    desk.look.backup(target)
    return target


async def brought_back(desk: Desk, backup: Path, *, lost: bool) -> Restored:
    """The backup in the store's place an hour later; `lost`: of the old store nothing can be read."""
    desk.clock.step(HOUR)
    desk.look.close()
    await kill_sqlite(desk.store)
    if lost:
        for path in desk.path.parent.glob(f"{desk.path.name}*"):
            if path.suffix != ".lock":
                path.unlink()
    return await restore(desk.path, backup, now=desk.clock, actor=OPERATOR)


async def add(desk: Desk, effect: str, **more: int) -> int:
    queue = await desk.store.ensure_queue("default", "jobs")
    task = replace(NewTask("pay", queue.id, desk.clock(), effect=effect), **more)
    _, [made] = await desk.store.enqueue([task], name="pay", actor="ada")
    return made.id


async def begin(desk: Desk) -> ClaimedTask:
    queue = await desk.store.ensure_queue("default", "jobs")
    now = desk.clock()
    [task] = await desk.store.claim_tasks(lambda: TaskClaim(queue.id, 1, now, now + HOUR, 0, desk.store.epoch))
    return task


async def run(desk: Desk, state: JobState = JobState.COMPLETED) -> None:
    outcome = OutcomeClass.ACCEPTED if state is JobState.COMPLETED else OutcomeClass.PERMANENT
    assert await desk.store.finish_tasks([TaskEnd(await begin(desk), desk.clock(), state, outcome)]) == [True]


def jobs(desk: Desk) -> list[Columns]:
    """Every job of the restored store; its books are true."""
    with Reader(desk.path) as reader:
        assert reader.counter_drift() == []
        kinds = reader.rows("SELECT kind, state, n FROM kind_counters WHERE n <> 0 ORDER BY kind, state")
        counted = reader.rows(
            "SELECT kind, state, count(*) AS n FROM jobs WHERE kind <> 'send' GROUP BY kind, state ORDER BY kind, state"
        )
        assert kinds == counted
        return reader.rows("SELECT * FROM jobs ORDER BY id")


@pytest.mark.parametrize(
    ("effect", "state"), [("unrepeatable", "uncertain"), ("repeatable", "held"), ("keyed", "held")]
)
async def test_a_job_that_was_due_does_not_run_again_by_itself_when_nothing_of_the_old_store_is_left(
    tmp_path: Path, effect: str, state: str
) -> None:
    desk = await desk_at(tmp_path)
    await add(desk, effect)
    later = await add(desk, effect, due_at=desk.clock() + DAY)
    backup = back_up(desk)
    await run(desk)
    done = await brought_back(desk, backup, lost=True)
    assert done.work == (Work(uncertain=1) if state == "uncertain" else Work(held=1))
    rows = jobs(desk)
    assert [row["state"] for row in rows] == [state, "pending"]
    assert "after the backup" in rows[0]["last_error"]
    assert rows[1]["id"] == later


@pytest.mark.parametrize("effect", ["unrepeatable", "repeatable"])
async def test_the_old_store_tells_which_jobs_ran_and_which_never_began(tmp_path: Path, effect: str) -> None:
    desk = await desk_at(tmp_path)
    for _ in range(2):
        await add(desk, effect)
    backup = back_up(desk)
    await run(desk)
    done = await brought_back(desk, backup, lost=False)
    assert (done.evidence, done.work) == (True, Work(done=1))
    assert [row["state"] for row in jobs(desk)] == ["completed", "pending"]


@pytest.mark.parametrize(("effect", "state"), [("unrepeatable", "uncertain"), ("repeatable", "held")])
async def test_a_job_that_ran_when_the_old_store_was_lost_waits_for_a_person(
    tmp_path: Path, effect: str, state: str
) -> None:
    desk = await desk_at(tmp_path)
    await add(desk, effect)
    backup = back_up(desk)
    await begin(desk)
    await brought_back(desk, backup, lost=False)
    assert [row["state"] for row in jobs(desk)] == [state]


async def test_a_job_that_ran_at_the_backup_is_ended_with_its_attempt(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path)
    await add(desk, "unrepeatable")
    await begin(desk)
    backup = back_up(desk)
    await brought_back(desk, backup, lost=True)
    assert [row["state"] for row in jobs(desk)] == ["uncertain"]
    with Reader(desk.path) as reader:
        assert [attempt["outcome"] for attempt in reader.job(1)["attempts_log"]] == ["uncertain"]


async def test_a_job_of_the_same_id_that_was_made_at_another_time_is_no_evidence(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path)
    await add(desk, "unrepeatable")
    backup = back_up(desk)
    await run(desk)
    await desk.store.writer.submit(  # type: ignore[attr-defined]
        lambda tx: tx.execute("UPDATE jobs SET created_at = created_at + 1")
    )
    done = await brought_back(desk, backup, lost=False)
    assert (done.evidence, done.work) == (True, Work(uncertain=1))


async def test_a_schedule_makes_up_for_no_time_that_may_have_fired_after_the_backup(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path)
    next_at = desk.clock() + HOUR // 2
    spec = ScheduleSpec(name="daily", kind="pay", cron="0 8 * * *", zone="UTC", missed="catch_up")
    await desk.store.add_schedule(spec, next_at, said("schedule.added"))
    backup = back_up(desk)
    done = await brought_back(desk, backup, lost=True)
    assert done.schedules == 1
    with Reader(desk.path) as reader:
        [firing] = reader.rows("SELECT * FROM firings")
        [schedule] = reader.rows("SELECT * FROM schedules")
    assert (firing["at"], firing["outcome"], firing["job_id"]) == (next_at, "missed", None)
    assert schedule["decided_at"] == desk.clock()


async def test_a_message_that_was_approved_and_sent_before_its_planned_time_is_found_sent(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path)
    planned = desk.clock() + 3 * DAY
    batch = await desk.campaign(1, approval="message", dues=[planned])
    backup = back_up(desk)
    given = [Approved(Seen(batch.jobs[0]), desk.clock(), 0, DIGEST)]
    await desk.store.approve_jobs(given, "ada", lambda n: said("approval.approved", n=n))
    job = await desk.claim_one()
    await desk.end(job, await desk.intent(job, digest=DIGEST), JobState.COMPLETED)
    done = await brought_back(desk, backup, lost=False)
    assert (done.sent, done.uncertain) == (1, 0)
    assert [row["state"] for row in jobs(desk)] == ["completed"]


async def test_a_message_that_may_have_been_approved_since_is_uncertain(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path)
    await desk.campaign(1, approval="message", dues=[desk.clock() + 3 * DAY])
    done = await brought_back(desk, back_up(desk), lost=True)
    assert (done.sent, done.uncertain) == (0, 1)
    assert [row["state"] for row in jobs(desk)] == ["uncertain"]


async def test_what_was_sent_after_a_paused_campaign_went_on_is_found_sent(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path)
    batch = await desk.campaign(2)
    paused = await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "", said("campaign.paused"))
    backup = back_up(desk)
    assert paused.state == "paused"
    await desk.store.writer.submit(  # type: ignore[attr-defined]
        lambda tx: tx.execute("UPDATE campaigns SET state = 'active', pause_reason = '' WHERE id = ?", (batch.id,))
    )
    await desk.send(await desk.claim_one())
    done = await brought_back(desk, backup, lost=False)
    assert (done.sent, done.uncertain) == (1, 0)
    assert [row["state"] for row in jobs(desk)] == ["completed", "pending"]
