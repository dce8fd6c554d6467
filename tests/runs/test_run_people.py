"""A person corrected through control, with the engine running: the other side's ledger says who got what."""

from __future__ import annotations

import json

import pytest
from run_world import World

from engine.intake.addresses import AddressError
from storage.errors import RefusedError, UsageError
from tests.support.scripted import LOST_UNSENT, NO_SUCH_USER

WRONG, RIGHT = "c00001@example.org", "right@example.org"


async def failed(world: World, **more: object) -> World:
    """A campaign of three, over; the second has no such mailbox."""
    world.channel.script = {WRONG: [NO_SUCH_USER] * 9}
    await world.start()
    await world.campaign(people=3, **more)
    await world.clock.until(lambda: world.state() == "completed")
    return world


async def test_a_corrected_address_that_is_retried_gets_the_message_once_and_the_old_one_never(world: World) -> None:
    await failed(world)
    message_id = world.job(WRONG)["message_id"]
    answer = await world.call("recipients.edit", campaign="c", address=WRONG, new_address=f" {RIGHT} ", retry=True)
    assert (answer["retried"], answer["was"], answer["address"]) == (1, WRONG, RIGHT)
    assert answer["message"] == f"changed the address of {WRONG} to {RIGHT}; 1 will be tried again"
    await world.finish()
    assert (world.state(), world.counts()) == ("completed", {"completed": 3})
    assert world.channel.accepted == {"c00000@example.org": 1, RIGHT: 1, "c00002@example.org": 1}
    assert next(found.message_id for found in world.channel.deliveries if found.recipient == RIGHT) == message_id
    assert [found.recipient for found in world.channel.offers].count(WRONG) == 1
    event = world.events("recipients.edited")[0]
    assert (event["actor"], event["via"], event["text"]) == (
        "ana", "cli", f"ana changed the address of {WRONG} to {RIGHT} in c",
    )  # fmt: skip
    assert json.loads(event["data"])["address"] == [WRONG, RIGHT]


async def test_a_correction_alone_sends_nothing(world: World) -> None:
    await failed(world)
    answer = await world.call("recipients.edit", campaign="c", address=WRONG, new_address=RIGHT)
    assert answer["retryable"] == [[world.job(RIGHT)["id"], "failed", world.job(RIGHT)["lease"]]]
    await world.finish()
    assert RIGHT not in world.channel.accepted


async def test_a_missing_field_is_filled_in_and_the_held_message_leaves(world: World) -> None:
    await world.start()
    await world.campaign(people=2, text="Hello {{ company }}")
    await world.clock.until(lambda: world.counts() == {"held": 2})
    answer = await world.call(
        "recipients.edit", campaign="c", address="c00000@example.org", fields={"company": " Alder "}, retry=True,
        expected={"company": None},
    )  # fmt: skip
    assert answer["fields"] == ["company"]
    await world.finish()
    assert world.counts() == {"completed": 1, "held": 1}
    assert list(world.channel.accepted) == ["c00000@example.org"]


async def test_what_may_have_arrived_is_never_sent_to_another_address(world: World) -> None:
    world.channel.script = {"c00000@example.org": [LOST_UNSENT]}
    await world.start()
    await world.campaign(people=1)
    await world.clock.until(lambda: world.counts() == {"uncertain": 1})
    with pytest.raises(RefusedError, match="or may have been"):
        await world.call("recipients.edit", campaign="c", address="c00000@example.org", new_address=RIGHT, retry=True)
    await world.finish()
    assert world.channel.offers[-1].recipient == "c00000@example.org"


async def test_a_running_campaign_sends_to_the_address_as_it_was_corrected(world: World) -> None:
    await world.start()
    await world.campaign(people=3, pacing={"mode": "human", "gap_min": "15m", "gap_max": "90m"})
    await world.clock.until(lambda: world.counts().get("completed") == 1)
    waits = next(job["address"] for job in world.jobs() if job["state"] == "pending")
    answer = await world.call("recipients.edit", campaign="c", address=waits, new_address=RIGHT, retry=True)
    assert (answer["retried"], answer["message"].endswith("; nothing to retry: pending")) == (0, True)
    await world.finish()
    assert world.channel.accepted[RIGHT] == 1
    assert waits not in world.channel.accepted


@pytest.mark.parametrize("bad", ["nobody", "a@b@c.de", "Ada <ada@example.org>", "ada@localhost"])
async def test_an_address_that_an_import_would_reject_is_rejected(world: World, bad: str) -> None:
    await failed(world)
    with pytest.raises(AddressError):
        await world.call("recipients.edit", campaign="c", address=WRONG, new_address=bad)
    assert world.job(WRONG)["state"] == "failed"


async def test_what_nobody_knows_or_may_change_is_no_field(world: World) -> None:
    await failed(world)
    for name, words in (("frist_name", "is no field"), ("email", "--address")):
        with pytest.raises(UsageError) as found:
            await world.call("recipients.edit", campaign="c", address=WRONG, fields={name: "x"})
        assert words in f"{found.value.message} {found.value.hint}"
    with pytest.raises(UsageError, match="nothing was given"):
        await world.call("recipients.edit", campaign="c", address=WRONG)
    await world.people("c", ["rich@example.org"], note="short")
    with pytest.raises(UsageError, match="one recipient may hold"):
        await world.call("recipients.edit", campaign="c", address="rich@example.org", fields={"note": "x" * 200_000})


async def test_a_field_that_is_not_as_it_was_seen_is_left(world: World) -> None:
    await world.start()
    await world.campaign(start=False, people=0)
    await world.people("c", ["ada@example.org"], first_name="Ada")
    for value in ("Eda", "Ida"):
        args = {"campaign": "c", "address": "ada@example.org", "fields": {"first_name": value}}
        if value == "Eda":
            await world.call("recipients.edit", **args, expected={"first_name": "Ada"})
        else:
            with pytest.raises(RefusedError, match="changed meanwhile"):
                await world.call("recipients.edit", **args, expected={"first_name": "Ada"})
    assert json.loads(world.rows("SELECT fields FROM recipients")[0]["fields"]) == {"first_name": "Eda"}


async def test_the_rows_of_a_grouped_person_follow_the_address(world: World) -> None:
    await world.start()
    await world.campaign(start=False, people=0)
    rows = [{"email": WRONG, "item": "tea"}, {"email": WRONG, "item": "cup"}]
    await world.people("c", [WRONG], email=WRONG, rows=rows)
    await world.call("recipients.edit", campaign="c", address=WRONG.upper(), new_address=RIGHT)
    fields = json.loads(world.rows("SELECT fields FROM recipients")[0]["fields"])
    assert fields == {"email": RIGHT, "rows": [{"email": RIGHT, "item": "tea"}, {"email": RIGHT, "item": "cup"}]}


async def test_a_read_only_engine_changes_nobody(world: World) -> None:
    await failed(world)
    await world.stop()
    await world.start(read_only=True)
    with pytest.raises(RefusedError, match="read-only"):
        await world.call("recipients.edit", campaign="c", address=WRONG, new_address=RIGHT)
