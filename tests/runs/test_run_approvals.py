"""Approvals with the whole engine: what waits is never sent, what was approved is what leaves."""

from __future__ import annotations

import contextlib
import random
from itertools import pairwise
from typing import Any

import pytest
from run_world import World

from engine.explain.asking import Asking
from engine.explain.facts import EngineFacts
from storage.errors import PacelineError, RefusedError
from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.scripted import ACCEPT, GREYLISTED, LOST_UNSENT, NO_SUCH_USER


async def asked(world: World, people: int = 3, **more: Any) -> list[int]:
    """A started campaign that asks for each message; its jobs."""
    await world.start()
    await world.campaign(people=people, approval="message", **more)
    return [job["id"] for job in world.jobs()]


def approval(world: World, job_id: int) -> dict[str, Any]:
    return world.rows("SELECT * FROM approvals WHERE job_id = ?", job_id)[0]


def said(world: World) -> list[str]:
    """What left, as text."""
    return [message.content.decode() for message in world.channel.deliveries]


async def test_nothing_leaves_before_it_is_approved(world: World) -> None:
    jobs = await asked(world)
    await world.clock.run(HOUR)
    assert world.counts() == {"held": 3}
    assert world.channel.begun == []
    await world.call("approval.approve", ids=jobs[:2])
    await world.sent(2)
    assert world.counts() == {"completed": 2, "held": 1}
    assert world.state() == "active", "what waits for a person keeps its campaign open"


async def test_it_is_written_down_who_approved_what_and_when(world: World) -> None:
    jobs = await asked(world)
    answer = await world.call("approval.approve", ids=jobs[:1])
    assert (answer["approved"], answer["campaigns"]) == (1, ["c"])
    row = approval(world, jobs[0])
    assert (row["decision"], row["decided_by"], row["decided_at"]) == ("approved", "ana", world.clock.now())
    (event,) = world.events("approval.approved")
    assert event["text"] == "ana approved 1 message of c"


async def test_approved_messages_leave_by_the_pacing_of_their_campaign_and_in_order(world: World) -> None:
    jobs = await asked(world, 6, pacing={"mode": "human", "gap_min": "10m", "gap_max": "20m"})
    await world.clock.run(2 * DAY)
    for job in jobs:
        await world.call("approval.approve", ids=[job])
    dues = [job["due_at"] for job in world.jobs()]
    assert dues == sorted(dues)
    assert all(10 * MINUTE <= later - due <= 20 * MINUTE for due, later in pairwise(dues))
    await world.sent(6)


async def test_what_is_rejected_is_skipped_with_its_reason_and_stays_so(world: World) -> None:
    jobs = await asked(world, 1)
    await world.call("approval.reject", ids=jobs, reason="wrong tone")
    job = world.jobs()[0]
    assert (job["state"], job["reason"], job["last_error"]) == ("skipped", "rejected", "wrong tone")
    answer = await world.call("approval.approve", ids=jobs)
    assert (answer["done"], answer["left"][0]["why"]) == (0, "it is skipped: it does not wait for approval")
    await world.clock.run(MINUTE)
    assert world.state() == "completed"


async def test_what_waits_too_long_expires_by_itself(world: World) -> None:
    jobs = await asked(world, 3, approval_time=2 * DAY)
    await world.clock.run(2 * DAY - HOUR)
    await world.call("approval.approve", ids=jobs[:1])
    await world.clock.run(2 * HOUR)
    assert world.counts() == {"completed": 1, "skipped": 2}
    assert {job["reason"] for job in world.jobs()[1:]} == {"expired"}
    assert approval(world, jobs[2])["decision"] == "expired"
    assert world.events("approval.expired")[0]["n"] == 2


async def test_people_who_are_added_later_wait_as_well(world: World) -> None:
    await asked(world, 1)
    await world.people("c", ["late@example.org"])
    await world.clock.run(HOUR)
    assert world.counts() == {"held": 2}


