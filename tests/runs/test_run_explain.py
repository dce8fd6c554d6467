"""No open job without an answer: random worlds on the real store, asked at random moments why each job does not run."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from typing import Any, NamedTuple

import pytest
from explain_world import ask, ask_campaign, asking
from run_world import World

from engine.explain.asking import Asking
from storage.model import HOUR, MINUTE, SECOND
from storage.reader import Reader
from tests.support.scripted import GREYLISTED, NO_SUCH_USER, SHUTTING_DOWN, Reply, ScriptedChannel

OPEN = ("held", "pending", "processing")
LIMITS: tuple[dict[str, Any], ...] = (
    {},
    {"caps": ["6/h"], "min_gap": "2m"},
    {"caps": ["8/day calendar", "3/h"], "zone": "Europe/Berlin"},
    {"min_gap": "5m", "window": {"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin"}},
    {"warmup": {"start": 3, "step": 1, "ceiling": 6}, "domain_gap": "20m"},
    {"domain_gap": "10m", "concurrency": 2},
    {"window": {"hours": "mon-sun 18:00-06:00", "zone": "America/New_York"}, "caps": ["10/h"]},
    {"window": {"hours": "mon-sun 07:00-11:00", "zone": "Europe/Berlin", "recipient_zone": "zone"}, "min_gap": "1m"},
)
PACINGS: tuple[dict[str, Any], ...] = (
    {"mode": "blast", "concurrency": 3, "batch_delay": "10s"},
    {"mode": "human", "gap_min": "5m", "gap_max": "40m"},
    {"mode": "steady", "rate": "20/h"},
)
WINDOWS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"hours": "mon-sun 08:00-18:00", "zone": "Europe/Berlin"},
    {"hours": "mon-fri 09:00-12:00", "zone": "Europe/London", "recipient_zone": "zone"},
)
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "", "Nowhere/Else")


class Past(NamedTuple):
    """What had happened when one asked. An attempt that handed nothing over gives its place under a cap back; a queue
    that recovers halves its gaps: both let a job begin sooner than was said."""

    attempt: int
    given_back: int
    recovered: int

    @classmethod
    def read(cls, reader: Reader) -> Past:
        return cls(*(reader.rows(sql)[0]["n"] for sql in PAST))


PAST = (
    "SELECT COALESCE(max(id), 0) AS n FROM attempts",
    "SELECT count(*) AS n FROM attempts WHERE outcome IS NOT NULL AND counted_at IS NULL",
    "SELECT count(*) AS n FROM events WHERE kind = 'queue.recovers'",
)
BEGUN = "SELECT min(intent_at) AS at FROM attempts WHERE job_id = ? AND id > ?"
PACED = ("cap", "warm-up", "minimum gap", "gap", "domain gap")


class Said(NamedTuple):
    """An answer that named a time."""

    opens_at: int
    gate: str
    past: Past


class Examiner:
    """Asks every open job, remembers what was said, and compares it with what came."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.said: dict[int, Said] = {}
        self.gates: Counter[str] = Counter()

    def changed(self) -> None:
        """Somebody changed something: what was said before holds no longer."""
        self.look()
        self.said.clear()

    def look(self) -> None:
        """Compare what began since with what was said, then ask everybody anew."""
        with Reader(self.world.database) as reader:
            past = Past.read(reader)
            states = {row["id"]: row["state"] for row in reader.rows("SELECT id, state FROM jobs")}
            self._compare(reader, states, past)
            questions = asking(self.world, reader, self.world.clock.now())
            for job_id, state in states.items():
                if state in OPEN:
                    self._ask(questions, job_id, state, past)
            for row in reader.rows("SELECT name FROM campaigns"):
                whole = questions.campaign(row["name"])
                open_jobs = whole.numbers["pending"] + whole.numbers["held"]
                assert whole.holding is not None or whole.said or not open_jobs

    def _ask(self, questions: Asking, job_id: int, state: str, past: Past) -> None:
        answer = questions.job(job_id)
        held = answer.holding
        if state == "processing" and self.world.running:
            assert held is None, answer
            assert answer.said
            return
        assert held is not None, answer
        assert held.words
        self.gates[held.name] += 1
        if held.opens_at is not None:
            assert not held.person
            assert held.opens_at > self.world.clock.now()
            # What was said first has to hold until the message begins, whatever is said after it.
            self.said.setdefault(job_id, Said(held.opens_at, held.name, past))

    def _compare(self, reader: Reader, states: dict[int, str], past: Past) -> None:
        for job_id, said in list(self.said.items()):
            begun = reader.rows(BEGUN, (job_id, said.past.attempt))[0]["at"]
            loosened = said.gate in PACED and past[1:] != said.past[1:]
            if begun is not None and not loosened:
                assert begun >= said.opens_at, (job_id, said, begun)
            if begun is not None or loosened or states[job_id] not in OPEN:
                del self.said[job_id]


