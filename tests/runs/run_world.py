"""A whole engine in a folder: the real service, loops, control and store; scripted channels, simulated time."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

from engine import scheduler, watch
from engine.accounts import Account
from engine.channels.channel import Channel
from engine.config import load_config
from engine.control import actions
from engine.outcomes import TRANSIENT
from engine.processors.registry import Registry
from engine.service import Engine
from storage.fixed_set import FixedSet, of_campaign, of_reason
from storage.model import DAY, MINUTE, SECOND, Actor
from storage.reader import STATES, Reader
from tests.support.scripted import ScriptedChannel
from tests.support.simulated import SimulatedClock, kept_reader

ANA = Actor("ana", "desk", "cli")
ACCOUNT = {
    "channel": "smtp",
    "host": "mx.example",
    "port": 25,
    "tls": "none",
    "from_address": "us@example.com",
    "concurrency": 5,
}


def toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {toml(inner)}' for key, inner in value.items())}}}"
    return str(value).lower()


class World:
    """One database and what serves it. `accounts` maps a name to what differs from `ACCOUNT`."""

    def __init__(self, folder: Path, clock: SimulatedClock) -> None:
        random.seed(7)
        self.folder = folder
        self.clock = clock
        self.database = folder / "p.db"
        self.config = folder / "paceline.toml"
        self.accounts: dict[str, dict[str, Any]] = {"one": {}}
        self.allow: list[str] = []
        self.work_settings: dict[str, Any] = {}
        """`[jobs]` of the configuration."""
        self.registry: Registry | None = None
        """The kinds of background jobs; None: those that are installed."""
        self.channel = ScriptedChannel(clock)
        self.channels: dict[str, Channel] = {"one": self.channel}
        self.engine: Engine
        self.running = False
        self._open = False
        clock.stand_while(lambda: self._open and not self.engine.store.idle)

    # life

    def set_clock(self, text: str) -> int:
        """Set the wall clock to an ISO time with its offset, before or while an engine runs; returns it (us)."""
        at = round(datetime.fromisoformat(text).timestamp()) * SECOND
        self.clock.step_wall(at - self.clock.now())
        return at

    async def start(self, *, read_only: bool = False, **account: Any) -> World:
        """Start an engine; keyword arguments set keys of account `one`."""
        if account:
            self.accounts["one"] = account
        self.write_config()
        self.engine = Engine(
            self.database,
            lambda: load_config(self.config),
            clock=self.clock,
            channels=self._channel_of,
            create=True,
            read_only=read_only,
            registry=self.registry,
        )
        await self.engine.start()
        self.running = self._open = True
        return self

    async def stop(self) -> None:
        """Drain, as SIGTERM does."""
        if self.running:
            self.running = False
            self.engine.drain("test")
            await self._end(self.engine.run())

    async def cut(self) -> None:
        """End at once, as a second SIGTERM does: what is inside the send window is marked uncertain."""
        self.running = False
        self.engine.cut("test")
        await self._end(self.engine.run())

    async def restart(self, after: int = 0) -> None:
        await self.stop()
        if after:
            await self.clock.run(after)
        await self.start()

    async def finish(self) -> None:
        """Run until nothing can go on without a person, then close."""
        self.running = False
        await self._end(self.engine.run(until_idle=True))

    async def _end(self, run: Coroutine[Any, Any, None]) -> None:
        try:
            await self.clock.drive(run)
        finally:
            self._open = False

    def write_config(self) -> None:
        lines = [f"safety = {toml({'allow': self.allow})}"]
        # A look by the clock alone would be most of what thirty simulated days do.
        lines += ["[jobs]", *(f"{key} = {toml(value)}" for key, value in {"poll": "1h", **self.work_settings}.items())]
        for name, changes in self.accounts.items():
            lines.append(f"[accounts.{name}]")
            lines += [f"{key} = {toml(value)}" for key, value in {**ACCOUNT, **changes}.items()]
        self.config.write_text("\n".join(lines))

    def _channel_of(self, account: Account) -> Channel:
        return self.channels.setdefault(account.name, ScriptedChannel(self.clock))

    # what a person does

    async def call(self, action: str, **args: Any) -> dict[str, Any]:
        return await actions.call(self.engine.context, action, args, ANA)

    async def campaign(
        self, name: str = "c", people: int | list[str] = 10, *, live: bool = True, start: bool = True, **more: Any
    ) -> dict[str, Any]:
        """A campaign with its people, live and started unless told otherwise; answers as the start did."""
        spec: dict[str, Any] = {
            "account": "one",
            "subject": "Hello",
            "text": "Hi",
            "seed": 7,
            "pacing": {"mode": "blast", "concurrency": 5, "batch_delay": "1s"},
        }
        await self.call("campaign.new", name=name, **{**spec, **more})
        if people:
            await self.people(name, people)
        if live:
            await self.call("campaign.live", name=name)
        return await self.call("campaign.start", name=name) if start else {}

    async def people(self, name: str, people: int | list[str], **fields: Any) -> dict[str, Any]:
        addresses = addresses_of(people, name) if isinstance(people, int) else people
        begun = (await self.call("recipients.begin", campaign=name, source="people.csv"))["import_id"]
        for at in range(0, len(addresses), 1000):
            rows = [(at + i, a, a.lower(), fields) for i, a in enumerate(addresses[at : at + 1000], 2)]
            await self.call("recipients.rows", import_id=begun, rows=rows)
        n = len(addresses)
        return await self.call(
            "recipients.commit", import_id=begun, campaign=name, rows=n, imported=n, rejected=0, duplicates=0
        )

    async def retry(
        self, name: str = "", *, which: str = "transient", error_key: str = "", spread: int = 0
    ) -> dict[str, Any]:
        """Retry as `campaign retry` and `job retry --error` do: the set is fixed first, then the engine is given what
        was seen. Without a name: the reason in every campaign."""

        def fix(reader: Reader) -> FixedSet:
            campaign_id = reader.campaign(name)["id"] if name else None
            if error_key:
                return of_reason(reader, error_key, campaign_id)
            assert campaign_id is not None
            return of_campaign(reader, campaign_id, TRANSIENT if which == "transient" else ())

        jobs = self.read(fix).jobs
        if not len(jobs):
            return {"done": 0, "changed": 0, "refused": 0, "left": [], "campaigns": [], "notes": []}
        return await self.call("job.retry", seen=jobs.part(0, len(jobs)), spread=spread)

    # what it came to

    def read(self, question: Callable[[Reader], Any]) -> Any:
        if self._open:
            return question(kept_reader(self.engine.store))
        with Reader(self.database) as reader:
            return question(reader)

    def row(self, name: str = "c") -> dict[str, Any]:
        return dict(self.read(lambda reader: reader.campaign(name)))

    def state(self, name: str = "c") -> str:
        return str(self.row(name)["state"])

    def counts(self, name: str = "c") -> dict[str, int]:
        """Job states of a campaign that are not empty."""
        counts = self.read(lambda reader: reader.counts("campaign", reader.campaign(name)["id"]))
        return {state: n for state, n in counts.items() if n and state in STATES}

    def jobs(self, name: str = "c") -> list[dict[str, Any]]:
        """Every job row of a campaign, in the order made."""
        return self.rows("SELECT j.*, r.address FROM jobs j JOIN recipients r ON r.id = j.recipient_id "
                         "JOIN campaigns c ON c.id = j.campaign_id WHERE c.name = ? ORDER BY j.id", name)  # fmt: skip

    def job(self, address: str) -> dict[str, Any]:
        return next(iter(self.rows("SELECT j.* FROM jobs j JOIN recipients r ON r.id = j.recipient_id "
                                   "WHERE r.address = ?", address)))  # fmt: skip

    def attempts(self, address: str) -> list[dict[str, Any]]:
        return self.rows("SELECT a.* FROM attempts a JOIN jobs j ON j.id = a.job_id JOIN recipients r "
                         "ON r.id = j.recipient_id WHERE r.address = ? ORDER BY a.id", address)  # fmt: skip

    def queue(self, name: str = "one") -> dict[str, Any]:
        return next(iter(self.rows("SELECT * FROM queues WHERE name = ?", name)))

    def events(self, kind: str) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM events WHERE kind = ? ORDER BY id", kind)

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        return list(self.read(lambda reader: reader.rows(sql, values)))

    async def sent(self, n: int) -> None:
        """Run until so many messages were begun, and a minute on: there are no more."""
        await self.clock.until(lambda: len(self.channel.begun) >= n)
        await self.clock.run(MINUTE)
        assert len(self.channel.begun) == n

    def check(self) -> None:
        """What must hold whatever a test did: the books add up, nobody was written to twice."""
        assert self.read(lambda reader: reader.counter_drift()) == []
        stray = "SELECT count(*) AS n FROM jobs WHERE state = 'processing'"
        assert self.rows(stray)[0]["n"] == 0, "a drained engine leaves nothing in processing"
        assert self.rows("SELECT count(*) AS n FROM attempts WHERE outcome IS NULL")[0]["n"] == 0


def slow_heart(patch: Any, every: int = DAY) -> None:
    """Let the engine's rounds (heartbeat, rescue, alarms) come only this often (us): for tests over weeks. `patch` is
    pytest's monkeypatch."""
    patch.setattr(scheduler, "HEARTBEAT", every)
    patch.setattr(scheduler, "RESCUE", every)
    patch.setattr(watch, "EVERY", every)


def addresses_of(n: int, prefix: str = "p") -> list[str]:
    return [f"{prefix}{i:05d}@example.org" for i in range(n)]