async def test_every_further_step_of_a_sequence_is_asked_about(world: World) -> None:
    jobs = await asked(world, 1, steps=[{"text": "still there?", "wait": "1h"}])
    await world.call("approval.approve", ids=jobs)
    await world.clock.run(2 * HOUR)
    first, second = world.jobs()
    assert (first["state"], second["state"], second["reason"]) == ("completed", "held", "approval")
    await world.call("approval.approve", ids=[second["id"]])
    await world.sent(2)


async def test_a_letter_leaves_exactly_as_it_was_written(world: World) -> None:
    jobs = await asked(world, 1, text="Hello {{ address }}")
    await world.call("approval.edit", job=jobs[0], subject="For you", text="Dear {{ not a field }} {NAME} 100 %")
    await world.call("approval.approve", ids=jobs)
    await world.sent(1)
    (content,) = said(world)
    assert "Dear {{ not a field }} {NAME} 100 %" in content
    assert "Subject: For you" in content


async def test_an_edit_keeps_the_parts_that_were_not_given(world: World) -> None:
    jobs = await asked(world, 1, subject="Hello", text="Dear {{ address }}")
    await world.call("approval.edit", job=jobs[0], subject="Good day")
    shown = await world.call("approval.show", job=jobs[0])
    assert (shown["subject"], shown["text"], shown["own"]) == ("Good day", "Dear c00000@example.org\n", True)


async def test_a_text_that_cannot_be_sent_is_not_kept(world: World) -> None:
    jobs = await asked(world, 1)
    with pytest.raises(PacelineError, match="neither text nor html"):
        await world.call("approval.edit", job=jobs[0], text=" ")
    assert world.rows("SELECT * FROM letters") == []


async def test_an_approved_text_is_not_edited(world: World) -> None:
    jobs = await asked(world, 1, pacing={"mode": "human", "gap_min": "10m", "gap_max": "20m"})
    await world.call("approval.approve", ids=jobs)
    with pytest.raises(RefusedError, match="keeps its text"):
        await world.call("approval.edit", job=jobs[0], text="something else")


async def test_an_edit_after_the_look_keeps_an_approval_from_passing(world: World) -> None:
    jobs = await asked(world, 1)
    seen = (await world.call("approval.show", job=jobs[0]))["seen"]
    await world.call("approval.edit", job=jobs[0], text="another text")
    answer = await world.call("approval.approve", seen=[seen])
    assert (answer["done"], answer["left"][0]["why"]) == (0, "it was changed meanwhile")


async def test_a_template_written_anew_after_the_look_keeps_an_approval_from_passing(world: World) -> None:
    jobs = await asked(world, 1)
    looked_at = world.clock.now()
    await world.clock.run(MINUTE)
    await world.call("campaign.pause", name="c")
    await world.call("campaign.edit", name="c", text="another text")
    answer = await world.call("approval.approve", ids=jobs, looked_at=looked_at)
    assert (answer["done"], answer["changed"]) == (0, 1)


async def test_another_sender_after_the_look_keeps_an_approval_from_passing(world: World) -> None:
    jobs = await asked(world, 1)
    looked_at = world.clock.now()
    await world.clock.run(MINUTE)
    await world.call("campaign.pause", name="c")
    await world.call("campaign.edit", name="c", settings={"reply_to": "someone-else@example.com"})
    answer = await world.call("approval.approve", ids=jobs, looked_at=looked_at)
    assert answer["done"] == 0
    assert approval(world, jobs[0])["decision"] == ""


async def test_an_edit_of_the_template_takes_the_approval_of_what_was_not_sent_back(world: World) -> None:
    jobs = await asked(world, 3, pacing={"mode": "human", "gap_min": "10m", "gap_max": "20m"})
    own, plain, sent = jobs[2], jobs[1], jobs[0]
    await world.call("approval.edit", job=own, text="its own text", subject="Own")
    await world.call("approval.approve", ids=[sent])
    await world.sent(1)
    await world.call("approval.approve", ids=[plain, own])
    await world.call("campaign.pause", name="c")
    answer = await world.call("campaign.edit", name="c", text="another text")
    assert answer["void"] == 1
    states = {job["id"]: job["state"] for job in world.jobs()}
    assert states == {sent: "completed", plain: "held", own: "pending"}, "a letter says what it said"
    assert approval(world, plain)["note"] == "changed after it was approved"


