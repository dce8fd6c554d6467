"""From facts to an explanation: all gates in order, for a job, a campaign or a queue. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.explain import campaign_gates, job_gates, queue_gates
from engine.explain.facts import EngineFacts, Facts, JobFacts, QueueFacts, Row
from engine.explain.model import Explanation, Gate, shut
from engine.planning.opening import Openings
from storage.dispatch import after
from storage.model import JobState
from storage.shares import keeps_turn


def of_job(facts: Facts, now: int) -> Explanation:
    """Why one job does not run, and when it will; of one that has ended what became of it."""
    job = facts.job
    if job is None or facts.campaign is None:
        raise ValueError("the facts are of no job")
    row = job.row
    where = {"campaign": facts.campaign["name"], "queue": facts.queue.name}
    made = Explanation("job", str(row["id"]), row["state"], numbers=where)
    if became := job_gates.ended(row, job.suppression):
        return replace(made, said=became, said_at=row["sent_at"] or row["updated_at"])
    if row["state"] == JobState.PROCESSING:
        return _in_flight(made, facts, row)
    return replace(made, gates=_gates(facts, job, now))


def _in_flight(made: Explanation, facts: Facts, row: Row) -> Explanation:
    if facts.engine.runs:
        where = "in flight: the server has not answered yet" if row["intent_at"] else "claimed: its message is made"
        return replace(made, said=where, said_at=row["intent_at"] or row["updated_at"])
    doubt = "an engine ended while it was sent: the next one says what is known" if row["intent_at"] else (
        "an engine ended before it was sent: the next one takes it back"
    )  # fmt: skip
    gate = shut(
        "lease", doubt, since=row["updated_at"], person=True, action="engine.start", remedy="paceline engine run"
    )
    return replace(made, gates=(gate,))


def of_campaign(facts: Facts, now: int) -> Explanation:
    """Why a campaign does not send: the gates of the job that is next in it."""
    campaign = facts.campaign
    if campaign is None:
        raise ValueError("the facts are of no campaign")
    counts = campaign["counts"]
    left = counts["pending"] + counts["held"]
    numbers = {"pending": counts["pending"], "held": counts["held"], "in_flight": counts["processing"]}
    if facts.job is not None:
        numbers["next_job"] = facts.job.row["id"]
    made = Explanation("campaign", campaign["name"], campaign["state"], numbers=numbers)
    if campaign["state"] == "completed" and not left:
        asks = counts["uncertain"]
        waits = (
            f"; {asks:,} uncertain {'message waits' if asks == 1 else 'messages wait'} for your word" if asks else ""
        )
        return replace(made, said=f"done{waits}", said_at=campaign["completed_at"])
    if campaign["state"] == "cancelled" and not campaign_gates.in_grace(campaign) and not left:
        return replace(made, said=f"cancelled, {counts['skipped']:,} skipped", said_at=campaign["cancelled_at"])
    made = replace(made, gates=_gates(facts, facts.job, now))
    held = made.holding
    if counts["processing"] and facts.engine.runs and not (held is not None and held.person):
        return replace(made, said=f"sending: {counts['processing']:,} in flight")
    return made


def of_queue(facts: Facts, now: int) -> Explanation:
    """What holds a queue as such, whoever is next in it."""
    queue = facts.queue
    numbers = {"in_flight": queue.row["in_flight"], "campaigns": [lane["name"] for lane in queue.lanes]}
    gates = (*_limits(facts, None, now), *_serving(facts.engine, queue, now))
    return Explanation("queue", queue.name, queue.row["state"], gates, numbers=numbers)


def _gates(facts: Facts, job: JobFacts | None, now: int) -> tuple[Gate, ...]:
    campaign, queue = facts.campaign, facts.queue
    if campaign is None:
        raise ValueError("the facts are of no campaign")
    gates = [campaign_gates.state(campaign, now), campaign_gates.plan(campaign)]
    limits = _limits(facts, job, now)
    if job is None:
        gates.append(_nothing_pending(campaign, facts.waits, facts.held))
    else:
        due = job_gates.due(job.row, now)
        if not (due.open or limits[0].open or limits[0].person):
            # It was planned into the window: that is why its time is later.
            why = "" if due.words == job_gates.PLANNED else f": {due.words}"
            due = replace(due, words=f"{limits[0].words}{why}")
        gates += [
            job_gates.word(job.row, campaign, now),
            job_gates.person(job.row),
            job_gates.suppression(job.suppression),
            due,
        ]
    gates += [*limits, campaign_gates.places(campaign)]
    if job is not None and job.row["state"] == JobState.PENDING:
        gates += campaign_gates.turn(facts, job)
    return (*gates, *_serving(facts.engine, queue, now))


def _nothing_pending(campaign: Row, waits: int, held: Mapping[str, int]) -> Gate:
    counts, name = campaign["counts"], campaign["name"]
    if campaign["state"] == "draft":
        return Gate("held", "nothing is planned before the start")
    if n := counts["held"]:
        numbers = {"held": n, "reasons": dict(held)}
        if held.keys() == {"approval"}:
            words = (
                "the one that is left waits for approval" if n == 1 else f"all {n:,} that are left wait for approval"
            )
            return shut("held", words, person=True, remedy=f"paceline approval list -c {name}", numbers=numbers)
        why = ", ".join(dict.fromkeys(job_gates.HELD.get(reason, reason) for reason in held))
        remedy = f'paceline job list --filter "state:held campaign:{name}"'
        words = f"only held messages are left: {n:,} ({why})"
        return shut("held", words, person=True, remedy=remedy, numbers=numbers)
    if counts["processing"]:
        return Gate("held", "all that is left is in flight")
    if waits:
        words = f"{waits:,} {'invitation is' if waits == 1 else 'invitations are'} not accepted yet: what follows waits"
        return shut("sequence", words, numbers={"not_accepted": waits})
    return shut("held", "nothing is open: it ends when the books are settled")


def _limits(facts: Facts, job: JobFacts | None, now: int) -> list[Gate]:
    """Window, caps, gaps and places. The window is told as it stands when everything else lets the job go: a cap that
    frees when the window is closed opens with the window."""
    queue = facts.queue
    timed = [*queue_gates.caps(queue, now), queue_gates.minimum_gap(queue, now)]
    earliest = now
    if job is not None and facts.campaign is not None:
        timed += [
            job_gates.pacing_gap(queue, facts.campaign, job.row, now),
            job_gates.domain_gap(queue, job, now),
        ]
        if job.minds:
            timed.append(job_gates.other_campaign(job, now))
        earliest = max(now, job.row["due_at"])
    breaker = queue_gates.breaker(queue, now)
    earliest = max([earliest, *(gate.opens_at or 0 for gate in (*timed, breaker))])
    window = job_gates.window(facts, job.row if job is not None else None, earliest, now)
    return [window, *timed, queue_gates.places(queue)]


def _serving(engine: EngineFacts, queue: QueueFacts, now: int) -> list[Gate]:
    return [queue_gates.breaker(queue, now), queue_gates.rate(queue), queue_gates.engine(engine, queue.name)]


def others_first(queue: QueueFacts, campaign: Row, now: int) -> tuple[str, ...]:
    """The campaigns that begin before this one where the queue has room for one only, or their gaps count from each
    other's starts: earlier in its turn, and with something to send now. `lanes` are in their turn. One whose hours are
    closed goes first only where it keeps its turn for them."""
    tight = queue.gate.min_gap or queue.places - queue.row["in_flight"] <= 1
    openings = Openings(queue.limits.window)
    found: list[str] = []
    for lane in queue.lanes:
        if lane["id"] == campaign["id"]:
            break
        if lane["head_gap"] is None:
            continue
        together = campaign["spacing"] == lane["spacing"] == "queue"
        if lane["hours"] and openings.of(lane["hours"], None, now):
            holds = together and _keeps_turn(openings, queue, lane, now)
        else:
            holds = together or bool(tight and not _waits_for_itself(queue, lane, now))
        if holds:
            found.append(lane["name"])
    return tuple(found)


def _keeps_turn(openings: Openings, queue: QueueFacts, lane: Row, now: int) -> bool:
    """Whether a campaign whose hours are closed lets the others wait, because it would miss them otherwise."""
    gap = lane["head_gap"] << queue.row["throttle"]
    begins = max(now, after(queue.row["spaced_start"], gap, now))
    return bool(gap) and keeps_turn(lambda at: openings.of(lane["hours"], None, at), begins, gap, now)


def _waits_for_itself(queue: QueueFacts, lane: Row, now: int) -> bool:
    """Whether a campaign's own gap holds the job that is first in it: then it is in nobody's way."""
    last = queue.row["spaced_start"] if lane["spacing"] == "queue" else lane["last_start"]
    return bool(lane["head_gap"]) and after(last, lane["head_gap"] << queue.row["throttle"], now) > now