async def _act(world: World, rng: random.Random) -> None:
    """Something that a person or fate does, as far as it can be done now."""
    campaigns = {row["name"]: row["state"] for row in world.rows("SELECT name, state FROM campaigns")}
    name = rng.choice(sorted(campaigns))
    what = rng.randrange(8)
    if what == 0 and campaigns[name] == "active":
        await world.call("campaign.pause", name=name)
    elif what == 1:
        await world.call("queue.pause", name="one")
    elif what == 2:
        await world.call("engine.pause")
    elif what == 3 and campaigns[name] in ("active", "paused") and rng.random() < 0.3:
        await world.call("campaign.cancel", name=name)
    elif what == 4:
        someone = rng.choice([row["address"] for row in world.rows("SELECT address FROM recipients")])
        value = rng.choice(("@example.net", "@example.org", someone))
        await world.call("suppression.add", entries=[{"value": value}])
    elif what == 5 and (
        ids := [row["id"] for row in world.rows("SELECT id FROM jobs WHERE state = 'held' AND reason = 'approval'")]
    ):
        await world.call("approval.approve", ids=ids)
    else:
        await world.call("queue.resume", name="one")
        await world.call("engine.resume")
        for name in [name for name, state in campaigns.items() if state == "paused"]:
            await world.call("campaign.resume", name=name)


def _answers(rng: random.Random) -> Any:
    def answer(message: Any) -> Reply:
        drawn = rng.random()
        if drawn < 0.05:
            return NO_SUCH_USER
        if drawn < 0.15:
            return GREYLISTED
        return SHUTTING_DOWN if drawn < 0.18 else Reply(250, "2.0.0 Ok: queued", "content")

    return answer


async def _campaigns(world: World, rng: random.Random) -> None:
    for n in range(rng.randint(1, 4)):
        name = f"c{n}"
        await world.campaign(
            name, 0, live=False, start=False, seed=rng.randrange(1 << 30), pacing=rng.choice(PACINGS),
            window=rng.choice(WINDOWS), weight=rng.choice((1, 1, 5)), priority=rng.choice((3, 5, 9)),
            text="Hi {{ first }}", settings=rng.choice(({}, {"overlap": "wait"})),
            approval=rng.choice(("", "", "", "", "message")),
        )  # fmt: skip
        for zone in ZONES[: rng.randint(1, len(ZONES))]:
            domain = rng.choice(("example.org", "example.net"))
            # Few enough that some are in several campaigns.
            people = sorted({f"p{rng.randrange(60)}@{domain}" for _ in range(rng.randint(1, 5))})
            await world.people(name, people, zone=zone, **({"first": "Ada"} if rng.random() < 0.9 else {}))
        await world.call("campaign.live", name=name)
        await world.call("campaign.start", name=name)


@pytest.mark.parametrize("seed", range(16))
async def test_no_open_job_is_without_an_answer_and_none_begins_before_it_was_said(world: World, seed: int) -> None:
    rng = random.Random(seed)
    world.channels["one"] = world.channel = ScriptedChannel(
        world.clock, answer=_answers(rng), service=(0, 5 * SECOND), seed=seed
    )
    await world.start(**LIMITS[seed % len(LIMITS)])
    await _campaigns(world, rng)
    examiner = Examiner(world)
    for _ in range(40):
        examiner.look()
        if rng.random() < 0.06:
            await world.stop()
            examiner.look()
            await world.start(**world.accounts["one"])
        elif rng.random() < 0.15:
            examiner.changed()
            await _act(world, rng)
        await world.clock.run(int(rng.choice((SECOND, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR)) * rng.uniform(0.1, 1)))
    assert examiner.gates


BLAST: dict[str, Any] = {"mode": "blast", "concurrency": 5, "batch_delay": "1s"}
HELD_BY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cap": ({"caps": ["3/h"]}, BLAST),
    "calendar cap": ({"caps": ["3/day calendar"], "zone": "Europe/Berlin"}, BLAST),
    "minimum gap": ({"min_gap": "7m"}, BLAST),
    "warm-up": ({"warmup": {"start": 2, "step": 1, "ceiling": 4}}, BLAST),
    "window": ({"window": {"hours": "mon-fri 08:00-09:00", "zone": "Europe/Berlin"}, "min_gap": "10m"}, BLAST),
    "gap": ({}, {"mode": "human", "gap_min": "5m", "gap_max": "9m"}),
    "domain gap": ({"domain_gap": "10m"}, BLAST),
    "due": ({}, {"mode": "human", "gap_min": "2h", "gap_max": "5h"}),
}
LATE = 5 * SECOND
"""What waking, connecting and sending may add."""


@pytest.mark.parametrize("name", HELD_BY)
async def test_what_holds_overdue_work_opens_when_it_says(world: World, name: str) -> None:
    account, pacing = HELD_BY[name]
    await world.start()
    await world.call("engine.pause")
    await world.campaign(people=8, pacing=pacing)
    await world.stop()
    await world.clock.run(3 * HOUR)
    await world.start(**account)
    await world.call("engine.resume")
    gates = set()
    while world.state() == "active":
        held = ask_campaign(world).holding
        if held is None or held.opens_at is None:
            await world.clock.run(SECOND)
            continue
        gates.add(held.name)
        begun = len(world.channel.starts)
        await world.clock.until(lambda begun=begun: len(world.channel.starts) > begun)
        assert 0 <= world.channel.starts[begun] - held.opens_at <= LATE, held
    assert name.removeprefix("calendar ") in gates
    assert len(world.channel.deliveries) == 8


