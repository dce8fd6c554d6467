"""`make crash`: every fault we can make, many times, and a table of what the receiver's own record says.

`--prove` switches the guards off one by one instead and fails when one of them is not missed.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.crash import crash_guards, crash_postfix, crash_power, crash_sink, crash_store
from tests.crash.crash_beside import beside
from tests.crash.crash_cut import cut_at
from tests.crash.crash_kills import Start, random_kills, sending_again
from tests.crash.crash_prove import LATENCY, prove
from tests.crash.crash_row import HEADINGS, WIDTHS, Row, line
from tests.crash.crash_signals import drained
from tests.crash.crash_world import SEED, RelayProcess, Verdict, World, relay_process
from tests.support import disks
from tests.support.child import end_child, start_child
from tests.support.crashpoints import ALONE, POINTS, RECOVERY
from tests.support.proxy import BEFORE_CONTENT, PHASES

SUMS = ("runs", "people", "accepted", "lost", "twice", "uncertain")


def points(folder: Path, relay: RelayProcess) -> Iterator[Row]:
    """SIGKILL to itself at every point: ten connections busy, then one alone."""
    for point in POINTS:
        row = Row(f"SIGKILL {point}", "<= 10 a kill, those in the window")
        for at in (1, 3, 6):
            world = World(folder, relay, 60)
            row.add(_died(world, row, point, at, most=10))
        yield row
    for point, (least, most) in ALONE.items():
        row = Row(f"  one connection, {point}", f"{least} a kill" if least == most else "0 or 1 a kill")
        for at in (1, 3):
            world = World(folder, relay, 6, concurrency=1)
            row.add(_died(world, row, point, at, least=least, most=most))
        yield row
    row = Row("SIGKILL after the dot, then in the recovery", "<= 10, those in the window")
    for at in (5, 15):
        world = World(folder, relay, 60)
        _kill_at(world, row, "after the dot", at)
        row.add(_died(world, row, RECOVERY, 1, most=10))
    yield row


def _kill_at(world: World, row: Row, point: str, at: int) -> frozenset[str]:
    code, err = end_child(start_child(world.database, world.config, point=point, at=at))
    if code != -signal.SIGKILL:
        row.problems.append(f"{point} was passed fewer than {at} times: {err}")
    return world.in_window()


def _died(world: World, row: Row, point: str, at: int, *, least: int = 0, most: int) -> Verdict:
    inside = _kill_at(world, row, point, at)
    if not least <= len(inside) <= most:
        row.problems.append(f"{len(inside)} were in the window, expected {least} to {most}")
    world.restart()
    return world.judge(uncertain=inside)


def proxy_cuts(folder: Path, relay: RelayProcess) -> Iterator[Row]:
    """The connection cut at each phase of the conversation."""
    for phase in PHASES:
        safe = phase in BEFORE_CONTENT
        at = (1, 3) if phase in ("banner", "EHLO") else (2, 11, 25)
        row = Row(f"connection cut: {phase}", "0" if safe else "exactly those cut")
        world, cut = cut_at(phase, folder, relay, n=60, at=at)
        row.add(world.judge(uncertain=frozenset() if safe else cut), runs=len(at))
        if safe and row.accepted != world.n:
            row.problems.append(f"{row.accepted} of {world.n} accepted")
        if safe and world.rows("SELECT max(tries) AS n FROM jobs")[0]["n"] > 1:
            row.problems.append("the line's trouble used up somebody's retry")
        if not safe and len(cut) != len(at):
            row.problems.append(f"{len(cut)} messages were cut, {len(at)} were meant")
        if not safe and (phase == "250") != (cut <= world.accepted().keys()):
            row.problems.append("what was cut is not what the ledger says")
        yield row


def signals(folder: Path, relay: RelayProcess) -> Iterator[Row]:
    """The real program told to end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        row = Row(f"{number.name} to `engine run`: drain", "0, exit 0, none in flight")
        world, code, err = drained(folder, relay, number, n=200)
        if code != 0 or "processing" in world.states().values():
            row.problems.append(f"exit {code}: {err}")
        row.problems += world.judge(uncertain=frozenset(), ended=False).problems
        world.restart()
        row.add(world.judge(uncertain=frozenset()))
        yield row
    row = Row("SIGTERM twice: cut", "1 to 10, exit 1")
    world, code, err = drained(folder, relay, signal.SIGTERM, n=200, again=True)
    doubted = world.judge(ended=False).uncertain
    if code != 1 or not 1 <= len(doubted) <= 10:
        row.problems.append(f"exit {code}, {len(doubted)} uncertain: {err}")
    world.restart()
    row.add(world.judge(uncertain=doubted))
    yield row


