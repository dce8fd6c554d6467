"""What the limits of a queue cost at the gate, a message, and what planning 100,000 messages anew takes.

    python -m benchmarks.gate [--messages 5000] [--rounds 3] [--planned 100000]

Claim and durable intent in groups of ten, as ten connections ask for them, with one kind of limit at a time that never
holds anything; the ratio is to the same without any. Time is the processor's, of the whole process, the best of the
rounds, so a slow disk does not count. Planning anew is what an edit of the pacing, and then of the window, of a running
campaign does, from the request to its answer: the best of the rounds in processor time of the whole process, and what
that one took.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from engine.channels.make import make_channel
from engine.clock import SystemClock
from engine.composer import Composer
from engine.config import load_config
from engine.control import actions, all_actions
from engine.planning.limits import Limits
from engine.planning.opening import Openings
from storage.dispatch_nouns import ClaimRequest, Finish, IntentRequest
from storage.limits import GateLimits
from storage.model import MINUTE, Actor, JobState, OutcomeClass
from storage.nouns import ClaimedJob
from storage.sqlite import SqliteStore

ME = Actor("benchmark", via="benchmark")
AT_ONCE = 10
HOURS = {"hours": "mon-sun 00:00-24:00", "zone": "Europe/Berlin", "recipient_zone": "zone"}
CASES = {
    "no limits": {},
    "cap of an hour, rolling": {"caps": ["1000000/h"]},
    "caps of hour, day and week": {"caps": ["1000000/h", "2000000/day calendar", "3000000/week"]},
    "gap per domain": {"domain_gap": "1us"},
    "warm-up": {"warmup": {"start": 100_000, "step": 1, "ceiling": 100_001}},
}
WINDOW = "window, in everybody's own zone"


async def opened(folder: Path) -> actions.Context:
    """A store with one outbox account, and what actions work with; no engine."""
    config = folder / "paceline.toml"
    config.write_text('[accounts.box]\nchannel = "outbox"\nfolder = "out"\nfrom_address = "me@example.org"\n')
    clock = SystemClock()
    store = await SqliteStore.open(folder / "store.db", role="command", now=clock.now, create=True)
    return actions.Context(store, clock, load_config(config), Composer(), make_channel)


async def started(context: actions.Context, name: str, people: int, pacing: dict[str, object], **more: object) -> None:
    """A running campaign to so many people."""

    async def call(action: str, **args: object) -> dict[str, object]:
        return await actions.call(context, action, args, ME)

    await call("campaign.new", name=name, account="box", subject="hello", text="hello", pacing=pacing, **more)
    begun = await call("recipients.begin", campaign=name, source="benchmark")
    for at in range(0, people, 1_000):
        rows = [
            (n, f"p{n}@d{n}.example", f"p{n}@d{n}.example", {"n": str(n), "zone": "Asia/Kolkata"})
            for n in range(at, min(people, at + 1_000))
        ]
        await call("recipients.rows", import_id=begun["import_id"], rows=rows)
    sums = {"rows": people, "imported": people, "rejected": 0, "duplicates": 0}
    await call("recipients.commit", import_id=begun["import_id"], campaign=name, **sums)
    await call("campaign.start", name=name)


async def through_the_gate(context: actions.Context, messages: int, limits: Limits) -> float:
    """Processor seconds a message for claim and intent; the outcomes are recorded outside the measure."""
    store, clock = context.store, context.clock
    queue = await context.queue_of(context.config.account("box"))
    openings = Openings(limits.window)
    now = clock.now()
    gate = limits.at_gate(now)[0]
    taken = spent = 0.0
    while taken < messages:
        await store.promote()
        asked: dict[int, ClaimedJob] = {}
        now = clock.now()
        began = time.process_time()
        wanted = request(queue.id, now, gate, openings, asked, store.epoch)
        claim = await store.claim(lambda wanted=wanted: wanted)  # type: ignore[misc]
        spent += time.process_time() - began
        granted = [(asked[job_id], intent) for job_id, intent in claim.intents.items()]
        if not granted:
            raise SystemExit(f"nothing was granted: {claim.blocked_by or [i.refused for i in claim.intents.values()]}")
        taken += len(granted)
        await asyncio.gather(*(store.finish_attempt(accepted(job, intent.attempt_id, now)) for job, intent in granted))
    return spent / taken


def request(
    queue_id: int, now: int, gate: GateLimits, openings: Openings, asked: dict[int, ClaimedJob], epoch: int
) -> ClaimRequest:
    def begin(job: ClaimedJob) -> IntentRequest:
        asked[job.id] = job
        return IntentRequest(job.id, job.lease, epoch, now, gate, openings.of(job.hours, job.fields, now))

    return ClaimRequest(
        queue_id, AT_ONCE, now, now + MINUTE, limits=gate, closed_until=openings.of_queue(now), begin=begin,
        opens=openings.of,
    )  # fmt: skip


def accepted(job: ClaimedJob, attempt_id: int | None, now: int) -> Finish:
    return Finish(
        job.id, job.lease, attempt_id, now, JobState.COMPLETED, intent_at=now, outcome=OutcomeClass.ACCEPTED,
        content_sent=True, scope=(job.queue_id, job.campaign_id, job.batch_id or 0),
    )  # fmt: skip


async def gates(messages: int, rounds: int) -> dict[str, float]:
    """The best of the rounds by case, in processor seconds a message."""
    best: dict[str, float] = {}
    blast = {"mode": "blast", "concurrency": AT_ONCE, "batch_delay": "0s"}
    for _ in range(rounds):
        for case in (*CASES, WINDOW):
            with tempfile.TemporaryDirectory(prefix="paceline-bench-") as folder:
                context = await opened(Path(folder))
                await started(context, "run", messages, blast, window=HOURS if case == WINDOW else {})
                took = await through_the_gate(context, messages, Limits.from_dict(CASES.get(case, {})))
                await context.store.close()
            best[case] = min(best.get(case, took), took)
    return best


class Edit(NamedTuple):
    """An edit of a running campaign: processor seconds, seconds from the request to the answer, messages planned."""

    spent: float
    took: float
    planned: int


async def edits(people: int, rounds: int) -> dict[str, Edit]:
    """The best of the rounds by what was edited."""
    office = {"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin"}
    best: dict[str, Edit] = {}
    with tempfile.TemporaryDirectory(prefix="paceline-bench-") as folder:
        context = await opened(Path(folder))
        await started(context, "run", people, {"mode": "human"})
        for number in range(rounds):
            for what, action, args in (
                ("another pacing", "campaign.pace", {"pacing": {"mode": "steady", "rate": f"{60 + number}/min"}}),
                ("a window", "campaign.tune", {"window": office}),
                ("a window in own zones", "campaign.tune", {"window": {**office, "recipient_zone": "zone"}}),
            ):
                spent, began = time.process_time(), time.perf_counter()
                answer = await actions.call(context, action, {"name": "run", **args}, ME)
                edit = Edit(time.process_time() - spent, time.perf_counter() - began, int(answer["queued"]))
                best[what] = min(best.get(what, edit), edit)
        await context.store.close()
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--planned", type=int, default=100_000)
    asked = parser.parse_args()
    all_actions()
    best = asyncio.run(gates(asked.messages, asked.rounds))
    print("claim and intent".ljust(36), "us/message".rjust(10), "ratio".rjust(7))
    for case, took in best.items():
        print(case.ljust(36), f"{took * 1e6:10.0f} {took / best['no limits']:6.2f}x")
    print()
    print("planned anew after".ljust(36), "messages".rjust(10), "processor".rjust(10), "answer".rjust(8))
    for what, edit in asyncio.run(edits(asked.planned, asked.rounds)).items():
        print(what.ljust(36), f"{edit.planned:10,} {edit.spent:8.2f} s {edit.took:6.2f} s")


if __name__ == "__main__":
    main()
