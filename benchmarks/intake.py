"""What it takes to import 100,000 people from a CSV file and to start a campaign to them, by the command line.

    python -m benchmarks.intake [--people 100000] [--rounds 3]

Each round runs `paceline recipients import` and `paceline campaign start` as an operator does, in processes of their
own, and then has SQLite alone put the very same rows into a store with the same tables and indexes, 1,000 rows a
transaction with every commit synced. Printed: the seconds until the command has ended (the best round), its processor
time, its greatest resident memory, and the ratio of the seconds to those of the bare rows in the same round (median).
Goals: a start in under 5 s, an import in well under 10 s.
"""

from __future__ import annotations

import argparse
import csv
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from storage import migrate

SLICE = 1_000
CONFIG = '[accounts.box]\nchannel = "outbox"\nfolder = "out"\nfrom_address = "me@example.org"\n'
TABLES = {"import": "recipients", "start": "jobs"}
GOALS = {"import": 10.0, "start": 5.0}


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds, seconds of the processor, MiB of resident memory at most, seconds of the same rows without us."""

    seconds: float
    processor: float
    memory: float
    bare: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    rounds = [_round(asked.people) for _ in range(asked.rounds)]
    print(f"{asked.people:,} people".ljust(16), "seconds  goal  processor  memory  / bare rows")
    for what in TABLES:
        took = [one[what] for one in rounds]
        best = min(took, key=lambda one: one.seconds)
        ratio = statistics.median(one.seconds / one.bare for one in took)
        spent = f"{best.processor:9.2f}s {best.memory:6.0f}M"
        print(f"{what:<16} {best.seconds:6.2f}s {GOALS[what]:4.0f}s {spent} {ratio:9.1f}x")


def _round(people: int) -> dict[str, Took]:
    with tempfile.TemporaryDirectory(prefix="paceline-bench-") as name:
        folder = Path(name)
        (folder / "paceline.toml").write_text(CONFIG)
        (folder / "hello.txt").write_text("Hello {{ first_name }}\n")
        with (folder / "people.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("email", "first_name", "company"))
            rows.writerows((f"p{n * 7919 % people}@d{n % 997}.example", f"Name{n}", f"Firm {n}") for n in range(people))
        _ran(folder, "init")
        _ran(folder, "campaign", "new", "big", "--account", "box", "--subject", "Hello", "--text", "hello.txt")
        took = {
            "import": _ran(folder, "recipients", "import", "people.csv", "--campaign", "big"),
            "start": _ran(folder, "campaign", "start", "big"),
        }
        return {what: Took(*took[what], _bare(folder, table)) for what, table in TABLES.items()}


def _ran(folder: Path, *words: str) -> tuple[float, float, float]:
    """Run one command: its seconds, its processor's, and its memory in MiB."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "tui", "--config", "paceline.toml", "--db", "store.db", *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"paceline {' '.join(words)} failed: {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _bare(folder: Path, table: str) -> float:
    """Seconds to put the rows of a finished store's table into an empty one."""
    source = sqlite3.connect(folder / "store.db")
    found = source.execute(f"SELECT * FROM {table} ORDER BY id")
    columns = [column[0] for column in found.description]
    rows = found.fetchall()
    source.close()
    target = sqlite3.connect(folder / f"bare-{table}.db", isolation_level=None)
    migrate.apply(target, 0)
    target.execute("PRAGMA journal_mode = WAL")
    target.execute("PRAGMA synchronous = FULL")
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    began = time.perf_counter()
    for at in range(0, len(rows), SLICE):
        target.execute("BEGIN IMMEDIATE")
        target.executemany(insert, rows[at : at + SLICE])
        target.execute("COMMIT")
    took = time.perf_counter() - began
    target.close()
    return took


if __name__ == "__main__":
    main()
