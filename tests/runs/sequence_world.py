"""A whole engine with several accounts of several channels, and a judge of sequences: what each person got, when, and
what they had done by then, told from the other side's ledgers and from what the test did itself."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from run_world import ACCOUNT, World, slow_heart, toml

from engine import service
from engine.planning.waits import Wait
from storage.inbox import Returned
from storage.model import HOUR, MINUTE, SECOND
from storage.suppressions import Entry
from tests.support.scripted import NO_SUCH_USER, ScriptedChannel
from tests.support.simulated import SimulatedClock, inline_store

INVITING = {
    "channel": "unipile",
    "url": "https://unipile.example",
    "account_id": "acc",
    "api_key": {"env": "NO_KEY"},
    "min_gap": "15m",
}


@dataclass
class Person:
    """What happened to somebody, as the test knows it (us): never what the engine believes."""

    number: int
    address: str
    profile: str
    stopped: int | None = None
    accepted: int | None = None
    got: list[tuple[int, int, str]] = field(default_factory=list)
    """(when, step, account) of every message that the other side accepted."""


class SequenceWorld(World):
    """`World` whose accounts may be LinkedIn accounts too; their channels are scripted as well."""

    def write_config(self) -> None:
        lines = []
        for name, changes in self.accounts.items():
            base = INVITING if changes.get("channel") == "unipile" else ACCOUNT
            lines.append(f"[accounts.{name}]")
            lines += [f"{key} = {toml(value)}" for key, value in {**base, **changes}.items()]
        self.config.write_text("\n".join(lines))

    def scripted(self, name: str) -> ScriptedChannel:
        channel = self.channels.setdefault(name, ScriptedChannel(self.clock))
        assert isinstance(channel, ScriptedChannel)
        return channel

    async def sequence(
        self, people: int, name: str = "c", *, fields: dict[str, str] | None = None, **more: Any
    ) -> list[Person]:
        """A started, live campaign with people who have both an address and a profile, and these `fields`."""
        spec: dict[str, Any] = {
            "account": "one", "subject": "Hello", "text": "Hi", "seed": 7,
            "pacing": {"mode": "steady", "rate": "60/h", "jitter": 0},
        }  # fmt: skip
        await self.call("campaign.new", name=name, **{**spec, **more})
        made = [Person(i, f"{name}{i:04}@example.org", f"{name}-{i:04}") for i in range(people)]
        rows = [(one.number + 2, one.address, one.address, fields or {}, one.profile) for one in made]
        begun = (await self.call("recipients.begin", campaign=name, source="people.csv"))["import_id"]
        await self.call("recipients.rows", import_id=begun, rows=rows)
        await self.call(
            "recipients.commit", import_id=begun, campaign=name, rows=people, imported=people, rejected=0, duplicates=0
        )
        await self.call("campaign.live", name=name)
        await self.call("campaign.start", name=name)
        return made

    def fill(self, people: list[Person]) -> None:
        """Read the ledgers: who got which step, when, through which account."""
        steps = {row["message_id"]: row["position"] for row in self.rows(
            "SELECT j.message_id, s.position FROM jobs j JOIN steps s ON s.id = j.step_id")}  # fmt: skip
        by_name = {one.address: one for one in people} | {one.profile: one for one in people}
        for one in people:
            one.got.clear()
        for account, channel in self.channels.items():
            assert isinstance(channel, ScriptedChannel)
            for delivery in channel.deliveries:
                if delivery.recipient in by_name:
                    got = (delivery.at, steps[delivery.message_id], account)
                    by_name[delivery.recipient].got.append(got)
        for one in people:
            one.got.sort()

    # what comes back

    async def replies(self, person: Person) -> None:
        await self._returned(person, "reply")

    async def bounces(self, person: Person) -> None:
        await self._returned(person, "bounce", code=550, enhanced="5.1.1")

    async def _returned(self, person: Person, kind: str, **more: Any) -> None:
        now = self.clock.now()
        last = self.rows(
            "SELECT j.message_id FROM jobs j JOIN recipients r ON r.id = j.recipient_id WHERE r.address = ? "
            "AND j.state = 'completed' ORDER BY j.id DESC LIMIT 1", person.address,
        )  # fmt: skip
        if not last:
            return
        ids = (last[0]["message_id"],)
        item = Returned(
            f"{kind}-{person.address}-{now}", kind, now, message_ids=ids, addresses=(person.address,), **more
        )
        (effect,) = await self.engine.store.take_returned([item])
        if effect.effect in ("bounced", "stopped"):
            self._stops(person, now)

    async def unsubscribes(self, person: Person) -> None:
        entry = Entry("address", person.address, reason="unsubscribed")
        await self.engine.store.suppress([entry], None, "test")
        self._stops(person, self.clock.now())

    async def accepts(self, person: Person, account: str) -> None:
        queue = self.queue(account)["id"]
        now = self.clock.now()
        if await self.engine.store.note_accepted(queue, [person.profile], now):
            person.accepted = now
        self.engine.wake()

    @staticmethod
    def _stops(person: Person, now: int) -> None:
        if person.stopped is None:
            person.stopped = now


@dataclass(frozen=True)
class Rule:
    """A further step as the test asked for it: its wait, and whether the invitation must have been accepted."""

    wait: Wait
    accepted: bool = False
    zone: str = "UTC"
    holidays: tuple[str, ...] = ()


def judge(people: list[Person], rules: list[Rule]) -> None:
    """Each person at most one message a step, in order, never before its wait, never after they had stopped, none
    that asks for an acceptance without one. `rules` are those of the steps behind the first."""
    for one in people:
        steps = [step for _, step, _ in one.got]
        assert steps == sorted(set(steps)), f"{one.address} got {steps}"
        assert steps == list(range(1, len(steps) + 1)), f"{one.address} got {steps}: a step was left out"
        for (before, _, _), (at, step, _) in zip(one.got, one.got[1:], strict=False):
            rule = rules[step - 2]
            began = before
            if rule.accepted:
                assert one.accepted is not None and one.accepted <= at, f"{one.address} did not accept"
                began = max(began, one.accepted)
            earliest = rule.wait.end(began, zone=rule.zone, holidays=rule.holidays)
            # `sent_at` is when the intent stood, a moment before the ledger's time.
            assert at >= earliest - SECOND, f"{one.address} got step {step} {(earliest - at) / SECOND} s too early"
        late = [at for at, _, _ in one.got if one.stopped is not None and at > one.stopped]
        assert late == [], f"{one.address} was written to after they had stopped"


def chance(seed: int) -> random.Random:
    return random.Random(seed)


@asynccontextmanager
async def slow_sequences(
    folder: Path, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SequenceWorld]:
    """A world in which days pass: its engine looks around every few minutes and its heart beats every two hours. It is
    checked at the end."""
    inline_store(monkeypatch)
    slow_heart(monkeypatch, 2 * HOUR)
    monkeypatch.setattr(service, "IDLE_LOOK", 2 * MINUTE)
    made = SequenceWorld(folder, clock)
    yield made
    await made.stop()
    made.check()


async def failed(world: SequenceWorld, people: int, *names: str, **more: Any) -> None:
    """A campaign through the accounts `names` all of whose messages failed for good; then the servers take them."""
    for name in names:
        world.scripted(name).answer = lambda message: NO_SUCH_USER
    await world.sequence(people, also=list(names[1:]), **more)
    await world.clock.until(lambda: world.counts() == {"failed": people})
    for name in names:
        world.scripted(name).answer = None