def takeover(folder: Path, relay: RelayProcess, frozen: float) -> Row:
    row = Row(f"SIGSTOP {frozen:.0f} s, lock file deleted, SIGCONT", "<= 10, those in the window")
    world, problems = crash_guards.take_over(folder, relay, "", frozen)
    row.problems += problems
    row.add(world.judge())
    return row


def power(folder: Path, relay: RelayProcess) -> Iterator[Row]:
    for name, cut in (("any frame of the log", crash_power.power_cuts), ("a checkpoint", crash_power.checkpoint_cuts)):
        row = Row(f"power cut in {name}", "every acknowledged fact is there")
        row.runs, row.problems = cut(World(folder, relay, 120), folder)
        row.lost = len(row.problems)
        yield row


def store(folder: Path, relay: RelayProcess) -> Iterator[Row]:
    """Longer than a commit waits for the lock (15 s), and a disk without room."""
    yield crash_store.locked(folder, relay, 17.0)
    if hindrance := disks.why_not():
        print(f"({hindrance})")
        return
    yield crash_store.full(folder, relay)


def sink_kills(folder: Path, kills: int, starts: list[Start]) -> Iterator[Row]:
    """Random kills before a server that we did not write."""
    if not crash_sink.PROGRAM.exists():
        print(f"(no {crash_sink.PROGRAM}: Debian's package postfix has it)")
        return
    with crash_sink.running_sink() as sink:
        name = "SIGKILL at random times, postfix's smtp-sink"
        yield random_kills(folder, sink, name, kills=kills, people=1_000, within=0.1, starts=starts)


def postfix_kills(folder: Path, kills: int, starts: list[Start]) -> Iterator[Row]:
    """Random kills before a whole mail server; what counts are the files that it delivered."""
    if hindrance := crash_postfix.why_not():
        print(f"({hindrance})")
        return
    with crash_postfix.running_postfix() as postfix:
        name = "SIGKILL at random times, postfix delivers files"
        yield random_kills(folder, postfix, name, kills=kills, people=1_000, within=0.25, starts=starts)


def rows(folder: Path, relay: RelayProcess, given: argparse.Namespace, starts: list[Start]) -> Iterator[Row]:
    name = "SIGKILL at random times, scripted relay"
    sections: dict[str, Callable[[], Iterable[Row]]] = {
        "points": lambda: points(folder, relay),
        "cuts": lambda: proxy_cuts(folder, relay),
        "signals": lambda: signals(folder, relay),
        "beside": lambda: beside(folder, relay, max(1, given.kills // 5)),
        "takeover": lambda: [takeover(folder, relay, given.frozen)],
        "power": lambda: power(folder, relay),
        "store": lambda: store(folder, relay),
        "sink": lambda: sink_kills(folder, max(1, given.kills // 10), starts),
        "postfix": lambda: postfix_kills(folder, max(1, given.kills // 10), starts),
        "kills": lambda: [
            random_kills(folder, relay, name, kills=given.kills, people=1_000, within=0.25, starts=starts)
        ],
    }
    for section, make in sections.items():
        if given.only not in ("", section):
            continue
        try:
            yield from make()
        except AssertionError as error:
            # An engine that does not end, or that is waited for in vain, breaks its own row and no other.
            yield Row(f"{section}: ended early", "", problems=[str(error)])


def table(given: argparse.Namespace) -> int:
    """Print the rows as they come; 1 when a promise was broken."""
    print(line(HEADINGS))
    print(line(tuple("-" * width for width in WIDTHS)))
    broken: list[str] = []
    starts: list[Start] = []
    total = Row("all", "")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pc-") as name, relay_process(Path(name), LATENCY) as relay:
        for row in rows(Path(name), relay, given, starts):
            print(line(row.cells()), flush=True)
            broken += [f"{row.fault}: {problem}" for problem in row.problems]
            for key in ("lost", "twice") if row.of_jobs else SUMS:
                setattr(total, key, getattr(total, key) + getattr(row, key))
    print(line(tuple("-" * width for width in WIDTHS)))
    print(line(total.cells()))
    print()
    if starts:
        print("\n".join(sending_again(starts)))
    print(f"seed {SEED}, {time.monotonic() - begun:.0f} s")
    for problem in broken[:50]:
        print(f"BROKEN  {problem}")
    print("no promise was broken" if not broken else f"{len(broken)} broken promises")
    return 1 if broken else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.crash_table", description=__doc__)
    parser.add_argument("--prove", action="store_true", help="switch the guards off one by one")
    parser.add_argument("--kills", type=int, default=200, help="random kills over campaigns of 1,000 recipients")
    parser.add_argument("--frozen", type=float, default=60.0, help="seconds that the stopped engine is frozen")
    sections = "points, cuts, signals, beside, takeover, power, store, sink, postfix or kills"
    parser.add_argument("--only", default="", help=sections)
    given = parser.parse_args()
    return prove() if given.prove else table(given)


if __name__ == "__main__":
    sys.exit(main())
