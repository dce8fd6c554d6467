"""One pass over the people to whom a start would send: what their messages lack, and who is outside the allow-list."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.compose.errors import ComposeError
from engine.compose.factory import Factory
from engine.config import Config, allow_listed
from engine.estimating import Share
from engine.preflight.findings import Example, Group
from storage.reader import Reader, Row
from storage.suppression_pages import left_out

CLOCKS = 1_000
"""How many different time zones are told apart; there are about 600."""
REASONS = 20
"""How many different reasons are told apart: a text may differ from person to person."""
OTHER = "other reasons"


@dataclass(slots=True)
class People:
    """`to_send` have no message yet; of these `held` would not go, as their first message lacks something. `lacking`:
    by reason, why a message would be held. `outside`: not on the allow-list of a campaign that is not live.
    `suppressed` have no message and get none. `sizes`: bytes of the first whole message of each step, by its place;
    without those that cannot be made. `clocks`: who is to be sent to, by a field that says which clock is theirs and
    the zone that stands in it ("" for none)."""

    to_send: int = 0
    held: int = 0
    lacking: dict[str, Group] = field(default_factory=dict)
    outside: Group = field(default_factory=Group)
    suppressed: Group = field(default_factory=Group)
    sizes: dict[int, int] = field(default_factory=dict)
    clocks: dict[tuple[str, str], Group] = field(default_factory=dict)


def survey(
    reader: Reader,
    row: Row,
    config: Config,
    factories: Mapping[int, Factory],
    *,
    guarded: bool,
    now: int,
    zone_fields: Collection[str] = (),
    shares: Sequence[Share] = (),
) -> People:
    """Look at everybody who has no message yet or whose latest message is held. `factories` by the step's place,
    without those that cannot be made; `guarded`: only the allow-list is reached; `zone_fields` say which clock is
    a person's own. Who would be sent to is added to one of the `shares`, as a start spreads them."""
    people = People()
    places = {step["id"]: step["position"] for step in row["steps"]}
    suppressed = {person["id"]: person["reason"] for person in left_out(reader, row["id"], now)}
    for person in reader.all_recipients(row["id"]):
        if person["job_id"] is not None and person["state"] != "held":
            continue
        example = Example(person["row_number"], person["address"])
        if person["job_id"] is None and (why := suppressed.get(person["id"]) or person["stopped"]):
            people.suppressed.add(replace(example, note=why))
            continue
        people.to_send += person["job_id"] is None
        for name in zone_fields if person["job_id"] is None else ():
            zone = person["fields"].get(name)
            clock = (name, zone.strip() if isinstance(zone, str) else "")
            if clock in people.clocks or len(people.clocks) < CLOCKS:
                people.clocks.setdefault(clock, Group()).add(example)
        # Without a message all of the sequence is to come; what is held waits for the fields of its own step.
        wanted = factories if person["job_id"] is None else [places.get(person["step_id"], 0)]
        lacks = {place: _lacks(factories[place], person, place) for place in wanted if place in factories}
        people.held += person["job_id"] is None and bool(lacks.get(1))
        if shares and person["job_id"] is None and not lacks.get(1):
            shares[person["id"] % len(shares)].add(person["fields"])
        reasons = [lack for found in lacks.values() for lack in found]
        for reason in reasons:
            known = reason in people.lacking or len(people.lacking) < REASONS
            people.lacking.setdefault(reason if known else OTHER, Group()).add(example)
        if guarded and person["job_id"] is None and not allow_listed(config, person["address"]):
            people.outside.add(example)
        for place in factories if not reasons and len(people.sizes) < len(factories) else ():
            if place not in people.sizes and (size := _size(factories[place], person)):
                people.sizes[place] = size
    return people


def _lacks(factory: Factory, person: Row, place: int) -> list[str]:
    """Why a person's message of the step at this place would be held."""
    of_step = "" if place == 1 else f"step {place}: "
    if lack := factory.lacks(person["address"], person["profile"]):
        return [f"{of_step}the {lack} is missing"]
    if not factory.fields:
        return []
    fields = person["fields"]
    if factory.plain and all(isinstance(value := fields.get(name), str) and value.strip() for name in factory.fields):
        return []  # nothing to render for, as in `engine.plans`
    try:
        missing = factory.missing(fields, address=person["address"])
    except ComposeError as error:
        return [f"{of_step}{error.message}"]
    return [f"{of_step}the field {name} is missing or empty" for name in missing]


def _size(factory: Factory, person: Row) -> int:
    try:
        message = factory.build(
            address=person["address"],
            fields=person["fields"],
            message_id="<size@example.org>",
            date=0,
            profile=person["profile"],
        )
    except ComposeError:
        return 0
    return len(message.content)
