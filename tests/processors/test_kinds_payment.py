"""`process_payment`: the gateway's own ledger says that nobody is charged twice, whatever goes wrong on the way."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from engine.channels.webhook.channel import WebhookChannel, WebhookSession
from storage.errors import UsageError
from storage.model import MINUTE, SECOND
from tests.processors.kinds_world import KindsWorld
from tests.support.payment_gateway import Gateway
from tests.support.simulated import UnderWay
from tests.support.webhook_server import Play, WebhookServer, answer, cut_short, garbage, hang_up, silent

ORDER = {"amount": "149.00", "currency": "EUR", "order_id": "A-1", "method": "pm_7f3"}
CHARGED = [("A-1", "149.00")]


class Till:
    """A world with a gateway at the other end of a real line."""

    def __init__(self, world: KindsWorld, stack: AsyncExitStack) -> None:
        self.world = world
        self.gateway = Gateway()
        self._stack = stack
        self.server: WebhookServer

    async def open(self, *script: Play, port: int | None = None, **options: Any) -> None:
        """Start the gateway, then an engine that knows it. `port`: another one than the gateway's."""
        self.server = await self._stack.enter_async_context(WebhookServer(*script))
        url = f"http://127.0.0.1:{port or self.server.port}/charges"
        given = {"url": url, "allow_private": True, "reply_timeout": "1s", **options}
        self.world.work_settings = {
            "backoff": {"first": "10s", "jitter": 0}, "kinds": {"process_payment": {"options": given}},
        }  # fmt: skip
        await self.world.start()

    async def pay(self, **more: Any) -> dict[str, Any]:
        return await self.world.run_job("process_payment", {**ORDER, **more})


