"""One scenario for each guard: what it prevents is made to happen, and the sentences that come back say whether it did.

With all guards on every scenario returns nothing. With its guard switched off in the child it must return something:
a proof that cannot fail proves nothing.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from storage.lock import lock_path, read_holder
from storage.model import SECOND
from tests.crash.crash_world import CAMPAIGN, Receiver, RelayProcess, World, wait_for
from tests.support.child import end_child, start_child
from tests.support.proxy import running_proxy

Scenario = Callable[[Path, RelayProcess, str], list[str]]


def intent_gate(folder: Path, relay: Receiver, off: str = "") -> list[str]:
    """The process dies when contents were handed over; the next engine must not send them again."""
    world = World(folder, relay, 40)
    end_child(start_child(world.database, world.config, point="after the dot", at=12))
    inside = world.in_window()
    code, err = end_child(start_child(world.database, world.config, off=off))
    return list(world.judge(uncertain=inside).problems) + (
        [] if code == 0 else [f"the next engine ended {code}: {err}"]
    )


def lease_of_the_gate(folder: Path, relay: RelayProcess, off: str = "") -> list[str]:
    """A claim waits for its connection longer than its lease; by then another claim has sent its message.

    Enough people that the campaign is still active: when it is over, that alone closes the gate.
    """
    world = World(folder, relay, 250, concurrency=3)
    with running_proxy(relay.port, hold={2: 0.8}) as proxy:
        world.connect(proxy.port)
        code, err = end_child(start_child(world.database, world.config, off=off, lease=0.3))
    if not world.rows("SELECT 1 FROM jobs WHERE lease > 1"):
        return [f"the scenario failed: no lease ran out (the child ended {code}: {err})"]
    return list(world.judge().problems) + ([] if code == 0 else [f"the engine ended {code}: {err}"])


def lease_of_a_completion(folder: Path, relay: RelayProcess, off: str = "") -> list[str]:
    """A reply comes after its lease ran out and its message was given to a person as uncertain."""
    world = World(folder, relay, 3, concurrency=3)
    with running_proxy(relay.port, hold_reply=1.2) as proxy:
        world.connect(proxy.port)
        child = start_child(world.database, world.config, off=off, lease=0.4, until_idle=False)
        try:
            wait_for(lambda: "uncertain" in world.states().values())
            wait_for(lambda: len(world.accepted()) == 3)
            time.sleep(1.4)
        finally:
            child.send_signal(signal.SIGTERM)
            code, err = end_child(child)
    problems = list(world.judge().problems) + ([] if code == 0 else [f"the engine ended {code}: {err}"])
    states = world.states()
    return problems + [f"{who}: a lost lease made it {states[who]}" for who in states if states[who] != "uncertain"]


def epoch(folder: Path, relay: RelayProcess, off: str = "") -> list[str]:
    return take_over(folder, relay, off, 0.0)[1]


def take_over(folder: Path, relay: RelayProcess, off: str, frozen: float) -> tuple[World, list[str]]:
    """An engine is frozen, its lock file is deleted, a second one takes over; `frozen` seconds later the first one
    wakes. Returns the world too."""
    world = World(folder, relay, 400)
    stale = start_child(world.database, world.config, off=off, until_idle=False)
    second = None
    try:
        wait_for(lambda: len(world.accepted()) > 20)
        _freeze(world, stale)
        inside = world.in_window()
        lock_path(world.database).unlink()
        second = start_child(world.database, world.config, until_idle=False)
        wait_for(lambda: (holder := read_holder(world.database)) is not None and holder.pid == second.pid)
        wait_for(lambda: len(world.accepted()) > 60)
        time.sleep(frozen)
        takeover = world.rows("SELECT max(started_at) AS at, max(id) AS id FROM engines")[0]
        stale.send_signal(signal.SIGCONT)
        # Whatever it does, it does within this time: its heart beats every 5 s, its runner looks at once.
        problems = _ended(stale)
        problems += [] if world.call("engine.status")["running"] else ["the second engine no longer answers"]
        second.send_signal(signal.SIGTERM)
        code, err = end_child(second)
    finally:
        for child in (stale, second):
            if child is not None and child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
                end_child(child)
    world.restart()
    late = world.rows(
        "SELECT count(*) AS n FROM attempts WHERE epoch < ? AND intent_at > ?", takeover["id"], takeover["at"]
    )[0]["n"]
    problems += [f"the stale engine began {late} attempts after the takeover"] if late else []
    beats = world.rows("SELECT heartbeat_at FROM engines WHERE id = ?", takeover["id"] - 1)[0]["heartbeat_at"]
    problems += ["the stale engine's heart beat after the takeover"] if beats > takeover["at"] else []
    problems += [] if code == 0 else [f"the second engine ended {code}: {err}"]
    return world, problems + list(world.judge(uncertain=inside).problems)


def _freeze(world: World, engine: subprocess.Popen[str]) -> None:
    """Stop it outside a commit: frozen inside one it keeps SQLite's write lock, and nobody could take over."""
    while True:
        engine.send_signal(signal.SIGSTOP)
        time.sleep(0.01)
        with closing(sqlite3.connect(world.database, timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
                return
            except sqlite3.OperationalError:
                engine.send_signal(signal.SIGCONT)
                time.sleep(0.003)


def _ended(stale: subprocess.Popen[str]) -> list[str]:
    try:
        stale.wait(4)
    except subprocess.TimeoutExpired:
        return ["the stale engine went on"]
    return [] if stale.returncode == 3 else [f"the stale engine ended {stale.returncode}"]


def claim_check(folder: Path, relay: RelayProcess, off: str = "") -> list[str]:
    return _paused(folder, relay, off, hold=0.0)


def gate_check(folder: Path, relay: RelayProcess, off: str = "") -> list[str]:
    return _paused(folder, relay, off, hold=0.8)


def _paused(folder: Path, relay: RelayProcess, off: str, hold: float) -> list[str]:
    """Pause while connections are busy; with `hold` claims wait for their connections when the pause comes."""
    world = World(folder, relay, 2_000)
    with running_proxy(relay.port, hold={n: hold for n in range(2, 11) if hold}) as proxy:
        world.connect(proxy.port)
        child = start_child(world.database, world.config, off=off, until_idle=False)
        try:
            wait_for(lambda: len(world.accepted()) > 3)
            world.call("campaign.pause", name=CAMPAIGN)
            paused = world.rows("SELECT max(at) AS at FROM events WHERE kind = 'campaign.paused'")[0]["at"]
            leases = _leases(world)
            time.sleep(max(hold, 0.2) + 0.3)
            claimed = _leases(world) - leases
        finally:
            child.send_signal(signal.SIGTERM)
            code, err = end_child(child)
    begun = world.rows("SELECT count(*) AS n FROM attempts WHERE intent_at > ?", paused)[0]["n"]
    problems = [f"{begun} attempts began after the pause"] if begun else []
    late = sum(entry.at > paused + SECOND // 2 for entry in relay.entries(world.domain))
    problems += [f"{late} messages were accepted later than 0.5 s after the pause"] if late else []
    problems += [f"{claimed} jobs were claimed after the pause"] if claimed else []
    problems += [] if code == 0 else [f"the engine ended {code}: {err}"]
    return problems + list(world.judge(uncertain=frozenset(), ended=False).problems)


def _leases(world: World) -> int:
    return int(world.rows("SELECT sum(lease) AS n FROM jobs")[0]["n"])


CAP = 20


def cap(folder: Path, relay: RelayProcess, off: str = "") -> list[str]:
    """Ten connections meet a cap of 20 messages."""
    world = World(folder, relay, 100, more=f"daily_cap = {CAP}")
    child = start_child(world.database, world.config, off=off, until_idle=False)
    try:
        wait_for(lambda: len(world.accepted()) >= CAP)
        time.sleep(0.5)
    finally:
        child.send_signal(signal.SIGTERM)
        code, err = end_child(child)
    accepted = len(world.accepted())
    problems = [f"{accepted} messages left above a cap of {CAP}"] if accepted > CAP else []
    problems += [] if code == 0 else [f"the engine ended {code}: {err}"]
    return problems + list(world.judge(uncertain=frozenset(), ended=False).problems)


def recipient_stopped(folder: Path, relay: RelayProcess, off: str = "") -> list[str]:
    """Everybody who has no intent yet is stopped while claims wait for their connections."""
    world = World(folder, relay, 200)
    with running_proxy(relay.port, hold=dict.fromkeys(range(2, 11), 0.8)) as proxy:
        world.connect(proxy.port)
        child = start_child(world.database, world.config, off=off)
        try:
            wait_for(lambda: len(world.accepted()) > 3)
            stopped = _stop_the_rest(world)
        finally:
            code, err = end_child(child)
    claimed = [who for who, state in stopped.items() if state == "processing"]
    if not claimed:
        return [f"the scenario failed: nobody was stopped between claim and intent (the child ended {code}: {err})"]
    mailed = stopped.keys() & world.accepted().keys()
    problems = [f"{len(mailed)} people were mailed after they were stopped"] if mailed else []
    problems += [] if code == 0 else [f"the engine ended {code}: {err}"]
    states = world.states()
    problems += [
        f"{who}: stopped, and {states[who]}" for who in stopped if who not in mailed and states[who] != "skipped"
    ]
    return problems + list(world.judge(uncertain=frozenset()).problems)


def _stop_the_rest(world: World) -> dict[str, str]:
    """Stop all whose message has no intent, in one transaction; address -> its state then."""
    unsent = (
        "j.state IN ('pending', 'processing') AND NOT EXISTS "
        "(SELECT 1 FROM attempts a WHERE a.job_id = j.id AND a.lease = j.lease)"
    )
    with closing(sqlite3.connect(world.database, timeout=20, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        stopped = dict(
            connection.execute(
                f"SELECT r.address, j.state FROM jobs j JOIN recipients r ON r.id = j.recipient_id WHERE {unsent}"
            ).fetchall()
        )
        connection.execute(
            "UPDATE recipients SET stopped = 'unsubscribed' "
            f"WHERE id IN (SELECT j.recipient_id FROM jobs j WHERE {unsent})"
        )
        connection.execute("COMMIT")
    return stopped


GAP = SECOND // 4


def minimum_gap(folder: Path, relay: RelayProcess, off: str = "") -> list[str]:
    """Ten connections, a minimum gap, and a kill in the middle: every two starts keep their distance."""
    world = World(folder, relay, 16, more=f"min_gap = '{GAP // 1_000}ms'")
    child = start_child(world.database, world.config, off=off)
    wait_for(lambda: len(world.accepted()) >= 6)
    child.kill()
    end_child(child)
    inside = world.in_window()
    code, err = end_child(start_child(world.database, world.config, off=off))
    starts = [row["intent_at"] for row in world.rows("SELECT intent_at FROM attempts ORDER BY intent_at")]
    short = [later - earlier for earlier, later in pairwise(starts) if later - earlier < GAP]
    problems = [f"{len(short)} starts came too soon, one after {min(short) // 1_000} ms"] if short else []
    arrived = sorted(entry.at for entry in relay.entries(world.domain))
    close = sum(later - earlier < GAP // 2 for earlier, later in pairwise(arrived))
    problems += [f"{close} messages were accepted less than half a gap after the one before"] if close else []
    problems += [] if code == 0 else [f"the engine ended {code}: {err}"]
    return problems + list(world.judge(uncertain=inside).problems)


SCENARIOS: dict[str, Scenario] = {
    "intent gate": intent_gate,
    "lease fence of the gate": lease_of_the_gate,
    "lease fence of a completion": lease_of_a_completion,
    "epoch check": epoch,
    "campaign check of the claim": claim_check,
    "campaign check of the gate": gate_check,
    "cap": cap,
    "recipient stopped": recipient_stopped,
    "minimum gap": minimum_gap,
}
