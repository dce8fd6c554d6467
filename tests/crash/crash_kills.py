"""SIGKILL from outside to the real program at random times, and how soon the next start sends again."""

from __future__ import annotations

import random
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from storage.model import SECOND
from tests.crash.crash_row import Row
from tests.crash.crash_world import SEED, Receiver, World, now_us, wait_for
from tests.support.child import ROOT

GOAL = 2.0
"""Seconds within which a started engine sends again."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the real program, in seconds: `python` until it has the store's lock, `engine` from there to its
    first intent (recovery, connection, claim), `server` from there to the first acceptance."""

    python: float
    engine: float
    server: float

    @property
    def total(self) -> float:
        return self.python + self.engine + self.server

    def describe(self) -> str:
        return (
            f"{self.total:.2f} s ({self.python:.2f} s until Python and the program were loaded and the store was ours, "
            f"{self.engine:.2f} s to the first intent, {self.server:.2f} s to the first acceptance)"
        )


def random_kills(
    folder: Path, receiver: Receiver, name: str, *, kills: int, people: int, within: float, starts: list[Start]
) -> Row:
    """SIGKILL to the real program at seeded times, again and again until all is sent, over as many campaigns as it
    takes. `starts` collects every start that was killed."""
    row = Row(name, "<= 10 a kill, those in the window")
    rng = random.Random(SEED)
    left = kills
    while left:
        world = World(folder, receiver, people)
        inside: set[str] = set()
        killed = 0
        while left and len(world.accepted()) + len(inside) < people:
            start = _kill_once(world, rng.uniform(0, within))
            if start is None:
                break
            starts.append(start)
            killed, left = killed + 1, left - 1
            now_inside = world.in_window()
            if len(now_inside) > world.concurrency:
                row.problems.append(f"{len(now_inside)} in the window of {world.concurrency} connections")
            inside |= now_inside
        world.restart()
        row.add(world.judge(uncertain=frozenset(inside)), runs=killed)
    return row


def _kill_once(world: World, after: float) -> Start | None:
    """Run the real program and kill it `after` seconds behind its first acceptance. None when it found nothing left
    to do."""
    had = world.receiver.size()
    started = now_us()
    engine = subprocess.Popen(
        world.program("engine", "run", "--until-idle"), cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: world.receiver.size() > had or engine.poll() is not None)
        accepted = now_us()
        if world.receiver.size() == had:
            return None
        time.sleep(after)
    finally:
        engine.kill()
        engine.wait()
    # The engine's own times, by the same clock.
    owned = world.rows("SELECT id, started_at FROM engines ORDER BY id DESC LIMIT 1")[0]
    intent = world.rows("SELECT min(intent_at) AS at FROM attempts WHERE epoch = ?", owned["id"])[0]["at"]
    return Start(
        (owned["started_at"] - started) / SECOND, (intent - owned["started_at"]) / SECOND, (accepted - intent) / SECOND
    )


def sending_again(starts: list[Start]) -> list[str]:
    """The sentences about how soon a killed engine sends again."""
    totals = [start.total for start in starts]
    late = sum(total > GOAL for total in totals)
    return [
        "sending again after a kill, with nobody unlocking anything, from the program's start to the first acceptance:",
        f"  median {statistics.median(totals):.2f} s, {late} of {len(starts)} starts above {GOAL:.0f} s",
        f"  slowest {max(starts, key=lambda start: start.total).describe()}",
    ]
