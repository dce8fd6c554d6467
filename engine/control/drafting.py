"""Messages that were written for one person each, added to a campaign and held until somebody approves them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from engine import plans, routes
from engine.compose.identity import message_id_for
from engine.composer import letter_factory
from engine.config import allow_listed
from engine.control.actions import Args, Context, Result, action, audit
from engine.intake.addresses import AddressError, parse_address
from engine.intake.keys import profile_as_address
from engine.intake.mapping import EMAIL
from engine.intake.profiles import ProfileError, parse_profile
from engine.intake.recipients import MAX_RECIPIENT, recipient_size
from engine.overlaps import left_out, others_of
from engine.preflight import cold
from engine.routes import Route
from storage.deciding import Draft, Known
from storage.errors import PacelineError, RefusedError
from storage.letters import Letter
from storage.model import Actor, Approval, CampaignState
from storage.nouns import Campaign, RecipientRow, Step
from storage.recipients import ImportSums, PlannedJob

MOST = 500
"""People of one call, which is one transaction."""


class Person(Args):
    """Whom a message was written for, by `address` or by `profile`, and the message itself: literal, nothing in it is a
    field. `fields` are kept with the person; `note` is for whoever approves."""

    address: str = ""
    profile: str = ""
    fields: dict[str, Any] = Field(default_factory=dict)
    subject: str = Field(default="", max_length=1_000)
    text: str = Field(default="", max_length=1_000_000)
    html: str = Field(default="", max_length=1_000_000)
    note: str = Field(default="", max_length=500)


class DraftArgs(Args):
    """`origin` says what wrote them, for the log."""

    campaign: str
    people: list[Person] = Field(min_length=1, max_length=MOST)
    origin: str = Field(default="", max_length=200)


@dataclass(slots=True)
class _Judged:
    """Who can be added: the row of each and their letter by key, and who cannot, with the reason."""

    rows: list[RecipientRow] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)
    rejected: list[dict[str, str]] = field(default_factory=list)


@action("approval.draft", DraftArgs)
async def draft(context: Context, args: DraftArgs, actor: Actor) -> Result:
    """Add people to a campaign that asks for approval of each message, each with a message of their own. Whoever the
    campaign has with a message is left as they are, so the same call may come twice."""
    campaign = await context.store.get_campaign(args.campaign)
    async with context.planning(campaign.id):
        campaign = await context.store.get_campaign(campaign.id)
        _check(campaign)
        step = (await context.store.get_steps(campaign.id))[0]
        ways = await routes.routes_of(context, campaign, step)
        _check_reach(context, campaign, ways, args.people)
        judged = _judge(args.people, campaign, step, ways)
        keys = list(judged.people)
        there = await _add_people(context, campaign, step, judged, keys, args.origin, actor)
        suppressed = [one.address for one in there if one.stopped and one.job_id is None]
        new = [one for one in there if one.job_id is None and not one.stopped]
        batch_id, made = await _add_messages(context, campaign, step, ways, new, judged, args.origin, actor)
    jobs = {one.address: one.job_id for one in there if one.job_id is not None}
    known = len(jobs)
    jobs |= {one.address: job for one, job in zip(new, made, strict=True)}
    context.hooks.wake()
    left = [f"{n:,} {word}" for n, word in ((known, "known"), (len(suppressed), "suppressed")) if n]
    left += [f"{len(judged.rejected):,} rejected"] if judged.rejected else []
    return {
        "success": True,
        "campaign": campaign.name,
        "drafted": len(made),
        "known": known,
        "suppressed": suppressed,
        "rejected": judged.rejected,
        "jobs": jobs,
        "batch_id": batch_id,
        "empty": not made,
        "message": ", ".join([f"{len(made):,} drafted into {campaign.name}: they wait for approval", *left]),
    }


def _check(campaign: Campaign) -> None:
    if campaign.approval != Approval.MESSAGE:
        raise RefusedError(
            f"campaign '{campaign.name}' does not ask for approval of each message",
            hint="make one with: paceline campaign new NAME --approval message",
        )
    if campaign.state is CampaignState.CANCELLED:
        raise RefusedError(f"campaign '{campaign.name}' is cancelled", hint="make a new campaign")


def _check_reach(context: Context, campaign: Campaign, ways: Sequence[Route], people: Sequence[Person]) -> None:
    """The same that a start refuses: a cold campaign without a way to leave, addresses outside the allow-list."""
    for way in ways:
        if refusal := cold.refusal(campaign, way.account):
            raise refusal
    if campaign.live or ways[0].account.channel == "outbox":
        return
    outside = sum(not allow_listed(context.config, person.address) for person in people)
    if outside:
        raise RefusedError(
            f"campaign '{campaign.name}' is not live and {outside:,} of these addresses are not on the allow-list",
            hint=f"paceline campaign live {campaign.name}",
        )


def _judge(people: Sequence[Person], campaign: Campaign, step: Step, ways: Sequence[Route]) -> _Judged:
    """Who can be written to, and whose message can be made."""
    found = _Judged()
    for number, person in enumerate(people, 1):
        try:
            row = _row(number, person)
            letter = Letter(person.subject, person.text, person.html)
            letter_factory(campaign, step, ways[0].account, letter).build(
                address=row.address, fields=row.fields, message_id="<draft@paceline.invalid>", date=0,
                profile=row.profile,
            )  # fmt: skip
        except AddressError as error:
            found.rejected.append({"address": person.address, "why": error.reason})
        except ProfileError as error:
            found.rejected.append({"address": person.profile, "why": error.reason})
        except PacelineError as error:
            found.rejected.append({"address": person.address or person.profile, "why": error.message})
        else:
            if row.key in found.people:
                found.rejected.append({"address": row.address, "why": "named twice"})
                continue
            found.rows.append(row)
            found.people[row.key] = person
    return found


def _row(number: int, person: Person) -> RecipientRow:
    """One person as an import has them. Raises AddressError, ProfileError, RefusedError."""
    profile = parse_profile(person.profile) if person.profile else ""
    fields = dict(person.fields)
    if person.address or not profile:
        parsed = parse_address(person.address)
        address, key = parsed.address, parsed.key
        fields[EMAIL] = address
    else:
        address = key = profile_as_address(profile)
    if (size := recipient_size(fields)) > MAX_RECIPIENT:
        raise RefusedError(f"the fields would hold {size:,} characters; one recipient may hold {MAX_RECIPIENT:,}")
    return RecipientRow(number, address, key, fields, profile)


async def _add_people(
    context: Context, campaign: Campaign, step: Step, judged: _Judged, keys: list[str], origin: str, actor: Actor
) -> list[Known]:
    """Put those whom the campaign does not have into it; everybody as they stand there then."""
    store = context.store
    under_way, left = await store.loading(campaign.id)
    if under_way:
        raise RefusedError(f"an import into '{campaign.name}' is under way", hint="wait for it to end, then try again")
    for batch_id in left:
        await plans.discard(store, batch_id)
    have = {one.key for one in await store.known_people(campaign.id, step.id, keys)}
    rows = [row for row in judged.rows if row.key not in have]
    if rows:
        seen = hashlib.sha256("\n".join(row.key for row in rows).encode()).hexdigest()
        import_id = await store.begin_import(campaign.id, origin or "drafts", seen, actor.user)
        taken = len(await store.add_recipients(import_id, rows))
        text = f"drafted for {len(rows) - taken:,} people of {campaign.name}"
        event = audit("recipients.imported", text, actor, campaign_id=campaign.id, n=len(rows) - taken)
        await store.finish_import(import_id, ImportSums(len(rows), len(rows) - taken, 0, taken, 0), event)
    await plans.stop_suppressed(store, campaign.id)
    return await store.known_people(campaign.id, step.id, keys)


async def _add_messages(
    context: Context, campaign: Campaign, step: Step, ways: Sequence[Route], people: Sequence[Known], judged: _Judged,
    origin: str, actor: Actor,
) -> tuple[int, list[int]]:  # fmt: skip
    """Make their messages under a batch of their own, whole or not at all; its id (0: none) and the jobs."""
    if not people:
        return 0, []
    store, now = context.store, context.clock.now()
    channel = ways[0].account.channel
    others = await others_of(store, campaign, channel, [one.id for one in people], now)
    batch_id = await store.begin_batch(campaign.id, "import", origin or "drafts", actor.user)
    drafts = []
    for one in people:
        way, person = routes.route_for(ways, one.id), judged.people[one.key]
        message_id = message_id_for(plans.sender_domain(way), campaign.id, one.id, step.id, campaign.seed)
        skipped = left_out(campaign, channel, others.get(one.id))
        job = PlannedJob(one.id, now, 0, message_id, queue_id=way.queue_id, skipped=skipped)
        drafts.append(Draft(job, Letter(person.subject, person.text, person.html), person.note))
    try:
        made = await store.add_drafts(batch_id, campaign, step.id, drafts, actor.user)
        event = audit(
            "approval.drafted", f"drafted {len(made):,} messages of {campaign.name}", actor,
            campaign_id=campaign.id, n=len(made), data={"origin": origin},
        )  # fmt: skip
        if campaign.state in (CampaignState.DRAFT, CampaignState.COMPLETED):
            await store.activate_campaign(campaign.id, event, execution="start", queued=len(made), batch_id=batch_id)
        else:
            await store.finish_batch(batch_id)
            await store.add_event(event)
    except PacelineError:
        await plans.discard(store, batch_id)
        raise
    await plans.release(store, batch_id)
    context.composer.forget(campaign.id)
    return batch_id, made
