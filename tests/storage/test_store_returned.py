"""What comes back counts once, and by its class: a full mailbox, a complaint that is told twice (conformance)."""

from __future__ import annotations

import asyncio

from storage.inbox import Effect, Returned
from storage.model import DAY, JobState
from storage.reputation import Reputation
from tests.support.stores import Desk

RESTS = 90 * DAY


async def sent_to_ada(desk: Desk, name: str) -> int:
    """A campaign's message to Ada that was accepted."""
    draft = await desk.draft(name)
    await desk.people(draft.id, ["ada"])
    await desk.begin_campaign(await desk.load(draft))
    job = await desk.claim_one()
    await desk.send(job)
    return job.id


async def full(desk: Desk, job: int, digest: str = "") -> Effect:
    back = Returned(
        digest or f"full {job}", "bounce", desk.clock(), message_ids=(desk.job(job)["message_id"],), code=552,
        enhanced="5.2.2", diagnostic="over quota", suppress="full", suppress_for=RESTS,
    )  # fmt: skip
    (effect,) = await desk.store.take_returned([back])
    return effect


async def complain(desk: Desk, job: int, digest: str) -> Effect:
    back = Returned(
        digest, "complaint", desk.clock(), message_ids=(desk.job(job)["message_id"],), suppress="complained"
    )
    (effect,) = await desk.store.take_returned([back])
    return effect


async def health(desk: Desk) -> Reputation:
    reputation: Reputation = await desk.store.reputation_of("queue", desk.queue.id, 0)
    return reputation


def suppressed(desk: Desk) -> list[tuple[str, str, int | None]]:
    rows = desk.look.rows("SELECT value, reason, expires_at FROM suppressions")
    return [(row["value"], row["reason"], row["expires_at"]) for row in rows]


async def test_a_full_mailbox_that_is_told_later_is_no_mark_against_the_sender(desk: Desk) -> None:
    job = await sent_to_ada(desk, "spring")
    assert (await full(desk, job)).effect == "bounced"
    assert (await health(desk)).bounced == 0
    assert desk.job(job)["error_key"] == "bounced: 5.2.2 mailbox full"
    assert [row["last_error"] for row in desk.look.rows("SELECT last_error FROM jobs")] == ["over quota"]
    assert suppressed(desk) == []


async def test_the_third_full_mailbox_within_thirty_days_suppresses_whichever_way_it_is_told(desk: Desk) -> None:
    first = await sent_to_ada(desk, "one")
    await full(desk, first)
    await full(desk, first, "the same told again")
    desk.clock.step(DAY)
    draft = await desk.draft("two")
    await desk.people(draft.id, ["ada"])
    await desk.begin_campaign(await desk.load(draft))
    refused = await desk.claim_one()
    await desk.send(refused, JobState.FAILED, error_key="452 4.2.2 mailbox full", suppress="full", suppress_for=RESTS)
    assert suppressed(desk) == []
    desk.clock.step(DAY)
    await full(desk, await sent_to_ada(desk, "three"))
    assert suppressed(desk) == [("ada@example.org", "full", desk.clock() + RESTS)]


async def test_full_mailboxes_longer_apart_suppress_nobody(desk: Desk) -> None:
    for name in ("one", "two", "three"):
        await full(desk, await sent_to_ada(desk, name))
        desk.clock.step(16 * DAY)
    assert suppressed(desk) == []


async def test_two_mails_about_one_complaint_count_once(desk: Desk) -> None:
    job = await sent_to_ada(desk, "spring")
    assert (await complain(desk, job, "a report")).effect == "stopped"
    assert (await complain(desk, job, "the same from another feedback loop")).effect == "noted"
    assert (await health(desk)).complained == 1
    assert len(desk.look.rows("SELECT 1 FROM events WHERE kind = 'message.complained'")) == 1
    assert suppressed(desk) == [("ada@example.org", "complained", None)]


async def test_complaints_about_two_messages_count_twice(desk: Desk) -> None:
    one = await sent_to_ada(desk, "spring")
    draft = await desk.draft("autumn")
    await desk.people(draft.id, ["bob"])
    await desk.begin_campaign(await desk.load(draft))
    other = await desk.claim_one()
    await desk.send(other)
    await asyncio.gather(complain(desk, one, "1"), complain(desk, other.id, "2"))
    assert (await health(desk)).complained == 2
