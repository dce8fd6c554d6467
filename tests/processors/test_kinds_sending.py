"""The kinds that have a message sent: through a campaign, by its rules, each person once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.compose.payload import PayloadFactory
from engine.processors import handover
from engine.processors.send_notification import TEMPLATES
from engine.webhook_account import WebhookAccount
from storage.errors import UsageError
from storage.fixed_set import Act, of_ids
from storage.model import MINUTE
from storage.nouns import Step
from tests.processors.kinds_world import KindsWorld

CUSTOMERS = """\
id,name,email,tier
c1,Iris,iris@example.org,vip
c2,Tom,tom@example.org,standard
c3,Lena,,premium
c4,Twin,twin@example.org,standard
c4,Other Twin,other@example.org,standard
"""
PROMOTIONS = """\
id;name;campaign;ends
spring;Spring sale;spring;2026-03-31
winter;Winter sale;winter;2025-12-31
nowhere;No campaign;;
"""
ORDERS = """\
order no,customer id,status,total
A-1,c1,delivered,59
A-2,c2,shipped,12
A-3,c1,paid,10
A-4,,open,5
"""
FILES: dict[str, str] = {"customers": "customers.csv"}


@pytest.fixture
async def shop(kinds: KindsWorld) -> KindsWorld:
    kinds.write("customers.csv", CUSTOMERS)
    kinds.write("promotions.csv", PROMOTIONS)
    kinds.write("orders.csv", ORDERS)
    await kinds.start()
    return kinds


async def campaign(world: KindsWorld) -> None:
    """A live and running campaign with one person who is somebody else."""
    text = "{% if promotion_name %}{{ promotion_name }}{% endif %} is on"
    await world.campaign("spring", 1, subject="Hello", text=text)


def reached(world: KindsWorld) -> list[str]:
    return sorted(row["address"] for row in world.rows(
        "SELECT r.address FROM jobs j JOIN recipients r ON r.id = j.recipient_id WHERE j.state = 'completed' "
        "AND r.address LIKE '%@example.org' AND r.address NOT LIKE '%00000@%'"))  # fmt: skip


async def test_a_promotion_is_sent_through_its_campaign_with_what_both_files_say(shop: KindsWorld) -> None:
    await campaign(shop)
    job = await shop.run_job("send_promotion", {"promotion_id": "spring", "customer_id": "c1", **FILES})
    assert job["state"] == "completed", job
    assert job["result"] == {
        "campaign": "spring", "state": "active", "added": 1, "known": 0, "suppressed": 0, "rejected": 0,
    }  # fmt: skip
    assert reached(shop) == ["iris@example.org"]
    [fields] = shop.rows("SELECT fields FROM recipients WHERE address = 'iris@example.org'")
    assert '"promotion_name": "Spring sale"' in fields["fields"]
    assert '"tier": "vip"' in fields["fields"]


async def test_many_customers_are_one_import_and_those_that_cannot_be_written_to_are_named(shop: KindsWorld) -> None:
    await campaign(shop)
    ids = ["c1", "c2", "c3", "c4", "c9"]
    job = await shop.run_job("send_promotion", {"promotion_id": "spring", "customer_ids": ids, **FILES})
    assert job["result"]["added"] == 2
    assert set(job["result"]["unknown_ids"]) == {"c3", "c4", "c9"}
    assert job["flag"].startswith("3 could not be looked up")
    assert reached(shop) == ["iris@example.org", "tom@example.org"]
    assert len(shop.rows("SELECT 1 FROM imports WHERE source LIKE 'job %'")) == 1


async def test_the_same_promotion_twice_reaches_nobody_twice_and_says_so(shop: KindsWorld) -> None:
    await campaign(shop)
    payload = {"promotion_id": "spring", "customer_id": "c1", **FILES}
    first = await shop.run_job("send_promotion", payload)
    second = await shop.run_job("send_promotion", payload)
    assert second["result"]["known"] == 1
    assert (
        second["flag"]
        == f"empty: nobody was added to spring: iris@example.org: in spring already, by job {first['id']}"
    )
    assert reached(shop) == ["iris@example.org"]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"promotion_id": "winter", "customer_id": "c1"}, "promotion winter ended on 2025-12-31"),
        ({"promotion_id": "autumn", "customer_id": "c1"}, "there is no promotion 'autumn' in promotions.csv"),
        ({"promotion_id": "spring", "customer_id": "c9"}, "there is no customer 'c9' in customers.csv"),
        ({"promotion_id": "spring", "customer_id": "c3"}, "customer 'c3' has no e-mail address"),
        ({"promotion_id": "spring", "customer_id": "c4"}, "customers.csv has several rows of customer 'c4'"),
        ({"promotion_id": "nowhere", "customer_id": "c1"}, "no campaign is named"),
    ],
)
async def test_what_no_further_try_would_mend_fails_at_once(
    shop: KindsWorld, payload: dict[str, Any], words: str
) -> None:
    await campaign(shop)
    job = await shop.run_job("send_promotion", {**payload, **FILES})
    assert (job["state"], job["attempts"]) == ("failed", 1)
    assert words in job["last_error"]


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"customer_id": "c1"}, "payload.promotion_id"),
        ({"promotion_id": "p"}, "give either customer_id or customer_ids"),
        ({"promotion_id": "p", "customer_id": "c", "customer_ids": ["d"]}, "give either customer_id or customer_ids"),
        ({"promotion_id": "", "customer_id": "c"}, "payload.promotion_id"),
        ({"promotion_id": "p", "customer_id": "c", "tier": "vip"}, "payload.tier"),
    ],
)
async def test_a_bad_payload_is_refused_before_a_job_is_made(
    shop: KindsWorld, payload: dict[str, Any], field: str
) -> None:
    with pytest.raises(UsageError) as refused:
        await shop.call("job.add", kind="send_promotion", payload=payload)
    assert field in refused.value.message
    assert shop.rows("SELECT 1 FROM tasks") == []


async def test_a_campaign_that_is_missing_holds_the_job_until_a_person_made_it(shop: KindsWorld) -> None:
    job = await shop.run_job("send_promotion", {"promotion_id": "spring", "customer_id": "c1", **FILES})
    assert job["state"] == "held"
    assert "there is no campaign 'spring'" in job["last_error"]


async def test_a_file_that_is_missing_holds_the_job(shop: KindsWorld) -> None:
    job = await shop.run_job("send_promotion", {"promotion_id": "spring", "customer_id": "c1"})
    assert job["state"] == "held"
    assert "there is no file customers.db" in job["last_error"]


async def test_a_draft_keeps_its_people_until_a_person_starts_it(shop: KindsWorld) -> None:
    await shop.campaign("spring", 0, start=False)
    job = await shop.run_job("send_promotion", {"promotion_id": "spring", "customer_id": "c1", **FILES})
    assert job["flag"] == "spring is a draft: the message leaves when a person starts it"
    assert reached(shop) == []
    await shop.call("campaign.start", name="spring")
    await shop.clock.run(MINUTE)
    assert reached(shop) == ["iris@example.org"]


async def test_a_draft_is_started_where_the_payload_says_so(shop: KindsWorld) -> None:
    await shop.campaign("spring", 0, start=False)
    payload = {"promotion_id": "spring", "customer_id": "c1", "start": True, **FILES}
    job = await shop.run_job("send_promotion", payload)
    assert (job["state"], job["flag"]) == ("completed", "")
    assert reached(shop) == ["iris@example.org"]


async def test_a_job_cannot_start_what_is_not_live(shop: KindsWorld) -> None:
    await shop.campaign("spring", 0, start=False, live=False)
    payload = {"promotion_id": "spring", "customer_id": "c1", "start": True, **FILES}
    job = await shop.run_job("send_promotion", payload)
    assert job["state"] == "held"
    assert "not live" in job["last_error"]
    assert reached(shop) == []


async def test_a_suppressed_customer_is_not_written_to(shop: KindsWorld) -> None:
    await campaign(shop)
    await shop.call("suppression.add", entries=[{"value": "iris@example.org"}])
    job = await shop.run_job("send_promotion", {"promotion_id": "spring", "customer_id": "c1", **FILES})
    assert job["result"]["suppressed"] == 1
    assert job["flag"].startswith("empty: nobody was added to spring: iris@example.org")
    assert reached(shop) == []


async def test_people_whom_a_crash_left_without_a_slot_are_planned_by_the_next_try(
    shop: KindsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await campaign(shop)
    broken = {"left": 1}
    from engine.control import intake

    plan = intake._plan_added

    async def crash(*args: Any) -> dict[str, Any]:
        broken["left"] -= 1
        if broken["left"] >= 0:
            raise OSError("the machine went away")
        return await plan(*args)

    monkeypatch.setattr(intake, "_plan_added", crash)
    job = await shop.run_job("send_promotion", {"promotion_id": "spring", "customer_id": "c1", **FILES})
    assert (job["state"], job["attempts"], job["result"]["added"]) == ("completed", 2, 1)
    assert reached(shop) == ["iris@example.org"]


async def test_a_review_is_asked_for_of_a_delivered_order_only(shop: KindsWorld) -> None:
    await shop.campaign("reviews", 1)
    asked = await shop.run_job("send_review_request", {"order_id": "A-1", "campaign": "reviews", **FILES})
    early = await shop.run_job("send_review_request", {"order_id": "A-2", "campaign": "reviews", **FILES})
    assert (asked["result"]["added"], early["flag"]) == (1, "empty: order A-2 is shipped, not delivered")
    assert reached(shop) == ["iris@example.org"]


async def test_nobody_is_reminded_of_what_is_settled(shop: KindsWorld) -> None:
    await shop.campaign("reminders", 1)
    paid = await shop.run_job("send_reminder", {"order_id": "A-3", "campaign": "reminders", **FILES})
    due = await shop.run_job("send_reminder", {"order_id": "A-2", "campaign": "reminders", **FILES})
    whose = await shop.run_job("send_reminder", {"order_id": "A-4", "campaign": "reminders", **FILES})
    assert paid["flag"] == "empty: order A-3 is paid: nothing to remind of"
    assert due["result"]["added"] == 1
    assert (whose["state"], whose["last_error"]) == (
        "failed", "the order has no customer: its file needs a column customer_id"
    )  # fmt: skip
    assert reached(shop) == ["tom@example.org"]


async def test_a_notification_reaches_the_allow_list_and_can_be_repeated(kinds: KindsWorld) -> None:
    kinds.allow = ["*@example.org"]
    await kinds.start()
    said = {"to": ["ops@example.org"], "subject": "{{ 7 * 7 }} is text", "text": "{% raw %}", "account": "one"}
    for _ in range(2):
        job = await kinds.run_job("send_notification", said)
        assert job["state"] == "completed", job
    assert reached(kinds) == ["ops@example.org"] * 2
    assert [message.content for message in kinds.channel.begun if b"{{ 7 * 7 }} is text" in message.content]


async def test_a_notification_to_a_stranger_waits_for_a_person(kinds: KindsWorld) -> None:
    await kinds.start()
    job = await kinds.run_job("send_notification", {"to": ["x@example.org"], "subject": "s", "account": "one"})
    assert job["state"] == "held"
    assert "allow-list" in job["last_error"]
    assert reached(kinds) == []


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"to": [], "subject": "s", "account": "one"}, "payload.to"),
        ({"to": ["a@example.org"], "account": "one"}, "payload.subject"),
        ({"to": ["a@example.org"], "subject": "s"}, "give either campaign, one that exists, or account"),
    ],
)
async def test_a_notification_says_what_is_wrong_with_it(
    kinds: KindsWorld, payload: dict[str, Any], words: str
) -> None:
    await kinds.start()
    with pytest.raises(UsageError, match=words):
        await kinds.call("job.add", kind="send_notification", payload=payload)


async def test_a_notification_through_a_campaign_prints_what_it_says(kinds: KindsWorld) -> None:
    await kinds.start()
    await kinds.campaign("news", 0, start=False, subject="{{ subject }}", text="{{ text }} {{ place }}")
    said = {
        "to": ["ops@example.org"],
        "subject": "Down",
        "text": "It is",
        "fields": {"place": "Graz"},
        "campaign": "news",
    }
    job = await kinds.run_job("send_notification", said)
    assert job["flag"] == "news is a draft: the message leaves when a person starts it"
    await kinds.call("campaign.start", name="news")
    await kinds.clock.run(MINUTE)
    [message] = [one for one in kinds.channel.begun if one.recipient == "ops@example.org"]
    assert b"It is Graz" in message.content


def test_a_notification_to_a_service_is_json_whatever_it_says() -> None:
    hostile = {"subject": '"},{"x": "{{ 7 * 7 }}', "text": "line\nend \\ {% raw %} \u2028"}
    step = Step(1, 1, 1, "", TEMPLATES["webhook"]["text"], "", {}, ())
    account = WebhookAccount(channel="webhook", url="https://example.com/in")
    message = PayloadFactory(step, account).build(
        address="ops@example.org", fields=hostile, message_id="<1@example.org>", date=0
    )
    assert json.loads(message.content) == {"to": "ops@example.org", **hostile}


async def test_jobs_that_add_to_one_campaign_at_the_same_time_take_turns(shop: KindsWorld) -> None:
    await campaign(shop)
    shop.write("customers.csv", "id,email\n" + "".join(f"c{n},p{n}@example.org\n" for n in range(30)))
    ids = [
        (await shop.call("job.add", kind="send_promotion",
                         payload={"promotion_id": "spring", "customer_id": f"c{n}", **FILES}))["job_id"]
        for n in range(30)
    ]  # fmt: skip
    ended = [await shop.ended(job_id) for job_id in ids]
    assert {(job["state"], job["attempts"], job["flag"]) for job in ended} == {("completed", 1, "")}
    assert len(reached(shop)) == 30


async def test_while_a_person_imports_into_the_campaign_a_job_waits_and_uses_up_no_try(shop: KindsWorld) -> None:
    await campaign(shop)
    begun = (await shop.call("recipients.begin", campaign="spring", source="people.csv"))["import_id"]
    payload = {"promotion_id": "spring", "customer_id": "c1", **FILES}
    job_id = (await shop.call("job.add", kind="send_promotion", payload=payload, retries=0))["job_id"]
    await shop.clock.run(5 * MINUTE)
    assert shop.job(job_id)["state"] == "pending"
    await shop.call("recipients.abort", import_id=begun)
    assert (await shop.ended(job_id))["state"] == "completed"
    assert reached(shop) == ["iris@example.org"]


async def test_what_was_held_goes_on_when_the_cause_is_gone(shop: KindsWorld) -> None:
    held = await shop.run_job("send_promotion", {"promotion_id": "spring", "customer_id": "c1", **FILES})
    assert held["state"] == "held"
    await campaign(shop)
    seen = shop.read(lambda reader: of_ids(reader, Act.RETRY, [held["id"]])).jobs
    await shop.call("job.retry", seen=seen.part(0, len(seen)))
    assert (await shop.ended(held["id"]))["result"]["added"] == 1
    assert reached(shop) == ["iris@example.org"]


async def test_a_job_that_is_asked_to_end_leaves_no_import_behind(
    shop: KindsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await campaign(shop)
    monkeypatch.setattr(handover, "SLICE", 1)
    payload = {"promotion_id": "spring", "customer_ids": ["c1", "c2"], **FILES}
    job_id = (await shop.call("job.add", kind="send_promotion", payload=payload))["job_id"]
    act = handover.RunContext.act

    async def ends(self: Any, name: str, /, **args: Any) -> dict[str, Any]:
        if name == "recipients.rows":
            await shop.call("job.end", ids=[job_id])
        return await act(self, name, **args)

    monkeypatch.setattr(handover.RunContext, "act", ends)
    assert (await shop.ended(job_id))["state"] == "skipped"
    assert shop.rows("SELECT 1 FROM imports WHERE state = 'loading'") == []
    assert reached(shop) == []


async def test_what_waits_for_approval_is_not_sent_for_a_job_either(shop: KindsWorld) -> None:
    await shop.campaign("spring", 1, approval="message")
    job = await shop.run_job("send_promotion", {"promotion_id": "spring", "customer_id": "c1", **FILES})
    assert job["result"]["added"] == 1
    [message] = shop.rows(
        "SELECT j.state, j.reason FROM jobs j JOIN recipients r ON r.id = j.recipient_id WHERE r.address = ?",
        "iris@example.org",
    )
    assert message == {"state": "held", "reason": "approval"}
    assert reached(shop) == []
