"""What it takes to forecast 100,000 messages, beside what it takes to plan them.

    python -m benchmarks.forecast [--messages 100000] [--rounds 3]

A forecast sends every message in the mind, some times over (`draws`): service times and refusals are drawn from a
thousand measured ones. Time is the processor's, the best of the rounds; the ratio is to `plan` of the same messages.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence

from benchmarks.planning import HOURS, START, best
from engine.following import Following
from engine.planning.caps import parse_cap
from engine.planning.forecast import Forecast, forecast
from engine.planning.lanes import Lane, Measured, QueueNow, Station, Waiting
from engine.planning.limits import Limits
from engine.planning.pacing import Pacing, plan
from engine.planning.windows import Window
from storage.model import DAY, SECOND

BLAST = Pacing("blast", concurrency=10, batch_delay=0)
WINDOW = Window.from_dict(HOURS)
CASES = (
    ("blast 5 every 3 s", Pacing(), Limits(), 1),
    ("blast, 60/min, 5000/day", Pacing(), Limits(caps=(parse_cap("60/min"), parse_cap("5000/day"))), 1),
    ("steady, window, 500/h calendar", Pacing("steady"), Limits(window=WINDOW, caps=(parse_cap("500/h calendar"),)), 1),
    ("human 15-90 min", Pacing("human"), Limits(), 1),
    ("three campaigns share, 60/min", BLAST, Limits(caps=(parse_cap("60/min"),)), 3),
    ("two campaigns, one every 10 s", BLAST, Limits(min_gap=10 * SECOND), 2),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    n, rng = asked.messages, random.Random(3)
    measured = Measured(tuple(rng.randint(100_000, 3_000_000) for _ in range(1_000)), 0.03, 0.01, 1.0)
    print(
        f"{n:,} messages".ljust(34), "plan".rjust(7), "forecast".rjust(9), "draws".rjust(6), "ratio".rjust(7), "  ends"
    )
    for name, pacing, limits, lanes in CASES:
        planning, _ = best(asked.rounds, lambda case=(pacing, limits, n, lanes): len(_lanes(*case)))  # type: ignore[misc]
        stations = [Station(QueueNow(limits), _lanes(pacing, limits, n, lanes), measured)]
        print(f"{name:<34} {_measured(asked.rounds, planning, stations)}")
    planning, _ = best(asked.rounds, lambda: len(_sequence(n, measured)))
    print(f"{'two steps through two accounts':<34} {_measured(asked.rounds, planning, _sequence(n, measured))}")


def _measured(rounds: int, planning: float, stations: Sequence[Station]) -> str:
    def foretold() -> Forecast:
        return forecast(lambda draw: stations, now=START, seed=7)

    took, _ = best(rounds, lambda: foretold().sends)
    told = foretold()
    days = ((told.latest or START) - START) / DAY
    return f"{planning:6.2f}s {took:8.2f}s {told.draws:6} {took / planning:7.1f}  after {days:,.1f} days"


def _sequence(n: int, measured: Measured) -> list[Station]:
    """`n` messages: half as many people, spread over two accounts, written to again after a day."""
    row = {"seed": 7, "settings": "{}", "hours": "", "pacing": json.dumps(Pacing().to_dict())}
    steps = [
        {"id": place, "channel": "", "wait": {"duration": DAY}, "conditions": "", "pacing": {}} for place in (1, 2)
    ]
    queues = [{"id": 1, "channel": "smtp"}, {"id": 2, "channel": "smtp"}]
    follow = Following(row, steps, queues, {queue["id"]: Limits() for queue in queues})
    stations = []
    for queue in (1, 2):
        slots = plan(Pacing(), n // 4, start=START, seed=queue)
        jobs = tuple(
            Waiting(slot.due_at, 2 * i + queue, slot.gap, person=2 * i + queue, step=1) for i, slot in enumerate(slots)
        )
        lane = Lane("sequence", jobs, started_at=START, follow=follow)
        stations.append(Station(QueueNow(Limits()), [lane], measured, id=queue, account=str(queue)))
    return stations


def _lanes(pacing: Pacing, limits: Limits, n: int, lanes: int) -> list[Lane]:
    made = []
    for k in range(lanes):
        slots = plan(pacing, n // lanes, start=START, seed=7 + k, window=limits.window)
        jobs = tuple(Waiting(slot.due_at, i, slot.gap) for i, slot in enumerate(slots))
        made.append(Lane(f"c{k}", jobs, weight=k + 1, across=pacing.mode == "human", started_at=START))
    return made


if __name__ == "__main__":
    main()