async def test_what_was_planned_into_a_window_says_that_it_is_closed_now(world: World) -> None:
    await world.start()
    hours = {"hours": "mon-fri 09:00-10:00", "zone": "Europe/Berlin"}
    await world.campaign(people=2, window=hours, pacing={"mode": "human", "gap_min": "5m", "gap_max": "9m"})
    held = ask_campaign(world).holding
    assert held.name == "due"
    assert held.words == "outside the window of campaign c"
    assert held.opens_at == world.jobs()[0]["due_at"]


async def test_a_job_that_ended_says_what_became_of_it(world: World) -> None:
    world.channel.script["c00000@example.org"] = [NO_SUCH_USER]
    await world.start()
    await world.campaign(people=2)
    await world.finish()
    answers = [ask(world, job["id"]) for job in world.jobs()]
    assert [answer.state for answer in answers] == ["failed", "completed"]
    assert "no such user here" in answers[0].said
    assert answers[1].said_at == world.jobs()[1]["sent_at"]
    assert all(answer.holding is None for answer in answers)


async def test_what_needs_a_person_wins_over_what_needs_time(world: World) -> None:
    await world.start(caps=["1/day"])
    await world.campaign(people=3)
    await world.clock.run(MINUTE)
    assert ask_campaign(world).holding.name == "cap"
    await world.call("queue.pause", name="one")
    held = ask_campaign(world).holding
    assert held.person
    assert (held.name, held.opens_at, held.remedy) == ("breaker", None, "paceline queue resume one")
    await world.call("queue.resume", name="one")
    await world.call("campaign.pause", name="c")
    assert ask_campaign(world).holding.remedy == "paceline campaign resume c"
    await world.stop()
    assert ask_campaign(world).holding.name == "campaign"
    await world.start(caps=["1/day"])
    await world.call("campaign.resume", name="c")
    await world.call("engine.pause")
    assert ask_campaign(world).holding.remedy == "paceline engine resume"
    await world.stop()
    assert ask_campaign(world).holding.remedy == "paceline engine run"


async def test_an_account_that_is_gone_from_the_configuration_is_named(world: World) -> None:
    await world.start()
    await world.campaign(people=3, pacing={"mode": "human", "gap_min": "15m", "gap_max": "90m"})
    world.accounts = {"two": {}}
    world.write_config()
    await world.call("engine.reload")
    held = ask_campaign(world).holding
    assert held.person
    assert held.words == "account one is no longer in the configuration"
    assert world.read(lambda reader: asking(world, reader, world.clock.now()).queue("one")).holding == held


async def test_without_an_engine_the_limits_are_those_that_held_last(world: World) -> None:
    await world.start(caps=["2/day"])
    await world.campaign(people=5)
    await world.clock.run(MINUTE)
    await world.stop()
    gates = {gate.name: gate for gate in ask_campaign(world).gates}
    assert gates["cap"].numbers["used"] == 2
    assert not gates["cap"].open
    assert not gates["engine"].open


async def test_a_window_that_never_opens_needs_a_person(world: World) -> None:
    await world.start()
    await world.campaign(people=2, pacing={"mode": "human", "gap_min": "15m", "gap_max": "90m"})
    world.accounts["one"] = {"window": {"hours": "sun 09:00-10:00", "zone": "UTC", "closed": SUNDAYS}}
    world.write_config()
    await world.call("engine.reload")
    held = ask_campaign(world).holding
    assert held.person
    assert "never opens" in held.words


SUNDAYS = [str(date(2026, 1, 4) + timedelta(weeks=n)) for n in range(70)]
"""More than any window is followed."""


async def test_a_queue_that_nothing_holds_says_so_and_whose_turn_it_is(world: World) -> None:
    await world.start(min_gap="10m")
    await world.campaign("often", 4, weight=5, pacing=BLAST)
    await world.campaign("seldom", 4, pacing=BLAST)
    await world.clock.run(MINUTE)
    queue = world.read(lambda reader: asking(world, reader, world.clock.now()).queue("one"))
    assert queue.holding.name == "minimum gap"
    assert set(queue.numbers["campaigns"]) == {"often", "seldom"}
    first, second = (ask_campaign(world, name) for name in queue.numbers["campaigns"])
    turns = [next(gate for gate in one.gates if gate.name == "turn") for one in (first, second)]
    assert [turn.open for turn in turns] == [True, False]
    assert turns[1].numbers["first"] == [queue.numbers["campaigns"][0]]
    begun = len(world.channel.starts)
    await world.clock.until(lambda: len(world.channel.starts) > begun)
    assert world.channel.deliveries[-1].recipient.startswith(queue.numbers["campaigns"][0])
