"""The one door by which a job has a message sent: it adds people to a campaign that exists.

From there a message goes as any other: by the campaign's pacing, window and caps, past suppressions, approval and the
allow-list. Nobody gets two: a person is in a campaign once (`UNIQUE (campaign, address)`), and a message is one row per
person and step (`UNIQUE (recipient, step)`), so a job that runs again finds what it did before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.intake.addresses import AddressError, parse_address
from engine.processors.context import RunContext
from engine.processors.processor import Again, Done, Empty, Held, Outcome, Permanent
from storage.errors import NotFoundError, RefusedError
from storage.import_facts import import_sources_of
from storage.model import SECOND, CampaignState
from storage.nouns import Campaign, RecipientRow

SLICE = 1_000
"""People of one call of control."""
NAMED = 20
"""So many of those who were left out are named in a result."""
BUSY = 30 * SECOND
"""How long to wait when somebody imports into the same campaign."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to be written to; `fields` are what the campaign's message may print."""

    address: str
    fields: dict[str, str]


@dataclass(slots=True)
class _Sorted:
    """What became of the people of one hand-over."""

    rows: list[RecipientRow] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    sums: Counter[str] = field(default_factory=Counter)

    def leave_out(self, address: str, why: str, kind: str) -> None:
        self.sums[kind] += 1
        if len(self.left_out) < NAMED:
            self.left_out[address] = why


async def hand_over(context: RunContext, name: str, people: Sequence[Person], *, start: bool = False) -> Outcome:
    """Add people to a campaign, each once, and have their messages planned; `start` also starts one that is a draft.

    Raises Held where a person has to do something first (the campaign is missing or may not be started), Permanent for
    a campaign that is over, Again while somebody imports into it.
    """
    campaign = await _campaign(context, name)
    async with context.control.adding(campaign.id):
        found = await _add(context, campaign, people)
        campaign = await context.store.get_campaign(campaign.id)
        state = campaign.state
        if (found.sums["added"] or found.sums["known"]) and (state is not CampaignState.DRAFT or start):
            await _plan(context, campaign)
            state = (await context.store.get_campaign(campaign.id)).state
    result: dict[str, Any] = {"campaign": name, "state": state.value, **_told(found)}
    if not found.sums["added"]:
        why = "; ".join(f"{address}: {reason}" for address, reason in list(found.left_out.items())[:3])
        return Empty(f"nobody was added to {name}: {why or 'nobody was named'}"[:500], result)
    waits = {
        CampaignState.DRAFT: f"{name} is a draft: the message leaves when a person starts it",
        CampaignState.PAUSED: f"{name} is paused: the message leaves after it is resumed",
    }
    return Done(result, flag=waits.get(state, ""))


def _told(found: _Sorted) -> dict[str, Any]:
    sums = {name: found.sums[name] for name in ("added", "known", "suppressed", "rejected")}
    return sums | ({"left_out": found.left_out} if found.left_out else {})


async def _campaign(context: RunContext, name: str) -> Campaign:
    try:
        campaign = await context.store.get_campaign(name)
    except NotFoundError as error:
        raise Held(f"{error.message}: make it with its message, then free this job") from None
    if campaign.state is CampaignState.CANCELLED:
        raise Permanent(f"campaign '{name}' is cancelled")
    return campaign


async def _add(context: RunContext, campaign: Campaign, people: Sequence[Person]) -> _Sorted:
    """Put the people into the campaign by one import; whom an earlier try of this job put there counts as added."""
    found = _judged(people)
    source = f"job {context.job_id}"
    keys = [row.key for row in found.rows]
    before = await context.read(lambda reader: import_sources_of(reader, campaign.id, keys))
    for row in found.rows:
        if row.key in before and before[row.key] == source:
            found.sums["added"] += 1
        elif row.key in before:
            found.leave_out(row.address, f"in {campaign.name} already, by {before[row.key]}", "known")
    new = [row for row in found.rows if row.key not in before]
    if new:
        await _import(context, campaign, new, found, source)
    return found


def _judged(people: Sequence[Person]) -> _Sorted:
    """The people as rows with one plain address each, numbered from 1; one address twice is one person."""
    found = _Sorted()
    seen: set[str] = set()
    for number, person in enumerate(people, 1):
        try:
            parsed = parse_address(person.address)
        except AddressError as error:
            found.leave_out(person.address or f"person {number}", error.reason, "rejected")
            continue
        if parsed.key in seen:
            found.leave_out(parsed.address, "named twice", "rejected")
            continue
        seen.add(parsed.key)
        found.rows.append(RecipientRow(number, parsed.address, parsed.key, {**person.fields, "email": parsed.address}))
    return found


async def _import(
    context: RunContext, campaign: Campaign, new: list[RecipientRow], found: _Sorted, source: str
) -> None:
    try:
        begun = await context.act("recipients.begin", campaign=campaign.name, source=source)
    except RefusedError as error:
        raise Again(error.message, wait=BUSY, counts=False) from None
    import_id, stored, by_number = begun["import_id"], 0, {row.row: row for row in new}
    try:
        for at in range(0, len(new), SLICE):
            rows = [(row.row, row.address, row.key, row.fields) for row in new[at : at + SLICE]]
            answer = await context.act("recipients.rows", import_id=import_id, rows=rows)
            stored += answer["stored"]
            for number, why in answer["suppressed"].items():
                found.leave_out(by_number[int(number)].address, why, "suppressed")
            for number in answer["duplicates"]:
                found.leave_out(by_number[number].address, f"in {campaign.name} already", "known")
            context.check()
        await context.act(
            "recipients.commit",
            import_id=import_id,
            campaign=campaign.name,
            source=source,
            rows=len(new),
            imported=stored,
            rejected=len(new) - stored,
            duplicates=0,
        )
    except BaseException:
        await context.act("recipients.abort", import_id=import_id)
        raise
    found.sums["added"] += stored


async def _plan(context: RunContext, campaign: Campaign) -> None:
    """Have planned whoever has no message yet: of a draft everybody, else those whom a crash left without one."""
    if campaign.state is not CampaignState.DRAFT:
        step = (await context.store.get_steps(campaign.id))[0]
        if not await context.store.unplanned(campaign.id, step.id, 0):
            return
    if campaign.state is CampaignState.PAUSED:
        raise Again(f"campaign '{campaign.name}' is paused and its new people have no slot yet", counts=False)
    try:
        await context.act("campaign.start", name=campaign.name)
    except RefusedError as error:
        raise Held(f"{error.message}{f': {error.hint}' if error.hint else ''}") from None
