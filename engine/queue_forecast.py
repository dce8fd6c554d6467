"""Queues as the store knows them, ready for a simulation, and when their campaigns end. Loads little: lists ask it."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from engine.planning.lanes import Lane, Measured, QueueNow, Station, Waiting
from engine.planning.limits import Limits
from engine.planning.network import simulate
from engine.planning.opening import NEVER, of_person, opens, parsed
from storage import forecast_facts as facts
from storage.domains import WAITS, domain_of
from storage.forecast_facts import Row
from storage.model import DAY, SECOND, OutcomeClass
from storage.reader import Reader
from storage.row_nouns import campaign_of, steps_of

if TYPE_CHECKING:
    from engine.following import Following
    from engine.planning.sharing import Sharing

LEAST_MEASURED = 20
"""Attempts from which shares of refusals are taken: one that failed among three says nothing."""
ASSUMED = Measured((SECOND,), assumed=True)
"""What a message takes where none was sent yet: a mail handed to a relay on another network takes about so long."""
NO_ACCOUNTS: Mapping[str, Limits] = MappingProxyType({})
SEED = 0x5EED
"""Told apart from the seeds of plans."""


class End(NamedTuple):
    """When the last message of a campaign leaves that can (us; None: none can), and how many messages stay for ever,
    since the windows of queue, campaign and person are open at no common time."""

    at: int | None
    never: int = 0


def campaign_ends(
    reader: Reader, queue_ids: Collection[int], *, now: int, accounts: Mapping[str, Limits] = NO_ACCOUNTS
) -> dict[int, End]:
    """When the active campaigns of these queues end, by campaign id, by the limits that the engine wrote (where none
    did, those of `accounts` by name) and without chance: every attempt takes the mean time and is accepted.
    `queue_ids`: a whole group of `forecast_facts.linked_queues`. Left out is what a person keeps from ending. Raises
    StoreError."""
    queues = {queue_id: facts.queue(reader, queue_id) for queue_id in sorted(queue_ids)}
    limits = {queue_id: _limits(queue, accounts) for queue_id, queue in queues.items()}
    rows = {
        queue_id: [row for row in facts.sharing(reader, queue_id, 0) if not row["replanning"]] for queue_id in queues
    }
    every = [row for shared in rows.values() for row in shared]
    follows, shares = following(reader, every, limits), _sharing(reader, every, limits)
    stuck: set[int] = set()
    stations: list[Station] = []
    for queue_id, queue in queues.items():
        if queue["state"] not in ("ready", "cooling", "probing"):
            stuck |= {row["id"] for row in rows[queue_id]}
            continue
        took = measured(facts.last_attempts(reader, queue_id)).durations
        lanes = [lane(reader, row, limits, follows.get(row["id"]), shares.get(row["id"])) for row in rows[queue_id]]
        mean = Measured((sum(took) // len(took),) if took else ())
        stations.append(Station(queue_now(reader, queue, limits[queue_id], now), lanes, mean, id=queue_id))
    runs = simulate(stations, now=now, rng=random.Random(SEED))  # noqa: S311 - a forecast must repeat
    ends: dict[int, End] = {}
    for station, run in zip(stations, runs, strict=True):
        for row, became in zip(rows[station.id], run.lanes, strict=True):
            before = ends.get(row["id"], End(None))
            at = max(before.at or 0, became.ended) or None
            ends[row["id"]] = End(at, before.never + became.never)
    return {campaign: end for campaign, end in ends.items() if end != End(None) and campaign not in stuck}


def never_open(
    reader: Reader, queue_ids: Collection[int], *, now: int, accounts: Mapping[str, Limits] = NO_ACCOUNTS
) -> dict[int, int]:
    """How many pending messages of the active campaigns of these queues wait for windows that are open at no common
    time, by campaign id; campaigns without such are left out. Limits as in `campaign_ends`, for whose queues that are
    too long this is. Raises StoreError."""
    found: Counter[int] = Counter()
    for queue_id in queue_ids:
        queue = _limits(facts.queue(reader, queue_id), accounts).window
        for row in facts.sharing(reader, queue_id, 0):
            windows = [window for window in (parsed(row["hours"]) if row["hours"] else None, queue) if window]
            if not windows:
                continue
            asked = sorted({window.recipient_zone for window in windows if window.recipient_zone})
            for fields, n in facts.waiting_by_fields(reader, row["id"], queue_id, asked):
                if opens([of_person(window, fields) for window in windows], now) >= NEVER:
                    found[row["id"]] += n
    return dict(found)


def _limits(queue: Row, accounts: Mapping[str, Limits]) -> Limits:
    """Those that the engine wrote; of a queue that none has served yet, the configured ones as they were tuned."""
    if queue["limits"] or queue["name"] not in accounts:
        return Limits.from_dict(queue["limits"])
    return accounts[queue["name"]].tuned(queue["tuning"])


def following(reader: Reader, rows: Sequence[Row], limits: Mapping[int, Limits]) -> dict[int, Following]:
    """What follows the messages of campaigns (as `forecast_facts.sharing` has them), by campaign id: of those with
    several steps. `limits` are those of the queues that are simulated."""
    found: dict[int, Following] = {}
    for row in {row["id"]: row for row in rows}.values():
        steps = facts.steps(reader, row["id"])
        if len(steps) > 1:
            from engine.following import Following  # most campaigns have one step

            queues = [queue for queue in facts.queues_of(reader, row["id"]) if queue["id"] in limits]
            found[row["id"]] = Following(row, steps, queues, limits)
    return found


def _sharing(reader: Reader, rows: Sequence[Row], limits: Mapping[int, Limits]) -> dict[int, Sharing | None]:
    """How campaigns share their accounts, by campaign id: of those with several queues."""
    found: dict[int, Sharing | None] = {}
    for number, n in Counter(row["id"] for row in rows).items():
        if n > 1:
            from engine.forecast_sharing import sharing_of  # most campaigns have one account

            row = reader.campaign(next(row["name"] for row in rows if row["id"] == number))
            queues = [queue for queue in row["accounts"] if queue["id"] in limits]
            found[number] = sharing_of(campaign_of(row), steps_of(row), queues, limits)
    return found


def queue_now(reader: Reader, queue: Row, limits: Limits, now: int) -> QueueNow:
    """The queue (as `forecast_facts.queue` gives it) at `now` (us), with the starts that its caps look back on."""
    most = max([cap.n for cap in limits.caps] + ([limits.warmup.ceiling] if limits.warmup else []), default=0)
    longest = max([cap.period for cap in limits.caps] + [DAY], default=DAY)
    # A calendar period may be an hour longer than its name.
    since = now - longest - DAY
    return QueueNow(
        limits,
        throttle=queue["throttle"],
        last_start=queue["last_start"],
        spaced_start=queue["spaced_start"],
        starts=facts.starts(reader, queue["id"], since, most) if most else (),
        warm_days=queue["warm_days"],
        warm_on=queue["warm_on"],
        closed_until=queue["until_at"] or 0 if queue["state"] == "cooling" else 0,
        domains=facts.domain_starts(reader, queue["id"]) if limits.domain_gap else {},
    )


def measured(attempts: Sequence[Row]) -> Measured:
    """Service times as they were; shares of refusals where enough was seen."""
    if not attempts:
        return ASSUMED
    n = Counter(row["outcome"] for row in attempts)
    refused = [row for row in attempts if row["outcome"] != OutcomeClass.ACCEPTED]
    known = len(attempts) >= LEAST_MEASURED
    return Measured(
        tuple(sorted(row["duration"] for row in attempts)),
        transient=n[OutcomeClass.TRANSIENT] / len(attempts) if known else 0.0,
        permanent=(n[OutcomeClass.PERMANENT] + n[OutcomeClass.CONTENT]) / len(attempts) if known else 0.0,
        unspent=sum(row["unspent"] for row in refused) / len(refused) if refused else 0.0,
    )


class PersonFacts:
    """What of a person a simulation asks for, given a campaign's window (JSON text) and the limits of the queues that
    may send to them: the domain, where one keeps a gap per domain, and the fields that windows name."""

    def __init__(self, hours: str, limits: Iterable[Limits]) -> None:
        self._domains = False
        names: set[str] = {parsed(hours).recipient_zone} if hours else set()
        for one in limits:
            self._domains = self._domains or bool(one.domain_gap)
            names |= {one.window.recipient_zone} if one.window is not None else set()
        self._names = sorted(names - {""})
        self._known: dict[str, str] = {}
        self.asked = self._domains or bool(self._names)

    def of(self, address: str, fields: str) -> tuple[str, str]:
        """Domain and fields (JSON text) of one person; "" and "{}" for what nobody asks for."""
        domain = domain_of(address) if self._domains else ""
        if not self._names:
            return domain, "{}"
        person = json.loads(fields)
        text = json.dumps({name: person.get(name) for name in self._names})
        return domain, self._known.setdefault(text, text)


def lane(
    reader: Reader,
    row: Row,
    limits: Mapping[int, Limits],
    follow: Following | None = None,
    sharing: Sharing | None = None,
) -> Lane:
    """One campaign of `forecast_facts.sharing` with its open jobs in that queue; without them while it does not run.
    `limits`: of all queues that are simulated."""
    alone = follow is None and sharing is None
    person = PersonFacts(row["hours"], [limits[row["queue_id"]]] if alone else limits.values())

    def open_jobs(read: Callable[..., Iterable[Row]]) -> Iterator[Waiting]:
        for job in read(reader, row["id"], row["queue_id"], people=person.asked):
            domain, fields = person.of(job["address"] or "", job["fields"] or "{}") if person.asked else ("", "{}")
            yield Waiting(
                job["due_at"], job["id"], job["gap"], domain, fields, job["tries"], job["budget_at"],
                job["reason"] == WAITS, job["recipient_id"] or 0, job["step_id"] or 0,
            )  # fmt: skip

    return Lane(
        row["name"],
        tuple(open_jobs(facts.waiting)) if row["state"] == "active" else (),
        row["priority"],
        row["weight"],
        row["concurrency"],
        row["spacing"] == "queue",
        row["hours"],
        row["last_start"],
        row["started_at"] or 0,
        row["turn"],
        tuple(open_jobs(facts.flying)),
        follow,
        sharing,
        row["id"],
    )
