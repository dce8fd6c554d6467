"""Caps, exactly: the gate grants a start if, and only if, no period would hold more than its cap.

Random caps, five campaigns, kills, places that come back, clocks set both ways; judged by a list of all starts.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.planning.caps import Cap, parse_cap
from engine.planning.limits import Limits
from storage.dispatch import STEP_BACK
from storage.model import DAY, HOUR, MINUTE, SECOND, JobState
from storage.nouns import ClaimedJob
from tests.support.counted import by_calendar
from tests.support.stores import OPENERS, Desk

ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York")
CAPS = st.builds(
    lambda n, period, kind: parse_cap(f"{n}/{period}{kind}"),
    st.integers(1, 8),
    st.sampled_from(["min", "h", "day", "week"]),
    st.sampled_from(["", " calendar"]),
)
WAITS = st.sampled_from([SECOND, 20 * SECOND, MINUTE, 10 * MINUTE, HOUR, 8 * HOUR, DAY, 4 * DAY])
STEPS = st.one_of(
    st.tuples(st.just("ask"), st.integers(1, 6)),
    st.tuples(st.just("ask"), st.integers(1, 6)),
    st.tuples(st.just("wait"), WAITS),
    st.tuples(st.just("set back"), st.sampled_from([SECOND // 2, MINUTE, 3 * HOUR, 2 * DAY])),
    st.tuples(st.just("kill"), st.just(0)),
)


@dataclass
class Ledger:
    """All starts that count (us), and the last one whether it counts or not: what the gate must go by."""

    caps: tuple[Cap, ...]
    zone: str
    starts: list[int] = field(default_factory=list)
    last: int = 0

    def look(self, now: int) -> None:
        """What lies in the future counts as now, once it is seen."""
        if self.last > now + STEP_BACK:
            self.last = now
            self.starts = [min(at, now) for at in self.starts]

    def full(self, now: int) -> bool:
        """Whether one more start would be one too many in some period."""
        return any(self._held(cap, now) >= cap.n for cap in self.caps)

    def _held(self, cap: Cap, now: int) -> int:
        starts = [min(at, now) for at in self.starts]
        if not cap.calendar:
            return sum(now - at < cap.period for at in starts)
        (present,) = by_calendar([now], cap.period, self.zone)
        return by_calendar(starts, cap.period, self.zone).get(present, 0)


async def _ask(desk: Desk, ledger: Ledger, limits: Limits, n: int) -> None:
    """Claim so many, ask for all in one commit; the answers must be those of the ledger. Every third sends nothing."""
    now = desk.clock()
    await desk.store.promote()
    ledger.look(now)
    jobs = (await desk.claim(n)).jobs
    caps = limits.at_gate(now)[0].caps
    granted: list[tuple[ClaimedJob, int]] = []
    for job, answer in zip(jobs, await asyncio.gather(*(desk.ask(job, caps=caps) for job in jobs)), strict=True):
        full = ledger.full(now)
        assert (answer.refused == "cap") is full, f"{ledger} at {now}"
        if answer.attempt_id is not None:
            granted.append((job, answer.attempt_id))
            ledger.starts.append(now)
            ledger.last = now
    for job, attempt_id in granted:
        if job.id % 3 == 0:
            ledger.starts.remove(now)
            await desk.end(job, attempt_id, JobState.FAILED, content_sent=False)
        elif job.id % 3 == 1:
            await desk.end(job, attempt_id, JobState.COMPLETED)
        # The others are on their way for as long as the test lasts: they count too.


async def _run(kind: str, folder: str, caps: tuple[Cap, ...], zone: str, steps: list[tuple[str, int]]) -> None:
    desk = await Desk.open(kind, Path(folder) / "p.db")
    try:
        for n in range(5):
            await desk.campaign(20, name=f"c{n}")
        ledger, limits = Ledger(caps, zone), Limits(caps=caps, zone=zone)
        for what, how in steps:
            if what == "ask":
                await _ask(desk, ledger, limits, how)
            elif what == "kill":
                await desk.kill()
            else:
                desk.clock.step(how if what == "wait" else -how)
    finally:
        await desk.close()


@pytest.mark.parametrize("kind", sorted(OPENERS))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    caps=st.lists(CAPS, min_size=1, max_size=3).map(tuple),
    zone=st.sampled_from(ZONES),
    steps=st.lists(STEPS, min_size=5, max_size=25),
)
def test_a_start_is_granted_exactly_when_every_period_has_room(
    kind: str, caps: tuple[Cap, ...], zone: str, steps: list[tuple[str, int]]
) -> None:
    with tempfile.TemporaryDirectory(prefix="pc-") as folder:
        asyncio.run(_run(kind, folder, caps, zone, steps))
