"""LinkedIn invitations through the whole engine: what the service says becomes what the table of the docs says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from linkedin_world import LinkedInWorld
from run_world import slow_heart

from engine import service
from engine.channels.unipile import evidence, tending
from storage.errors import RefusedError, StaleEpochError
from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.simulated import SimulatedClock, inline_store
from tui.demo.unipile_rules import INVITING, WITHDRAWN, Answer, Member
from tui.demo.unipile_server import ACCOUNT

FIRST, SECOND_ = "ana-lopez", "bob-smith"
PEOPLE = [FIRST, SECOND_]


@pytest.fixture
async def world(tmp_path: Path, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LinkedInWorld]:
    inline_store(monkeypatch)
    slow_heart(monkeypatch, 6 * HOUR)
    monkeypatch.setattr(service, "IDLE_LOOK", 2 * MINUTE)
    made = LinkedInWorld(tmp_path, clock, monkeypatch)
    yield made
    await made.stop()
    made.check()
    await made.stop_serving()


async def test_twenty_people_are_invited_fifteen_to_ninety_minutes_apart(world: LinkedInWorld) -> None:
    people = [(f"person-{n:02}", f"Person{n}", "Example") for n in range(20)]
    members = {profile: Member(profile, first, last) for profile, first, last in people}
    await (await world.serve(members=members)).start()
    began = world.clock.now()
    await world.campaign(people=people)
    await world.finish()
    assert world.state() == "completed"
    assert world.counts() == {"completed": 20}
    assert world.sent == {profile: 1 for profile, _, _ in people}
    times = [entry.at for entry in world.server.ledger.sent]
    gaps = [after - before for before, after in pairwise(times)]
    assert min(gaps) >= 15 * MINUTE
    assert 20 * 15 * MINUTE <= times[-1] - began <= 20 * 90 * MINUTE, "5 to 30 hours, as the estimate says"
    assert {entry.note for entry in world.server.ledger.sent} == {f"Hi {first}" for _, first, _ in people}
    asked = Counter(line.partition("person-")[0].partition(ACCOUNT)[0] for line in world.server.asked)
    assert (asked["GET users/"], asked["POST users/invite"]) == (20, 20), "one look-up and one invitation each"
    assert asked["GET accounts/"] <= 40, "and the account itself is not asked for by the second"


TABLE = [
    # type, status, the message then, its reason, the queue, the campaign
    ("already_invited_recently", 422, "skipped", "already invited", "ready", "active"),
    ("action_already_performed", 422, "skipped", "already invited", "ready", "active"),
    ("already_connected", 422, "skipped", "already connected", "ready", "active"),
    ("cannot_resend_yet", 422, "pending", "422 cannot resend yet", "ready", "active"),
    ("cannot_resend_within_24hrs", 422, "pending", "422 cannot resend within 24hrs", "ready", "active"),
    ("no_connection_with_recipient", 422, "pending", "422 no connection with recipient", "ready", "active"),
    ("limit_exceeded", 422, "pending", "422 limit exceeded", "cooling", "active"),
    ("too_many_requests", 429, "pending", "429 too many requests", "cooling", "active"),
    ("connection_limit_reached", 422, "pending", "422 connection limit reached", "needs_attention", "active"),
    ("invalid_recipient", 422, "failed", "422 invalid recipient", "ready", "active"),
    ("user_unreachable", 422, "failed", "422 user unreachable", "ready", "active"),
    ("blocked_recipient", 422, "failed", "422 blocked recipient", "ready", "active"),
    ("resource_not_found", 404, "failed", "404 resource not found", "ready", "active"),
    ("invalid_resource_identifier", 404, "failed", "404 invalid resource identifier", "ready", "active"),
    ("insufficient_credits", 422, "held", "configuration", "ready", "paused"),
    ("not_allowed_inmail", 422, "held", "configuration", "ready", "paused"),
    ("feature_not_subscribed", 403, "held", "configuration", "ready", "paused"),
    ("subscription_required", 403, "held", "configuration", "ready", "paused"),
    ("disconnected_account", 401, "pending", "401 disconnected account", "needs_attention", "active"),
    ("expired_credentials", 401, "pending", "401 expired credentials", "needs_attention", "active"),
    ("invalid_credentials", 401, "pending", "401 invalid credentials", "needs_attention", "active"),
    ("checkpoint_error", 401, "pending", "401 checkpoint error", "needs_attention", "active"),
    ("wrong_account", 401, "pending", "401 wrong account", "needs_attention", "active"),
    ("multiple_sessions", 401, "pending", "401 multiple sessions", "needs_attention", "active"),
    ("account_restricted", 403, "pending", "403 account restricted", "restricted", "paused"),
    ("too_many_characters", 400, "held", "content", "ready", "paused"),
    ("invalid_parameters", 400, "held", "content", "ready", "paused"),
    ("content_too_large", 400, "held", "content", "ready", "paused"),
    ("unexpected_error", 500, "uncertain", "500 unexpected error", "ready", "active"),
    ("provider_error", 500, "uncertain", "500 provider error", "ready", "active"),
    ("feature_not_implemented", 501, "held", "configuration", "ready", "paused"),
    ("no_client_session", 503, "pending", "503 no client session", "cooling", "active"),
    ("network_down", 503, "uncertain", "503 network down", "ready", "active"),
    ("request_timeout", 504, "uncertain", "504 request timeout", "ready", "active"),
]


async def _answered(world: LinkedInWorld) -> None:
    """Until the first invitation was answered and what follows is done; the next is a quarter of an hour away."""
    await world.clock.until(lambda: "POST users/invite" in world.server.asked)
    await world.clock.run(30 * SECOND)


@pytest.mark.parametrize(("kind", "status", "state", "reason", "queue", "campaign"), TABLE, ids=[r[0] for r in TABLE])
async def test_an_error_does_to_message_queue_and_campaign_what_the_table_says(
    world: LinkedInWorld, kind: str, status: int, state: str, reason: str, queue: str, campaign: str
) -> None:
    answer = Answer(status, f"errors/{kind}")
    await (await world.serve(invites={FIRST: [answer]})).start()
    await world.campaign(people=PEOPLE)
    await _answered(world)
    job = world.job_of(FIRST)
    assert (job["state"], job["reason"] or job["error_key"]) == (state, reason)
    assert world.queue()["state"] == queue
    assert world.state() == campaign
    assert world.sent == {}
    (attempt,) = world.attempts(f"{FIRST}@example.org")
    assert (attempt["code"], kind in attempt["reply"]) == (status, True), "the whole answer stays with the attempt"


CURED = [row[0] for row in TABLE if row[2] == "pending" and row[4] != "restricted"]


@pytest.mark.parametrize("kind", CURED)
async def test_what_stays_due_is_sent_once_when_it_may_be(world: LinkedInWorld, kind: str) -> None:
    status = next(row[1] for row in TABLE if row[0] == kind)
    await (await world.serve(invites={FIRST: [Answer(status, f"errors/{kind}")]})).start()
    await world.campaign(people=PEOPLE)
    await _answered(world)
    if world.queue()["state"] == "needs_attention":
        await world.call("queue.resume", name="one")
    await world.clock.until(lambda: world.state() == "completed", limit=3 * DAY)
    assert world.sent == {FIRST: 1, SECOND_: 1}
    assert world.job_of(FIRST)["tries"] <= 1, "the refusal used up no try"


@pytest.mark.parametrize("kind", ["limit_exceeded", "too_many_requests"])
async def test_a_limit_rests_the_queue_for_a_day_unless_the_service_names_its_time(
    world: LinkedInWorld, kind: str
) -> None:
    await (await world.serve(invites={FIRST: [Answer(429, f"errors/{kind}")]})).start()
    await world.campaign(people=PEOPLE)
    await _answered(world)
    began = world.clock.now()
    await world.clock.until(lambda: bool(world.sent), limit=2 * DAY)
    assert DAY - HOUR <= world.clock.now() - began <= DAY + HOUR


async def test_retry_after_is_obeyed(world: LinkedInWorld) -> None:
    answer = Answer(429, "errors/too_many_requests", retry_after="7200")
    await (await world.serve(invites={FIRST: [answer]})).start()
    await world.campaign(people=PEOPLE)
    await _answered(world)
    rest = world.queue()["until_at"] - world.clock.now()
    assert 2 * HOUR - 2 * MINUTE <= rest <= 2 * HOUR
    await world.clock.until(lambda: bool(world.sent), limit=4 * HOUR)


async def test_a_second_person_who_cannot_be_invited_yet_rests_the_account(world: LinkedInWorld) -> None:
    refused = [Answer(422, "errors/cannot_resend_yet")]
    await (await world.serve(invites={FIRST: refused, SECOND_: refused})).start()
    await world.campaign(people=[*PEOPLE, "cleo-three"])
    await world.clock.until(lambda: world.server.asked.count("POST users/invite") == 2)
    await world.clock.run(MINUTE)
    assert world.queue()["state"] == "cooling"
    assert world.job_of("cleo-three")["state"] == "pending"
    await world.clock.until(lambda: world.state() == "completed", limit=4 * DAY)
    assert world.sent == {FIRST: 1, SECOND_: 1, "cleo-three": 1}


@pytest.mark.parametrize("how", ["cut", "hang", "odd", "reply"])
async def test_an_invitation_in_doubt_that_was_sent_is_found_among_the_sent_ones(
    world: LinkedInWorld, how: Any
) -> None:
    answer = Answer(500 if how == "reply" else 200, "errors/provider_error", sent=True, how=how)
    await (await world.serve(invites={FIRST: [answer]})).start()
    await world.campaign(people=PEOPLE)
    await _answered(world)
    job = world.job_of(FIRST)
    assert (job["state"], job["error_key"]) == ("completed", "")
    (event,) = world.events("job.resolved")
    assert event["job_id"] == job["id"]
    assert "found among the sent invitations" in event["text"]
    await world.finish()
    assert world.state() == "completed"
    assert world.sent == {FIRST: 1, SECOND_: 1}


async def test_one_that_was_accepted_at_once_is_found_among_the_connections(world: LinkedInWorld) -> None:
    await (await world.serve(invites={FIRST: [Answer(504, "errors/request_timeout", sent=True)]})).start()
    world.server.accepted.add(FIRST)
    await world.campaign(people=PEOPLE)
    await _answered(world)
    assert world.job_of(FIRST)["state"] == "completed"
    assert "found among the connections" in world.events("job.resolved")[0]["text"]


async def test_one_that_is_found_nowhere_stays_uncertain_and_is_looked_for_a_day(
    world: LinkedInWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (evidence, tending):
        # Looked for by the hour, so that a day takes a sixth of the questions.
        monkeypatch.setattr(module, "EVERY", HOUR)
    await (await world.serve(invites={FIRST: [Answer(504, "errors/request_timeout")]})).start()
    await world.campaign(people=PEOPLE)
    await _answered(world)
    await world.clock.run(2 * DAY)
    assert world.job_of(FIRST)["state"] == "uncertain"
    assert world.sent == {SECOND_: 1}, "nothing sends it again"
    first, last = world.events("job.looked_for")
    assert "every 10 minutes for a day" in first["text"]
    assert "a person decides" in last["text"]
    assert {first["job_id"], last["job_id"]} == {world.job_of(FIRST)["id"]}
    looks = world.server.asked.count("GET users/invite/sent")
    assert 23 <= looks <= 25
    await world.clock.run(DAY)
    assert world.server.asked.count("GET users/invite/sent") == looks


async def test_after_a_cut_the_sent_list_says_what_had_left(world: LinkedInWorld) -> None:
    await (await world.serve(invites={FIRST: [Answer(how="hang", sent=True)]})).start()
    await world.campaign(people=PEOPLE)
    flow = asyncio.ensure_future(world.clock.until(lambda: False, limit=2 * HOUR))
    await world.server.wait_for("POST users/invite")
    flow.cancel()
    await world.cut()
    assert world.job_of(FIRST)["state"] == "uncertain"
    await world.start()
    await world.clock.until(lambda: world.state() == "completed", limit=2 * DAY)
    assert "found among the sent invitations" in world.events("job.resolved")[0]["text"]
    assert world.sent == {FIRST: 1, SECOND_: 1}


@pytest.mark.parametrize(
    ("member", "state", "reason"),
    [
        (Member(FIRST, "Ana", "López", distance="FIRST_DEGREE"), "skipped", "already connected"),
        (Member(FIRST, "Ana", "López", invitation=("SENT", "PENDING")), "skipped", "already invited"),
        (Member(FIRST, "Ana", "López", invitation=INVITING[1]), "held", "content"),
        (Member(FIRST, "Bob", "Smith"), "failed", "another person's profile"),
    ],
)
async def test_what_the_look_up_says_costs_neither_cap_nor_campaign(
    world: LinkedInWorld, member: Member, state: str, reason: str
) -> None:
    await (await world.serve(members={FIRST: member})).start(daily_cap=1)
    await world.campaign(people=[(FIRST, "Ana", "Lopez"), SECOND_])
    await world.clock.until(lambda: bool(world.sent), limit=6 * HOUR)
    await world.clock.run(MINUTE)
    job = world.job_of(FIRST)
    assert (job["state"], job["reason"] or job["error_key"]) == (state, reason)
    assert world.sent == {SECOND_: 1}
    assert world.queue()["state"] == "ready"


async def test_a_withdrawn_invitation_is_made_anew_after_three_weeks(world: LinkedInWorld) -> None:
    await (await world.serve(members={FIRST: Member(FIRST, "Ana", "López", invitation=WITHDRAWN[1])})).start()
    await world.campaign(people=[FIRST])
    began = world.clock.now()
    await world.clock.run(20 * DAY)
    assert world.job_of(FIRST)["state"] == "pending"
    assert world.sent == {}
    await world.clock.until(lambda: world.state() == "completed", limit=3 * DAY)
    assert 21 * DAY <= world.clock.now() - began <= 22 * DAY
    assert world.sent == {FIRST: 1}


async def test_look_ups_have_a_cap_of_their_own(world: LinkedInWorld) -> None:
    await (await world.serve(connected=1.0)).start(look_ups="3/day", daily_cap=20)
    await world.campaign(people=[f"person-{n:02}" for n in range(5)])
    await world.clock.until(lambda: world.queue()["state"] == "cooling", limit=DAY)
    assert sum(line.startswith("GET users/person") for line in world.server.asked) == 3
    assert world.counts() == {"skipped": 3, "pending": 2}
    await world.clock.until(lambda: world.state() == "completed", limit=3 * DAY)
    assert sum(line.startswith("GET users/person") for line in world.server.asked) == 5


@pytest.mark.parametrize(("usage", "state", "throttle"), [(75, "ready", 0), (90, "ready", 1), (95, "cooling", 0)])
async def test_usage_slows_or_rests_the_queue_and_the_invitation_stays_sent(
    world: LinkedInWorld, usage: int, state: str, throttle: int
) -> None:
    await (await world.serve(invites={FIRST: [Answer(usage=usage)]})).start()
    await world.campaign(people=PEOPLE)
    await _answered(world)
    assert world.job_of(FIRST)["state"] == "completed"
    assert (world.queue()["state"], world.queue()["throttle"]) == (state, throttle)
    await world.clock.until(lambda: world.state() == "completed", limit=3 * DAY)
    assert world.sent == {FIRST: 1, SECOND_: 1}


async def test_a_look_up_that_fails_is_tried_again_and_nobody_is_in_doubt(world: LinkedInWorld) -> None:
    trouble = [Answer(500, "errors/provider_error"), Answer(503, "errors/network_down")]
    await (await world.serve(look_ups={FIRST: trouble})).start()
    await world.campaign(people=PEOPLE)
    await world.clock.until(lambda: world.state() == "completed", limit=2 * DAY)
    assert world.sent == {FIRST: 1, SECOND_: 1}
    assert world.events("job.resolved") == []


async def test_who_accepts_is_learnt_from_the_connections_three_times_a_day(world: LinkedInWorld) -> None:
    await (await world.serve()).start()
    await world.campaign(people=PEOPLE)
    await world.clock.until(lambda: world.state() == "completed", limit=DAY)
    world.server.accepted.add(FIRST)
    await world.clock.run(DAY)
    accepted = world.rows("SELECT profile FROM recipients WHERE accepted_at IS NOT NULL")
    assert [row["profile"] for row in accepted] == [FIRST]
    (event,) = world.events("invitation.accepted")
    assert FIRST in event["text"] and "accepted the invitation" in event["text"]
    before = world.server.asked.count("GET users/relations")
    await world.clock.run(10 * DAY)
    assert 27 <= world.server.asked.count("GET users/relations") - before <= 33


async def test_who_is_connected_already_counts_as_having_accepted(world: LinkedInWorld) -> None:
    await (await world.serve(connected=1.0)).start()
    await world.campaign(people=[FIRST])
    await world.clock.until(lambda: world.state() == "completed", limit=DAY)
    assert world.rows("SELECT profile FROM recipients WHERE accepted_at IS NOT NULL") == [{"profile": FIRST}]
    (event,) = world.events("invitation.accepted")
    assert "is connected already" in event["text"] and "accepted the" not in event["text"]


async def test_nobody_is_asked_for_when_nobody_was_invited(world: LinkedInWorld) -> None:
    await (await world.serve()).start()
    await world.clock.run(3 * DAY)
    assert world.server.asked == [], "an account at rest leaves LinkedIn alone"


async def test_an_account_at_the_door_is_restricted_before_anybody_is_claimed(world: LinkedInWorld) -> None:
    await (await world.serve(door=Answer(403, "errors/account_restricted"))).start()
    await world.campaign(people=PEOPLE)
    await world.clock.until(lambda: world.queue()["state"] == "restricted", limit=DAY)
    await world.clock.run(3 * DAY)
    assert world.state() == "paused"
    assert world.counts() == {"pending": 2}
    assert len(world.server.asked) == 1, "only a person may clear it"


async def test_a_changed_account_is_looked_after_anew(world: LinkedInWorld) -> None:
    await (await world.serve(invites={FIRST: [Answer(500, sent=True)]})).start()
    await world.campaign(people=PEOPLE)
    world.accounts["one"] = {"daily_cap": 5}
    world.write_config()
    await world.call("engine.reload")
    await _answered(world)
    assert world.job_of(FIRST)["state"] == "completed", "found among the sent ones"
    await world.clock.until(lambda: world.state() == "completed", limit=DAY)
    assert world.sent == {FIRST: 1, SECOND_: 1}


async def test_one_at_a_time_cannot_be_tuned_away(world: LinkedInWorld) -> None:
    await (await world.serve()).start()
    with pytest.raises(RefusedError, match="one at a time"):
        await world.call("queue.tune", name="one", set={"concurrency": 5})
    await world.call("queue.tune", name="one", set={"min_gap": "20m"})


async def test_an_invitation_cannot_be_tried_on_oneself(world: LinkedInWorld) -> None:
    await (await world.serve()).start()
    await world.campaign(people=PEOPLE)
    with pytest.raises(RefusedError, match="tried on yourself"):
        await world.call("campaign.test_send", name="c", to="me@example.com")


async def test_an_engine_whose_store_was_taken_over_says_so_also_where_only_its_tending_noticed(
    world: LinkedInWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(self: tending.Tending) -> None:
        raise StaleEpochError("another engine owns the store")

    monkeypatch.setattr(tending.Tending, "_look", look)
    await (await world.serve()).start()
    with pytest.raises(StaleEpochError):
        await world.finish()
