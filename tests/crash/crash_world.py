"""A small world to break: a store with a started campaign, a relay process, and the judge that reads its ledger."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.config import load_config
from engine.service import Engine
from storage.cap_room import CapRoom
from storage.files import read_only_uri
from storage.model import SECOND
from storage.sqlite import SqliteStore
from storage.tx import Tx
from storage.upkeep import recount
from tests.support.child import ROOT
from tui.client import open_control
from tui.demo.ledger import Ledger

CONFIG = """\
[defaults.retry]
delays = ["1s"]

[defaults.cooling]
steps = ["1s"]

[accounts.relay]
channel = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
concurrency = {concurrency}
from_address = "me@example.com"
{more}
"""
CAMPAIGN = "spring"
SLICE = 1_000
SEED = 20_260_101

_numbers = itertools.count(1)


class Receiver(Protocol):
    """Whoever accepts the messages, with a record of its own: the judge."""

    @property
    def port(self) -> int: ...

    def accepted(self, domain: str) -> Counter[str]:
        """Recipient of this domain -> how many messages were accepted for it."""
        ...

    def size(self) -> int:
        """Bytes of its record: grows with every acceptance."""
        ...


@dataclass(frozen=True)
class RelayProcess:
    port: int
    ledger: Path

    def entries(self, domain: str) -> list[Any]:
        entries = Ledger.read(self.ledger) if self.ledger.exists() else []
        return [entry for entry in entries if entry.recipient.endswith(f"@{domain}")]

    def accepted(self, domain: str) -> Counter[str]:
        return Counter(entry.recipient for entry in self.entries(domain))

    def size(self) -> int:
        return self.ledger.stat().st_size if self.ledger.exists() else 0


@contextmanager
def relay_process(folder: Path, latency: float = 0.0) -> Iterator[RelayProcess]:
    """A relay that accepts everybody, in a process of its own; it outlives every engine that is killed."""
    ledger = folder / f"ledger-{next(_numbers)}.jsonl"
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tui.demo.attended",
            "relay",
            "--plain",
            "--ledger",
            str(ledger),
            "--latency",
            str(latency),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None and child.stdout is not None
    found = re.search(r":(\d+)", child.stdout.readline())
    assert found is not None, "the relay did not start"
    try:
        yield RelayProcess(int(found[1]), ledger)
    finally:
        child.stdin.close()
        child.wait(10)
        child.stdout.close()


@dataclass(frozen=True)
class Verdict:
    """What the receiver's record and the store say about one world, put side by side."""

    recipients: int
    accepted: int
    lost: tuple[str, ...]
    twice: tuple[str, ...]
    uncertain: frozenset[str]
    problems: tuple[str, ...]
    """Every sentence is a broken promise."""


