"""Background jobs beside a campaign in one engine that is killed: the relay's ledger judges the messages, a record
outside the store the jobs."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.crash.crash_row import Row
from tests.crash.crash_work import CONFIG, ITEMS, POINTS, WorkWorld
from tests.crash.crash_world import SEED, RelayProcess, Verdict, World, wait_for
from tests.support.child import end_child

PEOPLE = 300
TURNS = 10
KINDS = ("once", "again", "once", "again", "many")
"""What must not be repeated, what may be, and what has items (`RunContext.map`): ten turns of them."""
KILLS = 2
"""A job whose engine died three times fails: it may be what kills engines."""


class Beside:
    """A started campaign of 300 and fifty background jobs; one engine for both."""

    def __init__(self, folder: Path, relay: RelayProcess) -> None:
        self.mail = World(folder, relay, PEOPLE, more=CONFIG)
        self.work = WorkWorld(self.mail.folder, self.mail.config.read_text())
        jobs = [(kind, f"{kind}-{turn}-{place}") for turn in range(TURNS) for place, kind in enumerate(KINDS)]
        self.work.add_named(jobs)
        self.doubted: set[str] = set()
        """Whose message was in the send window at a kill."""
        self.begun: set[str] = set()
        """The jobs that must not be repeated and were under way at a kill."""
        self.under_way: Counter[str] = Counter()
        self._kept: dict[str, int] = {}

    def kill(self, after: float) -> None:
        """SIGKILL from outside, `after` seconds behind the engine's first acceptance."""
        had = self.mail.receiver.size()
        engine = self.work.start()
        wait_for(lambda: self.mail.receiver.size() > had or engine.poll() is not None)
        time.sleep(after)
        engine.kill()
        end_child(engine)
        self._look()

    def die(self, point: str, at: int) -> None:
        """SIGKILL to itself at the `at`-th passage of a point of a job's way."""
        code, err = end_child(self.work.start("--point", point, "--at", str(at)))
        assert code == -signal.SIGKILL, f"{point} was passed fewer than {at} times: {err}"
        self._look()

    def _look(self) -> None:
        self.doubted |= self.mail.in_window()
        self.begun |= self.work.open_intents()
        self.under_way += self.work.running()
        done = self.work.done()
        self._kept |= {item: done[item] for item in self.work.kept_items() if item not in self._kept}

    def restart(self) -> None:
        """An engine until nothing can run any more."""
        code, err = end_child(self.work.start(), seconds=90)
        assert code == 0, err

    def judge(self) -> tuple[Verdict, Verdict]:
        """Of the messages, and of the jobs, when the last engine is at its end. Of jobs `accepted` counts those that
        the record calls done, `lost` those that the store alone calls so, `twice` what must not be repeated, or was
        kept before the kill, and was done again."""
        done, states = self.work.done(), self.work.states()
        times = {name: self._times(done, name) for name in states}
        lost = [name for name, state in states.items() if state == "completed" and not times[name]]
        twice = [name for name, n in times.items() if name.startswith("once") and n > 1]
        twice += [item for item, before in self._kept.items() if done[item] > before]
        problems = self.work.problems(uncertain=frozenset(self.begun))
        problems += [f"{name}: done again" for name in twice]
        uncertain = frozenset(name for name, state in states.items() if state == "uncertain")
        finished = sum(n > 0 for n in times.values())
        work = Verdict(len(states), finished, tuple(lost), tuple(twice), uncertain, tuple(problems))
        return self.mail.judge(uncertain=frozenset(self.doubted)), work

    def _times(self, done: Counter[str], name: str) -> int:
        kind = name.split("-")[0]
        if kind == "many":
            return min(done[f"item {name} {i}"] for i in range(ITEMS))
        return done[f"{kind} {name}"]


def beside(folder: Path, relay: RelayProcess, kills: int) -> Iterator[Row]:
    """Kills at random times, then one at each point of a job's way."""
    mail, work = _rows(f"SIGKILL at random times, {len(KINDS) * TURNS} jobs beside it")
    rng, under_way = random.Random(SEED), Counter[str]()
    for left in range(kills, 0, -KILLS):
        world = Beside(folder, relay)
        dying = min(left, KILLS)
        for _ in range(dying):
            world.kill(rng.uniform(0, 0.25))
        under_way += world.under_way
        _end(world, mail, work, runs=dying)
    work.problems += [f"no kill found a job of kind {kind} under way" for kind in set(KINDS) - under_way.keys()]
    yield from (mail, work)
    mail, work = _rows("SIGKILL at points of a job, a campaign beside it")
    for point in POINTS:
        if "stage" in point:
            continue
        world = Beside(folder, relay)
        world.die(point, at=3)
        _end(world, mail, work, runs=1)
    yield from (mail, work)


def _rows(fault: str) -> tuple[Row, Row]:
    return Row(fault, "<= 10 a kill, those in the window"), Row(
        "  the jobs", "<= 10 a kill, those under way", of_jobs=True
    )


def _end(world: Beside, mail: Row, work: Row, runs: int) -> None:
    world.restart()
    for row, verdict in zip((mail, work), world.judge(), strict=True):
        row.add(verdict, runs=runs)