@pytest.fixture
async def till(kinds: KindsWorld, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    under_way = UnderWay(kinds.clock)
    monkeypatch.setattr(WebhookChannel, "open", under_way.counted(WebhookChannel.open))
    monkeypatch.setattr(WebhookSession, "deliver", under_way.counted(WebhookSession.deliver))
    async with AsyncExitStack() as stack:
        yield Till(kinds, stack)
        await kinds.stop()


async def test_a_payment_is_taken_once_and_its_key_is_kept_in_the_result(till: Till) -> None:
    await till.open(till.gateway.charging())
    job = await till.pay()
    assert (job["state"], till.gateway.charges) == ("completed", CHARGED)
    [asked] = till.server.ledger
    assert asked.key == f'"{job["result"]["reference"]}"'
    assert asked.json == {**ORDER, "description": "", "reference": job["result"]["reference"]}


@pytest.mark.parametrize(
    "lost",
    [hang_up(), silent(), garbage(b"220 ready\r\n"), answer(500), answer(502), answer(503), answer(504),
     answer(408), answer(409)],
    ids=["hang-up", "silent", "garbage", "500", "502", "503", "504", "408", "409"],
)  # fmt: skip
async def test_what_may_have_been_charged_is_uncertain_and_never_tried_by_itself(till: Till, lost: Play) -> None:
    await till.open(till.gateway.charging(lost))
    job = await till.pay()
    assert (job["state"], job["attempts"]) == ("uncertain", 1)
    assert "done or not is not known" in job["last_error"]
    await till.world.clock.run(60 * MINUTE)
    assert till.gateway.charges == CHARGED
    assert len(till.server.ledger) == 1


async def test_sent_again_by_a_person_it_carries_the_same_key_and_charges_no_second_time(till: Till) -> None:
    await till.open(till.gateway.charging(hang_up()), till.gateway.charging())
    job = await till.pay()
    await till.world.call("job.resolve", job=job["id"], verdict="again")
    job = await till.world.ended(job["id"])
    assert (job["state"], till.gateway.charges) == ("completed", CHARGED)
    assert len(till.gateway.keys) == 2
    assert len(set(till.gateway.keys)) == 1


async def test_a_job_that_got_the_id_of_another_one_has_a_key_of_its_own(till: Till) -> None:
    """As after a restore: the backup does not know of payments that were made since."""
    await till.open(till.gateway.charging(), till.gateway.charging())
    first = await till.pay()
    await till.world.stop()
    with sqlite3.connect(till.world.database) as store:
        for table in ("attempts", "tasks"):
            store.execute(f"DELETE FROM {table}")
        for table in ("jobs", "counters", "kind_counters", "batches"):
            store.execute(f"DELETE FROM {table}")
    await till.world.start()
    second = await till.pay(order_id="A-2")
    assert second["id"] == first["id"]
    assert till.gateway.charges == [*CHARGED, ("A-2", "149.00")]


async def test_an_engine_that_is_cut_while_the_gateway_thinks_leaves_it_uncertain(till: Till) -> None:
    await till.open(till.gateway.charging(silent()), till.gateway.charging(), reply_timeout="1m")
    made = await till.world.call("job.add", kind="process_payment", payload=ORDER)
    await till.server.reached(1)
    await till.world.cut()
    await till.world.start()
    assert (await till.world.ended(made["job_id"]))["state"] == "uncertain"
    assert till.gateway.charges == CHARGED


async def test_a_gateway_that_is_not_reached_is_asked_again_and_nothing_is_in_doubt(till: Till) -> None:
    async with WebhookServer() as gone:
        free = gone.port
    await till.open(till.gateway.charging(), port=free)
    job = await till.pay()
    assert (job["state"], job["attempts"]) == ("failed", 4)
    assert "refused the connection" in job["last_error"]
    assert till.gateway.charges == []


async def test_a_refusal_is_final_and_says_why(till: Till) -> None:
    await till.open(till.gateway.refusing(402, {"error": "card declined"}))
    job = await till.pay()
    assert (job["state"], job["attempts"], till.gateway.charges) == ("failed", 1, [])
    assert "402" in job["last_error"]
    assert "card declined" in job["last_error"]


async def test_a_gateway_that_asks_for_patience_gets_it(till: Till) -> None:
    await till.open(till.gateway.refusing(429, Retry_After="90"), till.gateway.charging())
    begun = till.world.clock.now()
    job = await till.pay()
    assert (job["state"], till.gateway.charges) == ("completed", CHARGED)
    assert job["finished_at"] - begun >= 90 * SECOND


@pytest.mark.parametrize("status", [401, 407, 302])
async def test_what_is_set_up_wrongly_waits_for_a_person(till: Till, status: int) -> None:
    await till.open(till.gateway.refusing(status), till.gateway.charging())
    job = await till.pay()
    assert (job["state"], till.gateway.charges) == ("held", [])


async def test_success_is_what_the_rule_says(till: Till) -> None:
    paid = {"pointer": "/status", "equals": "paid"}
    await till.open(
        till.gateway.charging(),
        till.gateway.refusing(200, {"status": "declined"}),
        till.gateway.charging(cut_short(200, b'{"sta', 40)),
        success=paid,
    )
    states = [(await till.pay(order_id=order))["state"] for order in ("A-1", "A-2", "A-3")]
    assert states == ["completed", "failed", "uncertain"]


async def test_without_a_gateway_it_is_held_and_can_be_freed(till: Till) -> None:
    await till.world.start()
    job = await till.pay()
    assert job["state"] == "held"
    assert "[jobs.kinds.process_payment] options: url: is required" in job["last_error"]


async def test_the_secret_travels_and_stands_nowhere_else(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_KEY", "sk-very-secret-1")
    echo = till.gateway.charging(answer(400, {"error": "bad key sk-very-secret-1"}))
    await till.open(echo, token={"env": "GATEWAY_KEY"})
    job = await till.pay()
    assert till.server.ledger[0].header("authorization") == "Bearer sk-very-secret-1"
    assert "bad key ***" in job["last_error"]
    dump = json.dumps([till.world.rows(f"SELECT * FROM {table}") for table in ("jobs", "tasks", "attempts", "events")])
    assert "sk-very-secret" not in dump


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", "0"),
        ("amount", "-5"),
        ("amount", "12.3456"),
        ("amount", "much"),
        ("currency", "eur"),
        ("order_id", ""),
        ("method", "4242 4242 4242 4242"),
        ("description", "card 4000-0566-5566-5556 please"),
        ("card", "4242"),
    ],
)
async def test_a_bad_payment_is_refused_and_the_field_named(kinds: KindsWorld, field: str, value: str) -> None:
    await kinds.start()
    with pytest.raises(UsageError) as refused:
        await kinds.call("job.add", kind="process_payment", payload={**ORDER, field: value})
    assert f"payload.{field}" in refused.value.message
    assert "4242 4242" not in refused.value.message


async def test_an_order_number_that_only_looks_long_is_no_card(kinds: KindsWorld) -> None:
    await kinds.start()
    payload = {**ORDER, "order_id": "4242424242424241"}
    assert (await kinds.call("job.add", kind="process_payment", payload=payload))["new"]
