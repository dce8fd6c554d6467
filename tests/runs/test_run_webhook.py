"""What the engine makes of a receiver's answers over simulated time; the receiver's own ledger is the judge."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from run_world import World, toml

from engine.accounts import Account
from engine.channels.channel import Channel
from engine.channels.webhook.channel import WebhookChannel, WebhookSession
from engine.webhook_account import WebhookAccount
from storage.model import DAY, MINUTE, SECOND
from tests.support.simulated import SimulatedClock, UnderWay
from tests.support.webhook_server import Play, WebhookServer, answer, by_address, hang_up

TEXT = json.dumps({"to": "{{ address }}"})
OK = answer(200, {"ok": True})


class HookWorld(World):
    """A whole engine with one webhook account, and the scripted receiver at the other end of a real line. Time stands
    while a request is on its way."""

    server: WebhookServer

    def __init__(self, folder: Path, clock: SimulatedClock, patch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, clock)
        self.stack = AsyncExitStack()
        under_way = UnderWay(clock)
        patch.setattr(WebhookChannel, "open", under_way.counted(WebhookChannel.open))
        patch.setattr(WebhookSession, "deliver", under_way.counted(WebhookSession.deliver))

    async def serve(self, *script: Play, **account: Any) -> HookWorld:
        """Start the receiver, then an engine whose account has these keys."""
        self.server = await self.stack.enter_async_context(WebhookServer(*script))
        await self.start(**account)
        return self

    def write_config(self) -> None:
        url = f"http://127.0.0.1:{self.server.port}/in"
        account = {"channel": "webhook", "url": url, "allow_private": True, "concurrency": 1, **self.accounts["one"]}
        lines = ["[accounts.one]", *(f"{key} = {toml(value)}" for key, value in account.items())]
        self.config.write_text("\n".join(lines))

    def _channel_of(self, account: Account) -> Channel:
        assert isinstance(account, WebhookAccount)
        return WebhookChannel(account.settings(), self.clock)

    async def send(self, people: int) -> None:
        await self.campaign(people=people, subject="", text=TEXT)

    @property
    def asked(self) -> list[str]:
        """Who was asked for, in order, each try."""
        return [str(received.json["to"]).partition("@")[0] for received in self.server.ledger]


@pytest.fixture
async def hooked(
    tmp_path: Path, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch, unhurried: None
) -> AsyncIterator[HookWorld]:
    made = HookWorld(tmp_path, clock, monkeypatch)
    yield made
    await made.stop()
    await made.stack.aclose()
    made.check()


async def test_a_limit_rests_the_queue_as_long_as_was_asked_and_charges_nobody(hooked: HookWorld) -> None:
    await hooked.serve(OK, answer(429, {"error": "slow down"}, headers={"Retry-After": "600"}), OK)
    await hooked.send(4)
    begun = hooked.clock.now()
    await hooked.clock.until(lambda: len(hooked.server.ledger) == 2)
    await hooked.clock.run(SECOND)
    queue = hooked.queue()
    assert queue["state"] == "cooling"
    assert queue["until_at"] - begun >= 10 * MINUTE
    await hooked.finish()
    assert hooked.counts() == {"completed": 4}
    assert hooked.asked == ["c00000", "c00001", "c00001", "c00002", "c00003"]
    assert hooked.clock.now() - begun >= 10 * MINUTE
    assert {job["tries"] for job in hooked.jobs()} == {1}
    assert len(hooked.server.keys) == 4


async def test_what_is_in_doubt_is_never_sent_again_by_itself(hooked: HookWorld) -> None:
    await hooked.serve(by_address({"c00001@example.org": answer(500), "c00002@example.org": hang_up()}, OK))
    await hooked.send(4)
    await hooked.clock.run(4 * DAY)
    assert hooked.counts() == {"completed": 2, "uncertain": 2}
    assert set(hooked.server.keys.values()) == {1}
    await hooked.restart(after=DAY)
    await hooked.clock.run(DAY)
    assert len(hooked.server.ledger) == 4
    replies = {job["address"]: job["last_error"] for job in hooked.jobs() if job["state"] == "uncertain"}
    assert len(replies) == 2
    keys = {received.json["to"]: received.key for received in hooked.server.ledger}
    for address, reply in replies.items():
        assert f"Idempotency-Key {keys[address]}" in reply


async def test_a_receiver_that_honours_the_key_is_asked_again_until_it_answers(hooked: HookWorld) -> None:
    await hooked.serve(OK, answer(500), hang_up(), answer(409), OK, idempotent=True)
    await hooked.send(2)
    await hooked.finish()
    assert hooked.counts() == {"completed": 2}
    assert hooked.asked == ["c00000", "c00001", "c00001", "c00001", "c00001"]
    assert sorted(hooked.server.keys.values()) == [1, 4], "one key for all tries of one message"


async def test_a_wrong_address_stops_the_campaign_at_the_first_person(hooked: HookWorld) -> None:
    await hooked.serve(answer(404))
    await hooked.send(50)
    await hooked.clock.run(DAY)
    assert len(hooked.server.ledger) == 1
    assert hooked.state() == "paused"
    assert hooked.counts() == {"held": 1, "pending": 49}


async def test_a_refused_token_stops_the_queue_and_everybody_stays_due(hooked: HookWorld) -> None:
    await hooked.serve(OK, answer(401, {"error": "bad token"}))
    await hooked.send(50)
    await hooked.clock.run(DAY)
    assert len(hooked.server.ledger) == 2
    assert hooked.queue()["state"] == "needs_attention"
    assert hooked.counts() == {"completed": 1, "pending": 49}


async def test_a_receiver_that_is_away_costs_nobody_anything(hooked: HookWorld) -> None:
    await hooked.serve(OK)
    await hooked.stack.aclose()
    await hooked.send(5)
    await hooked.clock.run(30 * MINUTE)
    assert hooked.queue()["state"] in ("cooling", "probing")
    assert {job["tries"] for job in hooked.jobs()} == {0}
    assert hooked.counts() == {"pending": 5}
    hooked.server = await hooked.stack.enter_async_context(WebhookServer(OK, port=hooked.server.port))
    await hooked.finish()
    assert hooked.counts() == {"completed": 5}
    assert set(hooked.server.keys.values()) == {1}
