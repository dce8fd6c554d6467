"""Sequences of several steps on simulated time, judged by the other side's ledgers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from run_world import slow_heart
from sequence_world import Person, Rule, SequenceWorld, chance, judge, slow_sequences

from engine.explain.asking import Asking
from engine.explain.facts import EngineFacts
from engine.planning.waits import Wait
from storage.model import DAY, HOUR, MINUTE, SECOND
from storage.sends import FROM_NOW_BACK, Place, past
from tests.support.scripted import Reply
from tests.support.simulated import SimulatedClock

BERLIN = {"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin", "holidays": ["DE"]}
FAST = {"mode": "steady", "rate": "60/h", "jitter": 0}


@pytest.fixture
async def world(tmp_path: Path, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SequenceWorld]:
    async with slow_sequences(tmp_path, clock, monkeypatch) as made:
        yield made


def local(at: int, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromtimestamp(at / SECOND, UTC).astimezone(ZoneInfo(zone))


async def test_thirty_days_of_three_steps_with_replies_bounces_and_acceptances(world: SequenceWorld) -> None:
    """E-mail, an invitation three business days later over Christmas, and a mail to those who accepted it."""
    world.set_clock("2026-12-21T09:00:00+01:00")
    world.accounts = {"one": {}, "two": {}, "link": {"channel": "unipile"}}
    await world.start()
    steps = [
        {"text": "Let us connect", "channel": "unipile", "wait": "3 business days", "conditions": ["no_reply"],
         "pacing": {"preset": "linkedin_paid"}},
        {"subject": "Thanks", "text": "Glad", "wait": "2 days", "conditions": ["accepted"]},
    ]  # fmt: skip
    people = await world.sequence(60, also=["two", "link"], steps=steps, window=BERLIN, pacing=FAST)
    rng = chance(11)
    dealt: set[tuple[int, int]] = set()
    for _ in range(30 * 4):
        await world.clock.run(6 * HOUR)
        world.fill(people)
        for one in people:
            for _, step, account in one.got:
                if one.stopped is not None or (one.number, step) in dealt:
                    continue
                dealt.add((one.number, step))
                await _answer(world, one, step, account, rng.random())
    await world.finish()
    world.fill(people)
    rules = [Rule(Wait.parse("3 business days"), zone="Europe/Berlin", holidays=("DE",)), Rule(Wait.parse("2d"), True)]
    judge(people, rules)
    for one in people:
        for at, _, _ in one.got:
            assert local(at).weekday() < 5 and 9 <= local(at).hour < 17, "a message left outside the window"
            assert local(at).strftime("%m-%d") not in ("12-25", "01-01"), "a message left on a holiday"
        if one.stopped is None:
            wanted = 3 if one.accepted is not None else 2
            assert len(one.got) == wanted, f"{one.address} got {one.got}"
    # Monday's first mails: Tuesday, Wednesday, Thursday the 24th are the three business days.
    assert min(at for one in people for at, step, _ in one.got if step == 2) >= _at("2026-12-24T09:00:00+01:00")
    assert sum(one.stopped is not None for one in people) > 10
    assert sum(len(one.got) == 3 for one in people) > 10
    # Who has not accepted yet may still do so: nothing else is open.
    assert set(world.counts()) <= {"completed", "bounced", "skipped"}


def _at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * SECOND


async def _answer(world: SequenceWorld, one: Person, step: int, account: str, luck: float) -> None:
    """What a person does about a message: some reply, some bounce, some leave, many accept an invitation."""
    if step == 2 and luck < 0.6:
        await world.accepts(one, account)
    elif step == 1 and luck < 0.15:
        await world.replies(one)
    elif step == 1 and luck < 0.25:
        await world.bounces(one)
    elif luck > 0.92:
        await world.unsubscribes(one)


async def test_a_follow_up_comes_three_days_later_when_no_wait_is_named(world: SequenceWorld) -> None:
    await world.start()
    people = await world.sequence(5, steps=[{"subject": "Again", "text": "Still there?"}], pacing=FAST)
    await world.finish()
    world.fill(people)
    judge(people, [Rule(Wait(3 * DAY))])
    for one in people:
        (first, _, _), (second, _, _) = one.got
        assert 3 * DAY - SECOND <= second - first <= 3 * DAY + 5 * MINUTE


async def test_who_replied_gets_nothing_more_and_the_message_says_why(world: SequenceWorld) -> None:
    await world.start()
    people = await world.sequence(3, steps=[{"subject": "Again", "text": "Still there?"}])
    await world.clock.run(DAY)
    await world.replies(people[0])
    await world.finish()
    world.fill(people)
    assert [len(one.got) for one in people] == [1, 2, 2]
    (skipped,) = [job for job in world.jobs() if job["state"] == "skipped"]
    assert (skipped["address"], skipped["reason"]) == (people[0].address, "replied")


async def test_a_reply_ends_nothing_where_the_campaign_says_so(world: SequenceWorld) -> None:
    await world.start()
    steps = [{"subject": "Again", "text": "Still there?"}]
    people = await world.sequence(1, steps=steps, settings={"stop_on": ["bounce"]})
    await world.clock.run(DAY)
    await world.replies(people[0])
    await world.finish()
    world.fill(people)
    assert [step for _, step, _ in people[0].got] == [1, 2]


@pytest.mark.parametrize(("rule", "steps"), [("stop", []), ("next", [2])])
async def test_a_failed_message_ends_a_sequence_unless_told_otherwise(
    world: SequenceWorld, rule: str, steps: list[int]
) -> None:
    await world.start()
    further = [{"subject": "Again", "text": "Still there?", "wait": "1h"}]
    # Not a dead address: that one is suppressed, and nothing follows whatever is set.
    world.channel.script = {"c0000@example.org": [Reply(550, "5.7.1 Message rejected as spam")]}
    people = await world.sequence(1, steps=further, settings={"after_failure": rule})
    await world.finish()
    world.fill(people)
    assert [step for _, step, _ in people[0].got] == steps


async def test_nobody_accepts_and_the_sequence_ends_when_it_is_too_late(world: SequenceWorld) -> None:
    world.accounts = {"one": {"channel": "unipile"}, "mail": {}}
    await world.start()
    steps = [{"subject": "Hello", "text": "We are connected", "channel": "smtp", "conditions": ["accepted"]}]
    people = await world.sequence(
        2,
        also=["mail"],
        steps=steps,
        subject="",
        settings={"accept_within_days": 5},
        pacing={"preset": "linkedin_paid"},
    )
    await world.clock.run(4 * DAY)
    await world.accepts(people[0], "one")
    await world.clock.run(3 * DAY)
    await world.accepts(people[1], "one")
    await world.finish()
    world.fill(people)
    assert [len(one.got) for one in people] == [2, 1]
    judge(people, [Rule(Wait(3 * DAY), accepted=True)])
    assert world.state() == "completed"


async def test_accounts_share_people_evenly_and_each_person_keeps_theirs(world: SequenceWorld) -> None:
    world.accounts = {"one": {}, "two": {}, "three": {}}
    await world.start()
    people = await world.sequence(
        30, also=["two", "three"], steps=[{"subject": "Again", "text": "?", "wait": "1d"}], pacing=FAST
    )
    await world.finish()
    world.fill(people)
    assert [len(world.scripted(name).deliveries) for name in world.accounts] == [20, 20, 20]
    for one in people:
        assert len({account for _, _, account in one.got}) == 1, f"{one.address} heard from two accounts"
    begun = [row["id"] for row in world.rows("SELECT id FROM attempts ORDER BY counted_at, id")]
    row = world.row()
    queues = [one["id"] for one in row["accounts"]]
    for limit in (1, 7, 100):
        told: list[dict[str, Any]] = []
        place: Place | None = FROM_NOW_BACK
        while place is not None:
            page = world.read(
                lambda reader, at=place, most=limit: past(reader, row["id"], queues, before=at, limit=most)
            )
            told, place = [*page.rows, *told], page.further
        assert [one["attempt_id"] for one in told] == begun
        assert {one["account"] for one in told} == set(world.accounts)


async def test_what_an_account_cannot_send_today_goes_through_another(
    world: SequenceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two accounts share 20 people; one has a cap of 3 a day: the other takes what it has room for, no more."""
    slow_heart(monkeypatch, 30 * MINUTE)
    world.accounts = {"one": {"caps": ["3/day"]}, "two": {"caps": ["13/day"]}}
    await world.start()
    people = await world.sequence(
        20, also=["two"], steps=[{"subject": "Again", "text": "?", "wait": "4d"}], pacing=FAST
    )
    await world.clock.run(10 * HOUR)
    first, second = world.scripted("one"), world.scripted("two")
    assert (len(first.deliveries), len(second.deliveries)) == (3, 13)
    (moved,) = world.events("campaign.overflowed")
    assert moved["n"] == 3 and "its cap of 3 in 1d is spent" in moved["text"]
    assert world.read(lambda reader: reader.counter_drift()) == []
    await world.finish()
    world.fill(people)
    judge(people, [Rule(Wait(4 * DAY))])
    assert all(len(one.got) == 2 for one in people)
    for one in people:
        assert len({account for _, _, account in one.got}) == 1, f"{one.address} heard from two accounts"


