"""Suppressions against a running engine: the other side's ledger says who was still written to."""

from __future__ import annotations

import email
import json
import random
import re

import pytest
from run_world import World

from engine.forecasting import forecast_campaign
from storage.errors import PacelineError
from storage.model import MINUTE, SECOND
from tests.support.scripted import NO_SUCH_USER, Reply
from tui.forecast_words import not_sent

DISABLED = Reply(550, "5.2.1 The email account that you tried to reach is disabled")
UNKNOWN_WORDS = Reply(550, "5.7.1 Message rejected as spam")
TOKEN = re.compile(r"[?&]t=([a-z2-7]+)")


def people(n: int) -> list[str]:
    """Of many domains, so that a domain's entry names a few of them."""
    return [f"p{i:03d}@d{i % 7}.example" for i in range(n)]


async def suppress(world: World, *values: str, **more: object) -> dict[str, object]:
    entries = [{"value": value, **more} for value in values]
    return await world.call("suppression.add", entries=entries)


@pytest.mark.parametrize("seed", range(4))
async def test_nobody_suppressed_is_ever_begun_whenever_the_suppression_comes(world: World, seed: int) -> None:
    rng = random.Random(seed)
    await world.start(concurrency=8)
    everybody = people(120)
    pacing = {"mode": "steady", "rate": "120/min"} if seed % 2 else {"mode": "blast", "concurrency": 8}
    await world.campaign(people=everybody, pacing=pacing, list_name="news")
    since: dict[str, int] = {}
    for _ in range(25):
        await world.clock.run(rng.randrange(1, 3 * SECOND))
        value = rng.choice(everybody) if rng.random() < 0.8 else f"@d{rng.randrange(7)}.example"
        await suppress(world, value, list_name=rng.choice(["", "news"]), reason=rng.choice(["manual", "unsubscribed"]))
        since.setdefault(value, world.clock.now())
    await world.finish()
    # An intent is the point of no return: none was written after the suppression stood.
    for attempt in world.rows(
        "SELECT r.address, a.intent_at FROM attempts a JOIN jobs j ON j.id = a.job_id "
        "JOIN recipients r ON r.id = j.recipient_id"
    ):
        address = attempt["address"]
        for value in (address, f"@{address.partition('@')[2]}"):
            assert attempt["intent_at"] <= since.get(value, attempt["intent_at"]), value
    counts = world.counts()
    assert counts["completed"] + counts["skipped"] == 120
    assert set(world.channel.accepted) == {job["address"] for job in world.jobs() if job["state"] == "completed"}


async def test_a_dead_address_is_left_alone_by_every_campaign_and_a_refusal_for_another_reason_is_not(
    world: World,
) -> None:
    dead, gone, spam = people(3)
    world.channel.script = {dead: [NO_SUCH_USER] * 3, gone: [DISABLED] * 3, spam: [UNKNOWN_WORDS] * 3}
    await world.start()
    await world.campaign("first", people=[dead, gone, spam])
    await world.clock.until(lambda: world.counts("first") == {"failed": 3})
    stands = {row["value"]: row for row in world.rows("SELECT * FROM suppressions")}
    assert {value: row["reason"] for value, row in stands.items()} == {dead: "dead", gone: "disabled"}
    assert stands[dead]["expires_at"] is None
    assert stands[gone]["expires_at"] > stands[gone]["created_at"]
    begun = (await world.call("campaign.new", name="second", account="one", subject="s", text="t"))["id"]
    opened = await world.call("recipients.begin", campaign="second", source="people.csv")
    rows = [(n, address, address, {}) for n, address in enumerate([dead, gone, spam], 2)]
    answer = await world.call("recipients.rows", import_id=opened["import_id"], rows=rows)
    assert begun
    assert answer["stored"] == 1
    assert sorted(answer["suppressed"]) == ["2", "3"]
    assert answer["suppressed"]["2"].startswith("suppressed: dead since 2026-")
    await world.finish()


async def test_dry_run_forecast_and_start_leave_out_the_same_people_of_a_suppressed_domain(world: World) -> None:
    """A domain's entry stops nobody before the start: all three look for themselves."""
    await world.start()
    await world.campaign(people=people(14), start=False)
    await suppress(world, "@d0.example")
    asked = await world.call("campaign.start", name="c", dry_run=True)
    assert (asked["queued"], asked["suppressed"]) == (12, 2)
    assert asked["message"].startswith("12 messages would be scheduled, 2 left out as suppressed: ")
    now, config = world.clock.now(), world.engine.context.config
    told = world.read(lambda reader: forecast_campaign(reader, "c", config, now=now))
    assert (told.open, dict(told.held)) == (12, {"suppressed": 2})
    assert not_sent(told) == [("suppressed", 2)]
    started = await world.call("campaign.start", name="c")
    assert (started["queued"], started["suppressed"]) == (12, 2)
    assert started["estimate"] == asked["estimate"]


