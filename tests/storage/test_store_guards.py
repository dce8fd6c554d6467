"""Each guard of pacing, on and off: what it prevents is made to happen, and the sentences say whether it did.

In one process, so that every run of the suite proves it; `make crash PROVE=1` proves the same by whole tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from storage import gate
from storage.limits import Warmup
from storage.model import DAY, HOUR, MINUTE
from storage.suppressions import Entry
from tests.support.guards import switch_off
from tests.support.stores import NOON, Desk

TODAY = NOON // DAY * DAY
Scenario = Callable[[Desk], Awaitable[list[str]]]


async def granted(desk: Desk, n: int, **limits: object) -> int:
    """Claim so many without any limit, ask for all at once; how many may go."""
    answers = await asyncio.gather(*(desk.ask(job, **limits) for job in (await desk.claim(n)).jobs))
    return sum(answer.attempt_id is not None for answer in answers)


async def calendar_cap(desk: Desk) -> list[str]:
    began = await granted(desk, 5, caps=[(3, DAY, TODAY, TODAY + DAY)])
    return [f"{began} began on a day with a cap of 3"] if began > 3 else []


async def warm_up(desk: Desk) -> list[str]:
    began = await granted(desk, 5, warmup=Warmup((2, 3), TODAY, TODAY + DAY))
    return [f"{began} began on the first day of a warm-up from 2"] if began > 2 else []


async def window_at_the_claim(desk: Desk) -> list[str]:
    claimed = len((await desk.claim(closed_until=NOON + HOUR)).jobs)
    return [f"{claimed} were claimed outside the window"] if claimed else []


async def window_at_the_gate(desk: Desk) -> list[str]:
    began = await granted(desk, 5, opens=NOON + HOUR)
    return [f"{began} began after the window had closed"] if began else []


async def domain_gap_at_the_claim(desk: Desk) -> list[str]:
    claimed = len((await desk.claim(domain_gap=MINUTE)).jobs)
    return [f"{claimed} to one domain were claimed at once"] if claimed > 1 else []


async def domain_gap_at_the_gate(desk: Desk) -> list[str]:
    began = await granted(desk, 5, domain_gap=MINUTE)
    return [f"{began} to one domain began at once"] if began > 1 else []


async def suppression_at_the_gate(desk: Desk) -> list[str]:
    jobs = (await desk.claim(5)).jobs
    await desk.store.suppress([Entry("domain", "example.org")], None, "ada")
    answers = await asyncio.gather(*(desk.ask(job) for job in jobs))
    began = sum(answer.attempt_id is not None for answer in answers)
    return [f"{began} to a suppressed domain began"] if began else []


SCENARIOS: dict[str, Scenario] = {
    "calendar cap": calendar_cap,
    "warm-up": warm_up,
    "window at the claim": window_at_the_claim,
    "window at the gate": window_at_the_gate,
    "domain gap at the claim": domain_gap_at_the_claim,
    "domain gap at the gate": domain_gap_at_the_gate,
    "suppression at the gate": suppression_at_the_gate,
}


@pytest.mark.parametrize("guard", SCENARIOS)
async def test_nothing_gets_past_it(desk: Desk, guard: str) -> None:
    await desk.campaign(5)
    assert await SCENARIOS[guard](desk) == []


@pytest.mark.parametrize("guard", SCENARIOS)
async def test_without_it_the_breach_is_seen(desk: Desk, guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Set to what they are, so that the end of the test puts back what the guard's absence replaces.
    monkeypatch.setattr(gate, "_closed_gate", gate._closed_gate)
    monkeypatch.setattr(gate, "claim_and_begin", gate.claim_and_begin)
    monkeypatch.setattr(gate, "among", gate.among)
    switch_off(guard)
    await desk.campaign(5)
    assert await SCENARIOS[guard](desk) != []
