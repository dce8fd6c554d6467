"""Alarms in the store: one of a kind and subject is open, a state ends it; what is counted, and since when."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.outcomes import Action
from engine.reply_rules import _RULES
from storage import migrate
from storage.alarm_facts import alarms, open_alarms
from storage.alarms import Alarm
from storage.errors import NotFoundError, RefusedError
from storage.limits import Ceiling
from storage.model import DAY, HOUR, MINUTE, AlarmKind, JobState, OutcomeClass, PauseReason, QueueState
from storage.reputation import DEAD, Reputation, is_dead
from tests.support.stores import Desk, HandClock, open_sqlite, said

BOUNCES = "5% bounces"


async def answer(desk: Desk, outcome: OutcomeClass, state: JobState, error_key: str = "") -> None:
    """Let the next message be answered."""
    sent = outcome is OutcomeClass.ACCEPTED
    await desk.send(await desk.claim_one(), state, outcome=outcome, error_key=error_key, content_sent=sent)


async def paused(desk: Desk) -> int:
    """A campaign that an alarm paused."""
    batch = await desk.campaign(3)
    assert await desk.store.pause_for(Alarm(AlarmKind.BOUNCES, BOUNCES, batch.id), PauseReason.BOUNCES)
    return batch.id


async def test_an_alarm_pauses_its_campaign_with_one_event_and_is_open_once(desk: Desk) -> None:
    campaign = await paused(desk)
    row = desk.campaign_row("spring")
    assert (row["state"], row["pause_reason"], row["pause_detail"]) == ("paused", "bounces", BOUNCES)
    assert not await desk.store.pause_for(Alarm(AlarmKind.BOUNCES, "again", campaign), PauseReason.BOUNCES)
    assert not await desk.store.raise_alarm(Alarm(AlarmKind.BOUNCES, "again", campaign), None)
    [alarm] = open_alarms(desk.look)
    assert (alarm["kind"], alarm["name"], alarm["text"]) == ("bounces", "spring", BOUNCES)
    assert [event["kind"] for event in desk.look.events() if "paused" in event["kind"]] == ["campaign.paused"]


@pytest.mark.parametrize("ending", ["resumed", "cancelled", "completed"])
async def test_an_alarm_is_over_when_its_campaign_is_no_longer_paused(desk: Desk, ending: str) -> None:
    campaign = await paused(desk)
    await desk.store.note_feedback(campaign, desk.queue.id, bounced=5)
    if ending == "resumed":
        await desk.store.activate_campaign(campaign, said(), execution="resume")
    elif ending == "cancelled":
        await desk.store.cancel_campaign(campaign, said())
    else:
        for row in desk.look.jobs(campaign_id=campaign):
            with closing(sqlite3.connect(desk.path)) as raw:
                raw.execute("UPDATE jobs SET state = 'skipped', reason = 'cancelled' WHERE id = ?", (row["id"],))
                raw.execute("UPDATE counters SET state = 'skipped' WHERE campaign_id = ?", (campaign,))
                raw.commit()
    await desk.store.settle()
    assert open_alarms(desk.look) == []
    assert alarms(desk.look)[0]["cleared_at"] == desk.clock()
    # A person's word: what came back is counted anew for the campaign, not for the account.
    assert await desk.store.reputation_of("campaign", campaign, 0) == Reputation()
    assert (await desk.store.reputation_of("queue", desk.queue.id, 0)).bounced == 5
    assert await desk.store.raise_alarm(Alarm(AlarmKind.BOUNCES, "a new one", campaign), None)


@pytest.mark.parametrize("state", [QueueState.PAUSED, QueueState.NEEDS_ATTENTION, QueueState.RESTRICTED])
async def test_a_stopped_queue_s_alarm_stands_until_a_person_lets_it_go_on(desk: Desk, state: QueueState) -> None:
    alarm = Alarm(AlarmKind.AUTHENTICATION, "auth: refused", queue_id=desk.queue.id)
    assert await desk.store.stop_queue(alarm, state)
    assert not await desk.store.stop_queue(alarm, QueueState.PAUSED)
    await desk.store.settle()
    assert [alarm["name"] for alarm in open_alarms(desk.look)] == ["mail"]
    await desk.store.set_queue_state(desk.queue.id, QueueState.READY, event=said())
    await desk.store.settle()
    assert open_alarms(desk.look) == []


async def test_an_engine_s_alarm_never_overrides_what_a_person_paused(desk: Desk) -> None:
    await desk.store.set_queue_state(desk.queue.id, QueueState.PAUSED, reason="by ada", event=said())
    alarm = Alarm(AlarmKind.UNKNOWN, "10 in a row", queue_id=desk.queue.id)
    assert not await desk.store.stop_queue(alarm, QueueState.PAUSED)
    assert desk.queue_row()["reason"] == "by ada"
    assert open_alarms(desk.look) == []


async def test_who_acknowledged_is_remembered_and_can_be_taken_back(desk: Desk) -> None:
    await paused(desk)
    number = open_alarms(desk.look)[0]["id"]
    assert await desk.store.acknowledge_alarm(number, said("alarm.acknowledged")) == BOUNCES
    assert open_alarms(desk.look)[0]["acknowledged_by"] == "ada"
    with pytest.raises(RefusedError, match="was acknowledged by ada"):
        await desk.store.acknowledge_alarm(number, said())
    await desk.store.bring_alarm_back(number, said())
    with pytest.raises(RefusedError, match="is not acknowledged"):
        await desk.store.bring_alarm_back(number, said())
    for unknown in (desk.store.acknowledge_alarm, desk.store.bring_alarm_back):
        with pytest.raises(NotFoundError):
            await unknown(99, said())


async def test_a_queue_behind_is_told_once_and_that_it_caught_up(desk: Desk) -> None:
    for _ in range(2):
        await desk.store.tell_behind({desk.queue.id: "behind its plan"})
    assert [alarm["kind"] for alarm in open_alarms(desk.look)] == ["behind"]
    await desk.store.settle()
    assert len(open_alarms(desk.look)) == 1
    for _ in range(2):
        await desk.store.tell_behind({})
    assert open_alarms(desk.look) == []
    kinds = [event["kind"] for event in desk.look.events() if event["kind"].startswith("queue.")]
    assert kinds == ["queue.behind", "queue.on_time"]


async def test_only_running_queues_below_their_caps_are_overdue(desk: Desk) -> None:
    await desk.campaign(12)
    due = desk.clock()
    desk.clock.step(2 * HOUR)
    [one] = await desk.store.overdue({})
    assert (one.queue_id, one.campaign, one.due_at) == (desk.queue.id, "spring", due)
    for _ in range(9):
        await answer(desk, OutcomeClass.ACCEPTED, JobState.COMPLETED)
    assert len(await desk.store.overdue({desk.queue.id: [Ceiling(12, HOUR)]})) == 1
    assert await desk.store.overdue({desk.queue.id: [Ceiling(10, HOUR)]}) == []
    desk.clock.step(HOUR + MINUTE)
    assert len(await desk.store.overdue({desk.queue.id: [Ceiling(10, HOUR)]})) == 1
    await desk.store.set_engine_paused(True, said())
    assert await desk.store.overdue({}) == []
    await desk.store.set_engine_paused(False, said())
    await desk.store.set_queue_state(desk.queue.id, QueueState.PAUSED, event=said())
    assert await desk.store.overdue({}) == []


async def test_answers_are_counted_with_their_outcome_and_by_the_hour(desk: Desk) -> None:
    batch = await desk.campaign(5)
    await answer(desk, OutcomeClass.ACCEPTED, JobState.COMPLETED)
    await answer(desk, OutcomeClass.PERMANENT, JobState.FAILED, error_key="550 5.1.1 user unknown")
    desk.clock.step(2 * HOUR)
    await answer(desk, OutcomeClass.PERMANENT, JobState.FAILED, error_key="554 computer says no")
    await answer(desk, OutcomeClass.CONTENT, JobState.FAILED, error_key="552 message too big")
    for scope, id in (("campaign", batch.id), ("queue", desk.queue.id)):
        assert await desk.store.reputation_of(scope, id, 0) == Reputation(3, 1, 0)
        assert await desk.store.reputation_of(scope, id, desk.clock() - HOUR) == Reputation(1, 0, 0)
    assert await desk.store.reputations_changed(0) == [("campaign", batch.id), ("queue", desk.queue.id)]
    assert await desk.store.reputations_changed(desk.clock()) == []
    answers, _, _ = await desk.store.last_answers(desk.queue.id, 3)
    assert [answer.outcome for answer in answers] == ["permanent", "permanent", "content"]


def test_the_reasons_of_dead_addresses_are_those_of_the_rules() -> None:
    """The store reads them out of the reason, the rules say what becomes of the address: both mean the same."""
    rules = {rule.fact for rule in _RULES if rule.action in (Action.SUPPRESS, Action.SUPPRESS_90D)}
    assert set(DEAD) == rules
    assert is_dead(OutcomeClass.PERMANENT, "550 5.1.1 user unknown")
    assert not is_dead(OutcomeClass.TRANSIENT, "450 4.1.1 user unknown")
    assert not is_dead(OutcomeClass.PERMANENT, "550 user unknown to us")
    assert set(DEAD) == {line for line in DEAD if f"'%{line}'" in migrate.migrations()[4].sql}


async def test_what_came_back_before_the_migration_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, steps, now = tmp_path / "paceline.db", migrate.migrations()[:4], 10 * DAY
    hour = now // HOUR
    with monkeypatch.context() as patched, closing(sqlite3.connect(path, isolation_level=None)) as raw:
        patched.setattr(migrate, "migrations", lambda: steps)
        migrate.apply(raw, 0)
        minutes = [(hour * 60, 1, 1, "accepted", 90), (hour * 60 + 7, 1, 1, "permanent", 10),
                   (hour * 60, 0, 1, "accepted", 5), (hour * 60, 1, 1, "transient", 50)]  # fmt: skip
        raw.executemany("INSERT INTO outcome_minutes VALUES (?, ?, ?, ?, ?, 0)", minutes)
        failures = [("550 5.1.1 user unknown", "permanent", 4), ("550 5.4.4 no route to domain", "permanent", 2),
                    ("554 computer says no", "permanent", 4), ("450 user unknown", "transient", 9)]  # fmt: skip
        raw.executemany(f"INSERT INTO failure_hours VALUES (?, 1, 1, ?, {hour}, ?, 0, 0, '')", failures)
    store = await open_sqlite(path, HandClock(now))
    assert await store.reputation_of("campaign", 1, 0) == Reputation(100, 6, 0)
    assert await store.reputation_of("queue", 1, 0) == Reputation(105, 6, 0)
    await store.close()