async def test_an_account_that_needs_attention_hands_over_only_those_it_never_wrote_to(
    world: SequenceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_heart(monkeypatch, 10 * MINUTE)
    world.accounts = {"one": {}, "two": {}}
    await world.start()
    further = [{"subject": "Again", "text": "?", "wait": "1h"}]
    people = await world.sequence(
        20, also=["two"], steps=further, pacing={"mode": "steady", "rate": "6/h", "jitter": 0}
    )
    await world.clock.until(lambda: len(world.channel.deliveries) >= 3)
    wrote = {delivery.recipient for delivery in world.channel.deliveries}
    await world.call("queue.pause", name="one")
    await world.clock.run(12 * HOUR)
    world.fill(people)
    for one in people:
        if one.address in wrote:
            assert {account for _, _, account in one.got} == {"one"}, "a person changed accounts in the middle"
        else:
            assert [step for _, step, _ in one.got] == [1, 2] and {who for _, _, who in one.got} == {"two"}
    await world.call("queue.resume", name="one")
    await world.finish()
    world.fill(people)
    judge(people, [Rule(Wait(HOUR))])
    assert all(len(one.got) == 2 for one in people)


async def test_another_pacing_and_a_resume_never_shorten_a_wait(world: SequenceWorld) -> None:
    await world.start()
    people = await world.sequence(12, steps=[{"subject": "Again", "text": "?", "wait": "2 days"}], pacing=FAST)
    await world.clock.run(30 * MINUTE)
    await world.call("campaign.pace", name="c", pacing={"mode": "blast", "concurrency": 5, "batch_delay": "1s"})
    await world.clock.run(DAY)
    await world.call("campaign.pause", name="c")
    await world.clock.run(HOUR)
    await world.call("campaign.resume", name="c")
    await world.clock.run(HOUR)
    world.fill(people)
    assert all(len(one.got) == 1 for one in people), "a second step left before its wait was over"
    await world.finish()
    world.fill(people)
    judge(people, [Rule(Wait(2 * DAY))])
    assert all(len(one.got) == 2 for one in people)


async def test_a_step_that_is_added_to_a_paused_campaign_reaches_those_who_had_the_last_one(
    world: SequenceWorld,
) -> None:
    await world.start()
    people = await world.sequence(6, pacing={"mode": "steady", "rate": "6/h", "jitter": 0})
    await world.clock.run(35 * MINUTE)
    await world.call("campaign.pause", name="c")
    await world.call("campaign.edit", name="c", steps=[{"subject": "Again", "text": "?", "wait": "1d"}])
    await world.call("campaign.resume", name="c")
    await world.finish()
    world.fill(people)
    judge(people, [Rule(Wait(DAY))])
    assert all(len(one.got) == 2 for one in people)


EVENTS = ("reply", "bounce", "unsubscribe", "accept", "pause", "pace", "restart", "queue", "cut")


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_in_whatever_order_nobody_gets_a_step_too_early_or_twice(
    world: SequenceWorld, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_heart(monkeypatch, HOUR)
    rng = chance(seed)
    world.accounts = {"one": {"caps": ["12/day"]}, "two": {}, "link": {"channel": "unipile"}}
    await world.start()
    waits = [rng.choice(["6h", "1d", "2 business days"]) for _ in range(2)]
    ask = rng.random() < 0.5
    steps: list[dict[str, Any]] = [
        {"text": "Connect?", "channel": "unipile", "wait": waits[0], "pacing": {"preset": "linkedin_paid"}},
        {"subject": "Last", "text": "Bye", "wait": waits[1], "conditions": ["accepted"] if ask else ["no_reply"]},
    ]
    people = await world.sequence(
        18, also=["two", "link"], steps=steps, pacing=FAST, settings={"accept_within_days": 6}
    )
    for _ in range(30):
        await world.clock.run(rng.randrange(10 * MINUTE, 8 * HOUR))
        await _something(world, rng.choice(EVENTS), rng.choice(people), rng)
    if not world.running:
        await world.start()
    if world.state() == "paused":
        await world.call("campaign.resume", name="c")
    await world.call("queue.resume", name="one")
    await world.finish()
    world.fill(people)
    judge(people, [Rule(Wait.parse(waits[0])), Rule(Wait.parse(waits[1]), ask)])
    for one in people:
        uncertain = any(job["state"] == "uncertain" and job["address"] == one.address for job in world.jobs())
        if one.stopped is None and not ask and not uncertain:
            assert len(one.got) == 3, f"seed {seed}: {one.address} got only {one.got}"


async def _something(world: SequenceWorld, what: str, one: Person, rng: Any) -> None:
    world.fill([one])
    match what:
        case "reply":
            await world.replies(one)
        case "bounce":
            await world.bounces(one)
        case "unsubscribe" if rng.random() < 0.5:
            await world.unsubscribes(one)
        case "accept" if any(step == 2 for _, step, _ in one.got):
            await world.accepts(one, "link")
        case "pause":
            state = world.state()
            if state in ("active", "paused"):
                await world.call("campaign.pause" if state == "active" else "campaign.resume", name="c")
        case "pace" if world.state() in ("active", "paused"):
            await world.call("campaign.pace", name="c", pacing=rng.choice([FAST, {"mode": "blast"}]))
        case "queue":
            paused = world.queue("one")["state"] == "paused"
            await world.call("queue.resume" if paused else "queue.pause", name="one")
        case "restart":
            await world.restart(rng.randrange(HOUR))
        case "cut":
            await world.cut()
            await world.start()
        case _:
            return


@pytest.mark.parametrize(("rule", "sent"), [("allow", 5), ("skip", 2), ("wait", 5)])
async def test_one_person_in_two_campaigns_is_found_and_handled_by_the_rule(
    world: SequenceWorld, rule: str, sent: int
) -> None:
    """Three of five are in the campaign before, one of them by profile only."""
    await world.start()
    await world.sequence(2, name="first")
    await world.call("campaign.new", name="c", account="one", subject="Hello", text="Hi", settings={"overlap": rule})
    rows = [
        [2, "first0000@example.org", "first0000@example.org", {}],
        [3, "FIRST0001@example.org", "first0001@example.org", {}],
        [4, "other@example.org", "other@example.org", {}, "first-0001"],
        *([n, f"new{n}@example.org", f"new{n}@example.org", {}] for n in (5, 6)),
    ]
    begun = (await world.call("recipients.begin", campaign="c", source="p.csv"))["import_id"]
    await world.call("recipients.rows", import_id=begun, rows=rows)
    await world.call("recipients.commit", import_id=begun, campaign="c", rows=5, imported=5, rejected=0, duplicates=0)
    await world.call("campaign.live", name="c")
    begin = world.clock.now()
    dry = await world.call("campaign.start", name="c", dry_run=True)
    started = await world.call("campaign.start", name="c")
    assert started["elsewhere"] == dry["elsewhere"] == (3 if rule == "skip" else 0)
    await world.finish()
    assert world.counts("c") == ({"completed": 2, "skipped": 3} if rule == "skip" else {"completed": 5})
    assert {job["reason"] for job in world.jobs("c") if job["state"] == "skipped"} <= {"also in first"}
    addresses = {"first0000@example.org", "FIRST0001@example.org", "other@example.org"}
    late = [job for job in world.jobs("c") if job["address"] in addresses and job["state"] == "completed"]
    assert len(late) == sent - 2
    if rule == "wait":
        assert min(job["sent_at"] for job in late) >= begin + 3 * DAY


async def test_linkedin_leaves_out_whoever_another_campaign_invites_unless_told_otherwise(world: SequenceWorld) -> None:
    world.accounts = {"one": {"channel": "unipile"}}
    await world.start()
    invite: dict[str, Any] = {"subject": "", "pacing": {"preset": "linkedin_paid"}}
    await world.sequence(2, name="first", **invite)
    begun = await world.call("campaign.new", name="c", account="one", text="Hi")
    assert begun["state"] == "draft"
    rows = [[2, "x@example.org", "x@example.org", {}, "first-0001"], [3, "y@example.org", "y@example.org", {}, "new"]]
    opened = (await world.call("recipients.begin", campaign="c", source="p.csv"))["import_id"]
    await world.call("recipients.rows", import_id=opened, rows=rows)
    await world.call("recipients.commit", import_id=opened, campaign="c", rows=2, imported=2, rejected=0, duplicates=0)
    await world.call("campaign.live", name="c")
    assert (await world.call("campaign.start", name="c"))["elsewhere"] == 1
    await world.finish()
    assert sorted(delivery.recipient for delivery in world.channel.deliveries) == ["first-0000", "first-0001", "new"]


async def test_until_idle_ends_when_a_next_step_waits_for_a_person(world: SequenceWorld) -> None:
    world.accounts = {"one": {}, "two": {}}
    await world.start()
    await world.sequence(2, also=["two"], steps=[{"text": "again", "wait": "1 day"}], pacing=FAST)
    await world.call("engine.pause")
    await world.clock.run(MINUTE)
    world.accounts.pop("two")
    await world.restart()
    await world.call("engine.resume")
    await world.finish()
    (told,) = world.rows("SELECT text FROM events WHERE kind = 'sequence.stuck'")
    assert "two" in told["text"]


@pytest.mark.parametrize(("rule", "got"), [("allow", [1, 2]), ("skip", [1]), ("wait", [1, 2])])
async def test_a_follow_up_minds_a_campaign_that_came_between(world: SequenceWorld, rule: str, got: list[int]) -> None:
    await world.start()
    further = [{"subject": "Again", "text": "?", "wait": "1d"}]
    world.channel.service = (1_000, 2_000)
    people = await world.sequence(
        1, steps=further, settings={"overlap": rule}, pacing={"mode": "human", "gap_min": "2h", "gap_max": "2h"}
    )
    # Within the two hours before the first message: when it is over, the other campaign has written to her too.
    await world.campaign("other", [people[0].address])
    begin = world.clock.now()
    await world.finish()
    mine = [job for job in world.jobs("c") if job["state"] == "completed"]
    assert len(mine) == len(got)
    skipped = [job["reason"] for job in world.jobs("c") if job["state"] == "skipped"]
    assert skipped == (["also in other"] if rule == "skip" else [])
    if rule == "wait":
        assert mine[1]["sent_at"] >= begin + 3 * DAY


async def test_what_waits_for_an_acceptance_is_explained(world: SequenceWorld) -> None:
    world.accounts = {"one": {"channel": "unipile"}, "mail": {}}
    await world.start()
    steps = [{"subject": "Hello", "text": "We are connected", "channel": "smtp", "conditions": ["accepted"]}]
    people = await world.sequence(2, also=["mail"], steps=steps, subject="", pacing={"preset": "linkedin_paid"})
    await world.clock.run(DAY)

    def explained(look: Callable[[Asking], Any]) -> Any:
        return world.read(lambda reader: look(Asking(reader, world.clock.now(), EngineFacts(runs=True))))

    held = explained(lambda asking: asking.campaign("c").holding)
    assert held.words == "2 invitations are not accepted yet: what follows waits"
    said = "sent: the server accepted it; its next step waits until the invitation is accepted"
    assert explained(lambda asking: asking.job(1)).said == said
    await world.accepts(people[0], "one")
    await world.clock.run(MINUTE)
    # The message that follows goes through the other account, and is explained by that one's queue.
    assert explained(lambda asking: asking.job(3)).numbers["queue"] == "mail"
