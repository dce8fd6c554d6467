"""What an explanation says: of windows on people's own clocks, of held messages, of gates with nothing to tell."""

from __future__ import annotations

from typing import Any

import pytest
from explain_world import ask, ask_campaign
from run_world import World

from engine.explain.model import Explanation, Gate
from storage.model import SECOND
from tests.support.scripted import SHUTTING_DOWN
from tui.screens.why import THE_OTHERS, gates, why

OWN_CLOCKS = {"hours": "daily 09:00-17:00", "zone": "Europe/Berlin", "recipient_zone": "tz"}
AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 5, "batch_delay": "0s"}


def gate_of(answer: Explanation, name: str) -> Gate:
    return next(gate for gate in answer.gates if gate.name == name)


async def started(world: World, whose: str) -> None:
    world.set_clock("2026-01-05T05:00Z")
    await world.start(**({"window": OWN_CLOCKS} if whose == "queue" else {}))
    more = {"window": OWN_CLOCKS} if whose == "campaign" else {}
    await world.campaign(people=0, live=False, start=False, pacing=AT_ONCE, **more)
    await world.people("c", ["far@example.org"], tz="America/New_York")
    await world.call("campaign.live", name="c")


@pytest.mark.parametrize("whose", ["queue", "campaign"])
async def test_a_draft_does_not_say_that_no_window_is_set(world: World, whose: str) -> None:
    await started(world, whose)
    window = gate_of(ask_campaign(world), "window")
    named = {"queue": "queue one", "campaign": "campaign c"}[whose]
    assert window.words == f"the hours of {named} are those of each person's own clock"
    assert window.open and not window.idle


@pytest.mark.parametrize("whose", ["queue", "campaign"])
async def test_the_clock_is_that_of_the_person_whoever_set_the_window(world: World, whose: str) -> None:
    await started(world, whose)
    await world.call("campaign.start", name="c")
    held = ask(world, world.jobs()[0]["id"]).holding
    assert held is not None
    assert held.words == "outside the window of its person (America/New_York)"
    await world.clock.until(lambda: world.channel.starts)
    assert held.opens_at is not None
    assert 0 <= world.channel.starts[0] - held.opens_at < 5 * SECOND


async def test_only_a_campaign_that_keeps_its_distance_tells_of_others(world: World) -> None:
    await world.start()
    await world.campaign("alone", 1, pacing={"mode": "human", "gap_min": "2h", "gap_max": "3h"})
    await world.campaign(
        "careful", 1, settings={"overlap": "wait"}, pacing={"mode": "human", "gap_min": "2h", "gap_max": "3h"}
    )
    names = {name: [gate.name for gate in ask_campaign(world, name).gates] for name in ("alone", "careful")}
    assert "another campaign" not in names["alone"]
    assert "another campaign" in names["careful"]


async def test_gates_with_nothing_to_tell_stand_in_one_line_behind_those_that_have(world: World) -> None:
    await world.start(caps=["5/h"])
    await world.campaign(people=2, pacing={"mode": "human", "gap_min": "2h", "gap_max": "3h"})
    now = world.clock.now()
    answer = ask_campaign(world)
    told = gates(answer.to_dict(), now, None)
    assert [stands.gate for stands in told] == [
        "campaign", "held", "suppression", "due", "cap", "gap", "queue places", "campaign places", "line", "breaker",
        "engine", THE_OTHERS,
    ]  # fmt: skip
    assert told[-1].words == "plan, recipient, window, minimum gap, domain gap, rate"
    assert {gate.name for gate in answer.gates} == {one.gate for one in told[:-1]} | set(told[-1].words.split(", "))
    assert [stands.gate for stands in told if stands.word == "HOLDS"] == ["due"]


async def test_a_campaign_of_held_messages_says_what_they_wait_for(world: World) -> None:
    await world.start()
    await world.campaign("asked", 3, approval="message")
    held = ask_campaign(world, "asked").holding
    assert held is not None and held.person
    assert (held.words, held.remedy) == ("all 3 that are left wait for approval", "paceline approval list -c asked")
    await world.campaign("lacking", 0, live=False, start=False, text="Hi {{ first }}")
    await world.people("lacking", ["one@example.org", "two@example.org"])
    await world.call("campaign.live", name="lacking")
    await world.call("campaign.start", name="lacking")
    held = ask_campaign(world, "lacking").holding
    assert held is not None
    assert held.words == "only held messages are left: 2 (a field is missing)"
    assert held.numbers["reasons"] == {"field": 2}


async def test_why_a_queue_stopped_is_told_behind_when_it_goes_on_and_what_helps(world: World) -> None:
    world.channel.script["c00000@example.org"] = [SHUTTING_DOWN]
    await world.start()
    await world.campaign(people=2)
    await world.clock.run(2 * SECOND)
    answer = ask_campaign(world)
    held = answer.holding
    assert held is not None
    assert (held.name, held.words) == ("breaker", "queue one cools (step 1)")
    said = why(answer.to_dict(), world.clock.now(), None)
    assert said.startswith("queue one cools (step 1), next try ") and said.endswith(f" ({held.detail})")
    assert "Too many connections" in held.detail