@dataclass
class World:
    """One store, one campaign of `n` recipients at a domain of its own, one receiver."""

    folder: Path
    receiver: Receiver
    n: int
    concurrency: int = 10
    more: str = ""
    port: int = 0

    def __post_init__(self) -> None:
        number = next(_numbers)
        self.domain = f"w{number}-{os.getpid()}.example.org"
        # A short name: the control socket's path has room for 100 bytes.
        self.folder = self.folder / f"w{number}"
        self.folder.mkdir(parents=True)
        self.database = self.folder / "paceline.db"
        self.config = self.folder / "paceline.toml"
        self.connect(self.port or self.receiver.port)
        asyncio.run(_create(self.database))
        self._start_campaign()

    def connect(self, port: int) -> None:
        """Send through this port from the next start on."""
        self.config.write_text(CONFIG.format(port=port, concurrency=self.concurrency, more=self.more))

    def _start_campaign(self) -> None:
        with open_control(self.database, lambda: load_config(self.config)) as control:
            pacing = {"mode": "blast", "concurrency": self.concurrency, "batch_delay": 0}
            template = {"subject": "Hello", "text": "Dear {{ name }},\n\n" + "this is for you.\n" * 20}
            new = {"name": CAMPAIGN, "account": "relay", "pacing": pacing, "seed": SEED}
            control.call("campaign.new", new | template)
            begun = control.call("recipients.begin", {"campaign": CAMPAIGN, "source": "people.csv"})["import_id"]
            people = [(i + 1, self.address(i), self.address(i), {"name": f"P{i}"}) for i in range(self.n)]
            for at in range(0, self.n, SLICE):
                control.call("recipients.rows", {"import_id": begun, "rows": people[at : at + SLICE]})
            sums = {"rows": self.n, "imported": self.n, "rejected": 0, "duplicates": 0}
            control.call("recipients.commit", {"import_id": begun, "campaign": CAMPAIGN, **sums})
            control.call("campaign.live", {"name": CAMPAIGN})
            control.call("campaign.start", {"name": CAMPAIGN})

    def address(self, i: int) -> str:
        return f"p{i}@{self.domain}"

    def program(self, *args: str) -> list[str]:
        """The real program on this world."""
        return [sys.executable, "-m", "tui", "--db", str(self.database), "--config", str(self.config), *args]

    def call(self, action: str, **args: Any) -> dict[str, Any]:
        with open_control(self.database, lambda: load_config(self.config)) as control:
            return control.call(action, args)

    def restart(self, seconds: float = 60.0) -> None:
        """A normal engine until nothing can run any more, with nobody unlocking anything."""
        asyncio.run(_until_idle(self.database, self.config, seconds))

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with closing(sqlite3.connect(read_only_uri(self.database), uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(sql, values).fetchall()

    def states(self) -> dict[str, str]:
        return {
            row["address"]: row["state"]
            for row in self.rows("SELECT r.address, j.state FROM jobs j JOIN recipients r ON r.id = j.recipient_id")
        }

    def accepted(self) -> Counter[str]:
        return self.receiver.accepted(self.domain)

    def in_window(self) -> frozenset[str]:
        """Who is inside the send window: a durable intent without an outcome."""
        return frozenset(
            row["address"]
            for row in self.rows(
                "SELECT r.address FROM jobs j JOIN recipients r ON r.id = j.recipient_id JOIN attempts a "
                "ON a.job_id = j.id AND a.lease = j.lease WHERE j.state = 'processing' AND a.outcome IS NULL"
            )
        )

    def judge(self, *, uncertain: frozenset[str] | None = None, ended: bool = True) -> Verdict:
        """Compare the receiver's record with the store. `uncertain`: exactly who must be (None: anybody).
        `ended`: nothing may be open any more."""
        accepted, states = self.accepted(), self.states()
        people = [self.address(i) for i in range(self.n)]
        lost = [who for who in people if who not in accepted and states.get(who, "completed") == "completed"]
        twice = [who for who, times in accepted.items() if times > 1]
        doubted = frozenset(who for who, state in states.items() if state == "uncertain")
        problems = [f"{who}: accepted {accepted[who]} times" for who in twice]
        problems += [f"{who}: {states.get(who, 'no job')}, and nothing was accepted" for who in lost]
        problems += [
            f"{who}: accepted, and the store says {states.get(who, 'nothing')}"
            for who in accepted
            if states.get(who) not in ("completed", "uncertain") and (ended or states.get(who) != "processing")
        ]
        if ended:
            problems += [f"{who}: left {state}" for who, state in states.items() if state in ("pending", "processing")]
        if uncertain is not None and doubted != uncertain:
            problems.append(f"uncertain {sorted(doubted)}, but in the window were {sorted(uncertain)}")
        problems += [f"counter {key} is off: {rest}" for key, *rest in self.miscounts()]
        return Verdict(self.n, len(accepted), tuple(lost), tuple(twice), doubted, tuple(problems))

    def miscounts(self) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(read_only_uri(self.database), uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return recount(Tx(connection, set(), CapRoom()))


async def _create(database: Path) -> None:
    store = await SqliteStore.open(database, role="command", now=lambda: time.time_ns() // 1_000, create=True)
    await store.close()


async def _until_idle(database: Path, config: Path, seconds: float) -> None:
    engine = Engine(database, lambda: load_config(config))
    await engine.start()
    async with asyncio.timeout(seconds):
        await engine.run(until_idle=True)


def wait_for(what: Any, seconds: float = 20.0, why: str = "it did not come") -> None:
    """Wait for what another process does."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, why
        time.sleep(0.005)


def now_us() -> int:
    return time.time_ns() // (1_000_000_000 // SECOND)