async def test_a_change_of_a_persons_fields_takes_the_approval_back(world: World) -> None:
    await world.start()
    await world.call("campaign.new", name="c", account="one", subject="Hi", text="Hi {{ company }}", approval="message")
    await world.people("c", ["ana@example.org"], company="Acme")
    await world.call("campaign.live", name="c")
    await world.call("campaign.start", name="c", at=world.clock.now() + DAY)
    (job,) = world.jobs()
    await world.call("approval.approve", ids=[job["id"]])
    await world.call("campaign.pause", name="c")
    await world.call("recipients.edit", campaign="c", address="ana@example.org", fields={"company": "Bolt"})
    assert world.counts() == {"held": 1}


async def test_another_sender_name_in_the_configuration_is_another_message(world: World) -> None:
    jobs = await asked(world, 1, pacing={"mode": "human", "gap_min": "10m", "gap_max": "20m"})
    await world.call("approval.approve", ids=jobs)
    world.accounts["one"] = {"from_name": "Somebody else"}
    world.write_config()
    await world.call("engine.reload")
    await world.clock.run(HOUR)
    assert world.channel.deliveries == []
    assert world.counts() == {"held": 1}
    await world.call("approval.approve", ids=jobs)
    await world.sent(1)


async def test_a_retry_sends_what_was_approved_and_asks_about_what_was_not(world: World) -> None:
    jobs = await asked(world, 2, text="Hi {{ address }}")
    world.channel.script |= {f"c0000{n}@example.org": [NO_SUCH_USER] for n in range(2)}
    await world.call("approval.approve", ids=jobs)
    await world.clock.run(MINUTE)
    assert world.counts() == {"failed": 2}
    await world.call("recipients.edit", campaign="c", address="c00001@example.org", new_address="new@example.org")
    answer = await world.call("job.retry", ids=jobs)
    assert answer["notes"] == ["1 of them waits for approval"]
    await world.clock.run(MINUTE)
    assert world.counts() == {"completed": 1, "held": 1}
    assert [delivery.recipient for delivery in world.channel.deliveries] == ["c00000@example.org"]


async def test_a_retry_frees_nothing_that_waits(world: World) -> None:
    jobs = await asked(world, 2)
    answer = await world.call("job.retry", ids=jobs)
    assert (answer["done"], answer["left"][0]["why"]) == (0, "held for approval")


async def test_an_approval_can_be_taken_back_while_nothing_was_sent(world: World) -> None:
    jobs = await asked(world, 2, pacing={"mode": "human", "gap_min": "10m", "gap_max": "20m"})
    answer = await world.call("approval.approve", ids=jobs)
    await world.call("job.undo", events=answer["events"])
    await world.clock.run(DAY)
    assert world.counts() == {"held": 2}
    assert approval(world, jobs[0])["decision"] == ""
    assert world.channel.begun == []


async def test_a_campaign_that_is_approved_as_a_whole_waits_for_it(world: World) -> None:
    await world.start()
    answer = await world.campaign(people=3, approval="campaign")
    assert (answer["state"], world.row()["pause_reason"]) == ("paused", "approval")
    await world.clock.run(HOUR)
    assert world.channel.begun == []
    with pytest.raises(RefusedError, match="waits for approval"):
        await world.call("campaign.resume", name="c")
    with pytest.raises(RefusedError, match="waits for approval"):
        await world.call("campaign.start", name="c")
    await world.call("approval.approve_campaign", name="c")
    await world.sent(3)
    assert world.row()["approved_by"] == "ana"


