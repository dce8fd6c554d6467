"""The figures of the console, all in one run, each beside its goal.

    python -m benchmarks.console [--jobs 5000000] [--only keys,rest] [--keep FOLDER]

Goals hold for 1 M jobs (first paint) and 5 M jobs (everything else); a smaller store shows what it shows. Stores are
made anew (half a minute a million jobs) and deleted at the end, unless a folder to keep them in is named.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.console import cost, gaps, keys, start
from benchmarks.console.figures import Figure, table
from benchmarks.console.stores import Place, make_store

FEW = 10_000
PAINTED = 1_000_000
"""Jobs of the store that the first paint is measured with, unless fewer are asked for."""


def parts(root: Path, jobs: int, repeats: int) -> dict[str, Callable[[], list[Figure]]]:
    """What can be measured, by the name for `--only`; what writes to the store comes last."""

    def store(n: int) -> Place:
        return make_store(root, n)

    return {
        "version": lambda: start.version(repeats * 2),
        "paint": lambda: start.first_paint(store(min(jobs, PAINTED)), repeats),
        "keys": lambda: keys.keys(store(FEW), store(jobs), repeats * 8),
        "rest": lambda: cost.rest(store(jobs), 20),
        "rows": lambda: cost.rows(store(jobs), 15),
        "overview": lambda: cost.overview(store(jobs), 15),
        "gaps": lambda: gaps.gaps(store(jobs)),
    }


def disturbance() -> str:
    """How much others use the machine: goals in milliseconds and percent mean one whose loop waits for nobody."""
    walls, costs = [], []
    for _ in range(20):
        wall, cost = time.perf_counter(), time.process_time()
        sum(range(500_000))
        walls.append(time.perf_counter() - wall)
        costs.append(time.process_time() - cost)
    waits = statistics.mean(walls) / statistics.mean(costs)
    return f"load {os.getloadavg()[0]:.1f}, a loop takes {waits:.2f}x its processor time"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.console", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=5_000_000)
    parser.add_argument(
        "--repeats", type=int, default=9, help="starts that a median is taken of; keys: eight times as many"
    )
    parser.add_argument("--only", default="", help="some of: version,paint,keys,rest,rows,overview,gaps")
    parser.add_argument("--keep", type=Path, help="a folder for the stores, where they stay")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="paceline-bench-") as name:
        found = parts(given.keep or Path(name), given.jobs, given.repeats)
        chosen = [word.strip() for word in given.only.split(",")] if given.only else list(found)
        if unknown := [word for word in chosen if word not in found]:
            parser.error(f"--only: there is no {', '.join(unknown)}")
        print(f"{given.jobs:,} jobs, {os.cpu_count()} processors. At the start: {disturbance()}")
        figures: list[Figure] = []
        for word in chosen:
            figures += found[word]()
        print(table(figures))
        print(f"At the end: {disturbance()}")


if __name__ == "__main__":
    main()
