"""What people change in one person of a campaign: the address, the fields, and with them a failed or held message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from engine import approving
from engine.control import jobs
from engine.control.actions import Args, Context, Result, action, audit
from engine.control.common import fields_used
from engine.intake.addresses import parse_address
from engine.intake.keys import key_of
from engine.intake.mapping import EMAIL, GROUPED_ROWS
from engine.intake.recipients import MAX_RECIPIENT, recipient_size
from storage.errors import RefusedError, UsageError
from storage.model import Actor
from storage.nouns import Campaign
from storage.person_edit import Person, PersonChanged


class EditArgs(Args):
    """`address` names the person as they stand. What is left out stays as it is; a field that is None is taken out.
    `expected` holds fields as the operator saw them (None: absent): another value now refuses the change."""

    campaign: str
    address: str
    new_address: str | None = None
    fields: dict[str, str | None] = Field(default_factory=dict)
    expected: dict[str, str | None] = Field(default_factory=dict)
    retry: bool = False
    """Give the person's failed or held messages a new budget, as `job.retry` does."""


@action("recipients.edit", EditArgs)
async def edit(context: Context, args: EditArgs, actor: Actor) -> Result:
    """Change one person of a campaign. The address passes the rules of an import; what was sent, or may have been,
    keeps the address that it went to. Messages keep their Message-ID."""
    if args.new_address is None and not args.fields:
        raise UsageError("nothing was given to change", hint="see --help of the command")
    key = key_of(args.address)
    campaign = await context.store.get_campaign(args.campaign)
    async with context.planning(campaign.id):
        before = await context.store.get_person(campaign.id, key)
        _compare(before, args.expected)
        await _check_names(context, campaign, before, args.fields)
        after = _changed(before, args)
        what = _told(before, after)
        event = audit(
            "recipients.edited", f"{what} in {campaign.name}", actor,
            data={"person": before.id, "address": [before.address, after.address], "fields": _differing(before, after)},
        )  # fmt: skip
        found = await context.store.edit_person(before, after, event)
        await approving.recheck(context, campaign)
    context.hooks.wake()
    retried = await _retry(context, found, actor) if args.retry else {}
    return {
        "success": True,
        "campaign": campaign.name,
        "person": after.id,
        "address": after.address,
        "was": before.address,
        "fields": _differing(before, after),
        "retryable": [[job.id, job.state, job.lease] for job in found.retryable],
        "retried": retried.get("done", 0),
        "events": retried.get("events", []),
        "left": retried.get("left", []),
        "empty": after == before,
        "message": _sentence(what, found, retried if args.retry else None),
    }


def _compare(person: Person, expected: Mapping[str, str | None]) -> None:
    for name, value in expected.items():
        if person.fields.get(name) != value:
            raise RefusedError(f"{name} of {person.address} was changed meanwhile", hint="look again, then decide")


async def _check_names(context: Context, campaign: Campaign, person: Person, wanted: Mapping[str, Any]) -> None:
    """Refuse a field that neither the person nor the message knows: a slip of the hand would change nothing."""
    if EMAIL in wanted:
        raise UsageError(f"{EMAIL} is the address itself", hint="give the new one with --address")
    if isinstance(person.fields.get(GROUPED_ROWS), list) and GROUPED_ROWS in wanted:
        raise UsageError(f"{GROUPED_ROWS} holds the rows of a file", hint="import the person's rows anew")
    unknown = sorted(wanted.keys() - person.fields.keys())
    if not unknown:
        return
    used = await fields_used(context, campaign)
    if missing := [name for name in unknown if name not in used]:
        known = ", ".join(sorted({*person.fields, *used} - {EMAIL, GROUPED_ROWS})) or "none"
        raise UsageError(f"{missing[0][:60]!r} is no field of {person.address}", hint=f"there are: {known}")


def _changed(person: Person, args: EditArgs) -> Person:
    """The person as asked for. Raises UsageError."""
    fields = dict(person.fields)
    for name, value in args.fields.items():
        if value is None:
            fields.pop(name, None)
        elif "\0" in value:
            raise UsageError(f"{name} holds a NUL byte", hint="give it as text")
        else:
            fields[name] = value.strip()
    address, key = person.address, person.key
    if args.new_address is not None:
        parsed = parse_address(args.new_address)
        address, key = parsed.address, parsed.key
        fields = _readdressed(fields, address)
    if (size := recipient_size(fields)) > MAX_RECIPIENT:
        raise UsageError(f"the fields would hold {size:,} characters; one recipient may hold {MAX_RECIPIENT:,}")
    return replace(person, address=address, key=key, fields=fields)


def _readdressed(fields: dict[str, Any], address: str) -> dict[str, Any]:
    """Let the field that repeats the address follow it, in the rows of a grouped person too."""
    found = {**fields, EMAIL: address} if EMAIL in fields else dict(fields)
    if isinstance(rows := found.get(GROUPED_ROWS), list):
        found[GROUPED_ROWS] = [_readdressed(row, address) for row in rows]
    return found


def _differing(before: Person, after: Person) -> list[str]:
    names = dict.fromkeys([*before.fields, *after.fields])
    return [n for n in names if n not in (EMAIL, GROUPED_ROWS) and before.fields.get(n) != after.fields.get(n)]


def _told(before: Person, after: Person) -> str:
    """What changes, as words behind the actor's name; "" for nothing."""
    parts = [f"the address of {before.address} to {after.address}"] if after.address != before.address else []
    if names := _differing(before, after):
        parts.append(f"{', '.join(names)} of {after.address}")
    return f"changed {' and '.join(parts)}" if parts else ""


async def _retry(context: Context, found: PersonChanged, actor: Actor) -> Result:
    if not found.retryable:
        return {}
    seen = [(job.id, job.state, job.lease) for job in found.retryable]
    return await jobs.retry(context, jobs.RetrySetArgs(seen=seen), actor)


def _sentence(what: str, found: PersonChanged, retried: Result | None) -> str:
    """What was changed, and what became of the retry that was asked for (None: none was)."""
    done = what or "nothing differs: nothing was changed"
    if retried is None:
        waits = len(found.retryable)
        return f"{done}; {waits} failed or held: a retry sends it" if waits and what else done
    if retried:
        return f"{done}; {retried['message']}"
    return f"{done}; nothing to retry: {', '.join(dict.fromkeys(found.states)) or 'not started yet'}"