async def test_a_dry_run_of_nobody_names_no_time(world: World) -> None:
    await world.start()
    await world.campaign(people=people(2), start=False)
    await suppress(world, "@d0.example", "@d1.example")
    asked = await world.call("campaign.start", name="c", dry_run=True)
    assert (asked["queued"], asked["first_due"], asked["estimated_completion"]) == (0, None, None)


async def test_everybody_suppressed_is_nobody_to_send_to(world: World) -> None:
    await world.start()
    await world.campaign(people=people(3), start=False)
    await suppress(world, *(f"@d{n}.example" for n in range(7)))
    with pytest.raises(PacelineError, match="all 3 of campaign 'c' are suppressed"):
        await world.call("campaign.start", name="c")
    await world.finish()


async def letters(world: World, scope: str = "all") -> dict[str, str]:
    """The token of each person's own message, out of what the server got."""
    mine = {"unsubscribe_url": "https://example.com/leave?t={unsubscribe_token}",
            "unsubscribe_mailto": "leave+{unsubscribe_token}@example.com", "unsubscribe_scope": scope}  # fmt: skip
    await world.start(**mine)
    await world.campaign(people=people(2), list_name="news")
    await world.clock.until(lambda: world.state() == "completed")
    tokens = {}
    for found in world.channel.deliveries:
        mail = email.message_from_bytes(found.content)
        header = mail["List-Unsubscribe"].replace("\r\n", "")
        token = TOKEN.search(header)
        assert token is not None
        assert f"<mailto:leave+{token[1]}@example.com>" in header
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        tokens[found.recipient] = token[1]
    return tokens


@pytest.mark.parametrize(("scope", "others"), [("all", "skipped"), ("list", "pending")])
async def test_a_token_leaves_everything_or_the_list_alone(world: World, scope: str, others: str) -> None:
    tokens = await letters(world, scope)
    leaver, stays = people(2)
    for name, list_name in (("again", "news"), ("offers", "")):
        steady = {"mode": "steady", "rate": "1/h"}
        await world.campaign(name, people=["first@x.example", leaver, stays], list_name=list_name, pacing=steady)
    items = [{"token": tokens[leaver].upper(), "digest": ""}]
    assert (await world.call("unsubscribe", items=items))["unsubscribed"] == 1
    state = {name: [job["state"] for job in world.jobs(name)] for name in ("again", "offers")}
    assert (state["again"][1], state["offers"][1]) == ("skipped", others)
    assert (state["again"][2], state["offers"][2]) == ("pending", "pending")
    assert (await world.call("unsubscribe", items=items))["already"] == 1
    (event,) = world.events("unsubscribe.read")
    assert event["actor"] == "ana"
    await world.stop()


async def test_an_invented_token_changes_nothing(world: World) -> None:
    token = next(iter((await letters(world)).values()))
    forged = ("a" if token[0] != "a" else "b") + token[1:]
    answer = await world.call("unsubscribe", items=[{"token": one} for one in (forged, "no", token[:-4] + "2222")])
    assert (answer["success"], answer["unknown"], answer["unsubscribed"]) == (False, 3, 0)
    assert world.rows("SELECT * FROM suppressions") == []
    assert world.events("unsubscribe.read") == []
    await world.finish()


async def test_a_suppressed_job_says_by_what_and_until_when(world: World) -> None:
    await world.start()
    await world.campaign(people=people(2), pacing={"mode": "steady", "rate": "1/h"})
    until = world.clock.now() + 90 * 24 * 60 * MINUTE
    await suppress(world, "@d1.example", expires_at=until, reason="complained")
    job = world.jobs()[1]
    from engine.explain.asking import Asking
    from engine.explain.facts import EngineFacts

    told = world.read(lambda reader: Asking(reader, world.clock.now(), EngineFacts(True)).job(job["id"]))
    gate = next(gate for gate in told.gates if gate.name == "suppression")
    assert not gate.open
    assert json.loads(json.dumps(dict(gate.numbers))) == {
        "kind": "domain", "value": "d1.example", "reason": "complained", "scope": "", "since_at": gate.since,
        "until_at": until,
    }  # fmt: skip
    assert told.holding is gate
    await world.stop()