@pytest.mark.parametrize("change", ["text", "people", "person", "sender"])
async def test_a_change_after_the_approval_of_a_campaign_voids_it(world: World, change: str) -> None:
    await world.start()
    await world.campaign(people=3, approval="campaign", pacing={"mode": "human", "gap_min": "10m", "gap_max": "20m"})
    await world.call("approval.approve_campaign", name="c")
    if change == "people":
        await world.people("c", ["new@example.org"])
    elif change == "person":
        await world.call("recipients.edit", campaign="c", address="c00001@example.org", new_address="x@example.org")
    else:
        await world.call("campaign.pause", name="c")
        what = {"text": "another"} if change == "text" else {"settings": {"from_name": "Bea"}}
        await world.call("campaign.edit", name="c", **what)
        with pytest.raises(RefusedError, match="waits for approval"):
            await world.call("campaign.resume", name="c")
    assert world.state() == "paused"
    await world.clock.run(DAY)
    assert world.channel.begun == []


async def test_a_pause_by_hand_is_not_lifted_by_an_approval(world: World) -> None:
    await world.start()
    await world.campaign(people=1, approval="campaign")
    await world.call("approval.approve_campaign", name="c")
    await world.call("campaign.pause", name="c")
    await world.call("campaign.edit", name="c", text="another")
    answer = await world.call("approval.approve_campaign", name="c")
    assert (answer["state"], world.row()["pause_reason"]) == ("paused", "operator")
    assert "it stays paused (operator)" in answer["message"]


async def test_a_cancel_that_is_undone_does_not_go_around_the_approval(world: World) -> None:
    await world.start()
    await world.campaign(people=2, approval="campaign")
    await world.call("campaign.cancel", name="c")
    await world.call("campaign.undo_cancel", name="c")
    await world.clock.run(HOUR)
    assert (world.state(), world.channel.begun) == ("paused", [])


DRAFT = {"subject": "About your site", "text": "Dear Bea,\n{{ as it stands }}\n", "note": "score 91"}


async def drafted(world: World, *addresses: str, **more: Any) -> dict[str, Any]:
    people = [{"address": address, **DRAFT, **more} for address in addresses]
    return await world.call("approval.draft", campaign="c", people=people, origin="pipeline daily")


async def test_drafts_are_held_until_they_are_approved_and_leave_as_they_were_written(world: World) -> None:
    await world.start()
    await world.campaign(people=0, approval="message", start=False)
    answer = await drafted(world, "bea@example.org", "cy@example.org")
    assert (answer["drafted"], answer["known"], world.state()) == (2, 0, "active")
    await world.clock.run(HOUR)
    assert world.counts() == {"held": 2}
    assert approval(world, answer["jobs"]["bea@example.org"])["note"] == "score 91"
    await world.call("approval.approve", ids=[answer["jobs"]["bea@example.org"]])
    await world.sent(1)
    assert "{{ as it stands }}" in said(world)[0]


async def test_the_same_drafts_again_are_known(world: World) -> None:
    await world.start()
    await world.campaign(people=0, approval="message", start=False)
    first = await drafted(world, "bea@example.org")
    again = await drafted(world, "bea@example.org", "cy@example.org", text="another text")
    assert (again["drafted"], again["known"]) == (1, 1)
    assert again["jobs"]["bea@example.org"] == first["jobs"]["bea@example.org"]
    shown = await world.call("approval.show", job=first["jobs"]["bea@example.org"])
    assert shown["text"].startswith("Dear Bea")


async def test_drafts_for_whom_nothing_may_be_sent_to_are_left_out(world: World) -> None:
    await world.start()
    await world.campaign(people=0, approval="message", start=False)
    await world.call("suppression.add", entries=[{"value": "no@example.org", "reason": "manual"}])
    answer = await drafted(world, "no@example.org", "not an address", "cy@example.org")
    assert (answer["drafted"], answer["suppressed"]) == (1, ["no@example.org"])
    assert answer["rejected"][0]["address"] == "not an address"


async def test_drafts_are_refused_where_nobody_approves(world: World) -> None:
    await world.start()
    await world.campaign(people=0, start=False)
    with pytest.raises(RefusedError, match="does not ask for approval"):
        await drafted(world, "bea@example.org")


