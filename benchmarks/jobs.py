"""No-op background jobs a second, beside other queues in the same run, each with what it keeps.

    python -m benchmarks.jobs [--jobs 20000] [--concurrency 1 10 100 500] [--rounds 3] [--peers huey pgqueuer ...]

Ours is the whole engine: claimed under a lease, its payload checked, run, its outcome, attempt, counters and statistics
durable (`synchronous=FULL`) before its place is free. The bare loop is the ceiling of an embedded store: 100 claimed in
one commit, deleted in the next, nothing else. Peers are installed into a folder of the run, and left out with a word
where they cannot be. Rounds alternate, medians are compared: the machine is shared and noisy.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from benchmarks.job_servers import MissingError, postgres, program, redis
from benchmarks.pipeline import fsync_ms
from engine.config import init_config, load_config
from engine.control import actions
from engine.processors.context import RunContext
from engine.processors.processor import Done, Outcome, Payload, Processor
from engine.processors.registry import Registry
from engine.service import Engine
from storage.model import Actor
from storage.reader import Reader

HERE = Path(__file__).parent / "job_peers"
ME = Actor("benchmark", via="benchmark")
PATIENCE = 600
"""Seconds that one round of a peer may take."""
BARE = 100
"""Jobs of one commit of the bare loop."""

Figures = dict[str, float]
"""Jobs a second: `enqueue`, `run`; ours also `cpu`, microseconds of processor time a job."""


class Noop(Processor[Payload]):
    kind = "noop"
    about = "does nothing"

    async def run(self, context: RunContext, payload: Payload) -> Outcome:
        return Done()


async def _ours(folder: Path, n: int, concurrency: int) -> Figures:
    config = folder / "paceline.toml"
    init_config(config)
    with config.open("a") as file:
        file.write(f"\n[jobs]\nconcurrency = {concurrency}\n")
    database = folder / "paceline.db"
    engine = Engine(database, lambda: load_config(config), create=True, registry=Registry({"noop": Noop}))
    await engine.start()
    await actions.call(engine.context, "queue.pause", {"name": "default"}, ME)
    began = time.perf_counter()
    batch = (await actions.call(engine.context, "job.begin", {}, ME))["batch_id"]
    for first in range(0, n, 1000):
        rows = [{"kind": "noop"} for _ in range(min(1000, n - first))]
        await actions.call(engine.context, "job.rows", {"batch_id": batch, "rows": rows}, ME)
    await actions.call(engine.context, "job.commit", {"batch_id": batch}, ME)
    enqueued = time.perf_counter()
    cpu = time.process_time()
    await actions.call(engine.context, "queue.resume", {"name": "default"}, ME)
    begun = time.perf_counter()
    running = asyncio.create_task(engine.run())
    with Reader(database) as reader:
        while reader.counts().get("completed", 0) < n:
            await asyncio.sleep(0.02)
    ran, cpu = time.perf_counter(), time.process_time() - cpu
    engine.drain("measured")
    await running
    with Reader(database) as reader:
        if reader.counter_drift():
            sys.exit("the books are wrong: nothing was measured")
    return {"enqueue": n / (enqueued - began), "run": n / (ran - begun), "cpu": cpu / n * 1e6}


def _bare(folder: Path, n: int) -> Figures:
    """The ceiling: a table of jobs, claimed and deleted in one commit each, `synchronous=FULL`."""
    store = sqlite3.connect(folder / "bare.db", isolation_level=None)
    store.execute("PRAGMA journal_mode = WAL")
    store.execute("PRAGMA synchronous = FULL")
    store.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, payload TEXT NOT NULL)")
    began = time.perf_counter()
    for first in range(0, n, 1000):
        store.execute("BEGIN")
        store.executemany("INSERT INTO jobs (payload) VALUES (?)", [("{}",)] * min(1000, n - first))
        store.execute("COMMIT")
    enqueued = time.perf_counter()
    last = 0
    while rows := store.execute(
        "SELECT id, payload FROM jobs WHERE id > ? ORDER BY id LIMIT ?", (last, BARE)
    ).fetchall():
        last = rows[-1][0]
        for statement in (
            "UPDATE jobs SET payload = '' WHERE id BETWEEN ? AND ?",
            "DELETE FROM jobs WHERE id BETWEEN ? AND ?",
        ):
            store.execute("BEGIN")
            store.execute(statement, (rows[0][0], last))
            store.execute("COMMIT")
    ran = time.perf_counter()
    store.close()
    return {"enqueue": n / (enqueued - began), "run": n / (ran - enqueued)}


class Peers:
    """Other queues, installed when first asked for into `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _python(self, *packages: str) -> str:
        home = self.folder / "-".join(packages).replace("[", "-").replace("]", "")
        python = home / "bin" / "python"
        if not (home / "ready").exists():
            self._do([sys.executable, "-m", "venv", str(home)], "a virtual environment cannot be made")
            self._do([str(python), "-m", "pip", "install", "-q", *packages], f"{packages[0]} does not install")
            (home / "ready").touch()
        return str(python)

    def _node(self) -> Path:
        home = self.folder / "bullmq"
        if not (home / "ready").exists():
            home.mkdir(exist_ok=True)
            (home / "package.json").write_text('{"private": true}')
            self._do(
                [program("npm"), "install", "--silent", "--no-audit", "bullmq", "ioredis"],
                "bullmq does not install",
                home,
            )
            (home / "ready").touch()
        return home

    @staticmethod
    def _do(command: list[str], trouble: str, folder: Path | None = None) -> None:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise MissingError(trouble)

    @staticmethod
    def _measure(command: list[str], folder: Path | None = None) -> Figures:
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise MissingError(f"it was not done after {PATIENCE} s") from None
        if done.returncode:
            raise MissingError(f"it ended with: {done.stderr.strip().splitlines()[-1][:200] if done.stderr else '?'}")
        figures: Figures = json.loads(done.stdout.strip().splitlines()[-1])
        return figures

    def huey(self, folder: Path, n: int, workers: int, kind: str) -> Figures:
        python = self._python("huey")
        return self._measure([python, str(HERE / "huey_peer.py"), str(n), str(min(workers, 20)), kind, str(folder)])

    def procrastinate(self, folder: Path, n: int, concurrency: int) -> Figures:
        python = self._python("procrastinate", "psycopg[binary]")
        with postgres(folder) as dsn:
            return self._measure([python, str(HERE / "procrastinate_peer.py"), str(n), str(concurrency), dsn])

    def pgqueuer(self, folder: Path, n: int, concurrency: int) -> Figures:
        python = self._python("pgqueuer", "asyncpg")
        with postgres(folder) as dsn:
            return self._measure([python, str(HERE / "pgqueuer_peer.py"), str(n), str(concurrency), dsn])

    def bullmq(self, folder: Path, n: int, concurrency: int, how: str) -> Figures:
        home, node = self._node(), program("node")
        with redis(folder, how) as port:
            return self._measure([node, str(HERE / "bullmq_peer.mjs"), str(n), str(concurrency), str(port)], home)


Side = Callable[[Path, int, int], Figures]


def _sides(peers: Peers) -> dict[str, tuple[str, Side]]:
    """Each side by name: what it keeps, and how it is measured. Huey's threads are 20 at most."""
    return {
        "ours": ("every claim and outcome synced, history kept", lambda d, n, c: asyncio.run(_ours(d, n, c))),
        "bare": ("every claim and deletion synced, 100 a commit, nothing kept", lambda d, n, c: _bare(d, n)),
        "huey-sqlite": (
            "each removal synced, before the run; nothing kept",
            lambda d, n, c: peers.huey(d, n, c, "sqlite"),
        ),
        "huey-file": ("files, never synced; removed before the run", lambda d, n, c: peers.huey(d, n, c, "file")),
        "pgqueuer": ("PostgreSQL, each commit synced; a log of what ran", peers.pgqueuer),
        "procrastinate": ("PostgreSQL, each commit synced; history kept", peers.procrastinate),
        "bullmq-always": (
            "Redis, each write synced; what is done kept",
            lambda d, n, c: peers.bullmq(d, n, c, "always"),
        ),
        "bullmq-everysec": ("Redis, synced once a second", lambda d, n, c: peers.bullmq(d, n, c, "everysec")),
    }


SLOW = {"procrastinate": 5, "huey-sqlite": 2, "huey-file": 5}
"""Peers that are given so many times fewer jobs, so that a round ends."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 10, 100, 500])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--peers", nargs="*", help="only these (a prefix is enough); none: ours and the bare loop alone"
    )
    parser.add_argument("--keep", type=Path, help="a folder for the peers' installations, used again by the next run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="paceline-jobs-", ignore_cleanup_errors=True) as name:
        root = Path(name)
        root.chmod(0o755)  # a server that runs as another user passes through it
        print(
            f"{args.jobs:,} no-op jobs, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
            f"sync {fsync_ms(root):.2f} ms"
        )
        keep = args.keep or root / "peers"
        keep.mkdir(parents=True, exist_ok=True)
        sides = _sides(Peers(keep.resolve()))
        if args.peers is not None:
            sides = {
                side: how for side, how in sides.items()
                if side in ("ours", "bare") or any(side.startswith(one) for one in args.peers)
            }  # fmt: skip
        for concurrency in args.concurrency:
            _compare(root, sides, args.jobs, concurrency, args.rounds)


def _compare(root: Path, sides: dict[str, tuple[str, Side]], jobs: int, concurrency: int, rounds: int) -> None:
    found: defaultdict[str, list[Figures]] = defaultdict(list)
    missing: dict[str, str] = {}
    for _ in range(rounds):
        for side, (_, measure) in sides.items():
            if side in missing:
                continue
            folder = Path(tempfile.mkdtemp(dir=root))
            try:
                found[side].append(measure(folder, max(500, jobs // SLOW.get(side, 1)), concurrency))
            except MissingError as error:
                missing[side] = str(error)
    print(f"\nconcurrency {concurrency}: run a second, ours as a ratio, enqueue a second")
    middle = {side: _median(figures) for side, figures in found.items() if figures}
    for side, (keeps, _) in sides.items():
        if side in missing:
            print(f"  {side:16} left out: {missing[side]}")
            continue
        here = middle[side]
        cpu = f", {here['cpu']:.0f} us of processor a job" if "cpu" in here else ""
        ratio = middle["ours"]["run"] / here["run"]
        print(f"  {side:16} {here['run']:9,.0f} {ratio:7.2f}x {here['enqueue']:9,.0f}   {keeps}{cpu}")


def _median(figures: list[Figures]) -> Figures:
    return {name: statistics.median(one[name] for one in figures) for name in figures[0]}


if __name__ == "__main__":
    main()