class Fuzz:
    """Random acts on a campaign, and for each person the texts that were approved, the last one last."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.rng = world, random.Random(seed)
        self.approved: dict[str, list[str]] = {}
        self.texts = 0
        world.channel.answer = lambda message: self.rng.choice([ACCEPT] * 5 + [GREYLISTED, LOST_UNSENT, NO_SUCH_USER])

    async def act(self) -> None:
        world, jobs = self.world, [job["id"] for job in self.world.jobs()]
        some = self.rng.sample(jobs, min(len(jobs), self.rng.randint(1, 4)))
        self.texts += 1
        match self.rng.randrange(14):
            case 0 | 1 | 2 | 3:
                await self.approve(some)
            case 4:
                await world.call("approval.reject", ids=some[:1], reason="no")
            case 5:
                await world.call("approval.edit", job=some[0], text=f"own {self.texts} of {some[0]}")
            case 6:
                await world.call("campaign.edit", name="c", text=f"text {self.texts} for {{{{ address }}}}")
            case 7:
                await world.call("job.retry", ids=some)
            case 8:
                answer = await world.call("job.cancel", ids=some)
                await world.call("job.undo", events=answer["events"])
            case 9:
                await world.call("campaign.pause", name="c")
            case 10:
                await world.call("campaign.resume", name="c")
            case 11:
                for job in jobs:
                    await world.call("job.resolve", job=job, verdict="again")
            case 12:
                await world.call("job.undo", events=[world.events("approval.approved")[-1]["id"]])
            case 13:
                await world.people("c", [f"later{self.texts}@example.org"])

    async def approve(self, jobs: list[int]) -> None:
        for job in jobs:
            shown = await self.world.call("approval.show", job=job)
            answer = await self.world.call("approval.approve", seen=[shown["seen"]])
            if answer["done"]:
                address = next(row["address"] for row in self.world.jobs() if row["id"] == job)
                self.approved.setdefault(address, []).append(shown["text"].strip())


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_is_done_only_what_was_approved_leaves(world: World, seed: int) -> None:
    await world.start()
    await world.campaign(people=8, approval="message", text="text 0 for {{ address }}")
    fuzz = Fuzz(world, seed)
    for _ in range(60):
        # What is refused changes nothing: that is the point.
        with contextlib.suppress(PacelineError, IndexError):
            await fuzz.act()
        await world.clock.run(fuzz.rng.randrange(20) * SECOND)
    await world.clock.run(HOUR)
    begun = world.channel.begun
    assert begun, "a run in which nothing leaves proves nothing"
    for message in begun:
        text = message.content.decode().partition("\r\n\r\n")[2].strip()
        assert text in fuzz.approved.get(message.recipient, ()), (message.recipient, text)


async def test_explain_says_since_when_it_waits_and_when_it_expires(world: World) -> None:
    jobs = await asked(world, 1, approval_time=2 * DAY)
    await world.clock.run(DAY)
    facts = EngineFacts(runs=True)
    held = world.read(lambda reader: Asking(reader, world.clock.now(), facts).job(jobs[0])).holding
    assert (held.words, held.since) == ("waits for approval (expires in 1d)", world.clock.now() - DAY)
    assert held.remedy == f"paceline approval approve {jobs[0]}"


async def test_explain_says_of_a_campaign_that_it_waits_as_a_whole(world: World) -> None:
    await world.start()
    await world.campaign(people=2, approval="campaign")
    held = world.read(lambda reader: Asking(reader, world.clock.now(), EngineFacts(runs=True)).campaign("c")).holding
    assert held.words == "waits for approval as a whole, 2 unsent"
    assert held.remedy == "paceline campaign approve c"


HUMAN = {"mode": "human", "gap_min": "10m", "gap_max": "20m"}


async def approved_as_a_whole(world: World, **more: Any) -> None:
    """A running campaign that was approved as a whole, with an hour until its first message."""
    await world.start()
    await world.campaign(people=2, approval="campaign", pacing=HUMAN, **more)
    await world.call("approval.approve_campaign", name="c")
    await world.call("campaign.pause", name="c")
    await world.call("campaign.resume", name="c")


def reconfigure(world: World, **account: Any) -> None:
    world.accounts["one"] = account
    world.write_config()


async def test_another_sender_in_the_configuration_takes_the_yes_to_a_campaign_back(world: World) -> None:
    await approved_as_a_whole(world)
    before = len(world.channel.begun)
    reconfigure(world, from_address="them@example.com")
    await world.call("engine.reload")
    assert (world.state(), world.row()["pause_reason"]) == ("paused", "approval")
    assert world.row()["approval_note"] == "one: from_address us@example.com -> them@example.com"
    assert world.events("approval.void")[0]["level"] == "warning"
    await world.clock.run(DAY)
    assert len(world.channel.begun) == before
    with pytest.raises(RefusedError, match="waits for approval"):
        await world.call("campaign.resume", name="c")
    await world.call("approval.approve_campaign", name="c")
    assert world.row()["approval_note"] == ""
    await world.sent(2)


async def test_another_sender_is_noticed_after_a_restart_too(world: World) -> None:
    await approved_as_a_whole(world)
    await world.stop()
    before = len(world.channel.begun)
    reconfigure(world, reply_to="them@example.com")
    await world.start()
    assert world.row()["pause_reason"] == "approval"
    assert world.row()["approval_note"] == "one: reply_to (none) -> them@example.com"
    await world.clock.run(DAY)
    assert len(world.channel.begun) == before


async def test_a_sender_that_the_campaign_sets_itself_is_not_the_configurations(world: World) -> None:
    await approved_as_a_whole(world, settings={"from_name": "Ana"})
    reconfigure(world, from_name="Somebody else", host="another.example")
    await world.call("engine.reload")
    assert world.state() == "active"
    await world.sent(2)


async def test_an_account_that_is_gone_for_a_while_comes_back_with_its_approval(world: World) -> None:
    world.accounts["two"] = {}
    await approved_as_a_whole(world, also=["two"])
    del world.accounts["two"]
    world.write_config()
    await world.call("engine.reload")
    assert world.state() == "active"
    world.accounts["two"] = {"from_address": "two@example.com"}
    world.write_config()
    await world.call("engine.reload")
    assert world.row()["approval_note"] == "two: from_address us@example.com -> two@example.com"


async def test_a_yes_to_a_campaign_is_to_the_senders_that_were_shown(world: World) -> None:
    await world.start()
    await world.campaign(people=2, approval="campaign", pacing=HUMAN)
    seen = await world.call("approval.senders", name="c")
    assert seen["words"] == {"one": "us@example.com"}
    reconfigure(world, from_name="Eve", from_address="them@example.com")
    await world.call("engine.reload")
    with pytest.raises(RefusedError, match=r"from_address us@example\.com -> them@example\.com"):
        await world.call("approval.approve_campaign", name="c", senders=seen["senders"])
    assert world.row()["approved_at"] is None
    seen = await world.call("approval.senders", name="c")
    assert seen["words"] == {"one": "Eve <them@example.com>"}
    await world.call("approval.approve_campaign", name="c", senders=seen["senders"])
    await world.sent(2)


async def test_a_yes_to_a_message_is_to_the_sender_that_was_shown(world: World) -> None:
    jobs = await asked(world, 2)
    shown = (await world.call("approval.senders", name="c"))["senders"]
    reconfigure(world, from_address="them@example.com")
    await world.call("engine.reload")
    answer = await world.call("approval.approve", ids=jobs[:1], senders=shown)
    assert (answer["done"], answer["changed"]) == (0, 1)
    assert answer["left"][0]["why"] == (
        "its sender changed since it was shown: one: from_address us@example.com -> them@example.com"
    )
    shown = (await world.call("approval.senders", name="c"))["senders"]
    await world.call("approval.approve", ids=jobs, senders=shown)
    await world.sent(2)


async def test_explain_says_what_took_the_approval_of_a_campaign(world: World) -> None:
    await approved_as_a_whole(world)
    reconfigure(world, from_address="them@example.com")
    await world.call("engine.reload")
    held = world.read(lambda reader: Asking(reader, world.clock.now(), EngineFacts(runs=True)).campaign("c")).holding
    assert held.words == (
        "waits for approval again, its sender changed: one: from_address us@example.com -> them@example.com, 2 unsent"
    )
