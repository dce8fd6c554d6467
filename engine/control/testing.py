"""One message to the operator: a test that no counter sees."""

from __future__ import annotations

import secrets
from typing import Any

from pydantic import Field

from engine import routes
from engine.control.actions import Context, Result, action, audit
from engine.control.common import Named, find
from engine.control.engine import open_session
from engine.intake.addresses import AddressError, parse_address
from engine.plans import sender_domain
from engine.routes import Route
from storage.errors import NotFoundError, RefusedError, UsageError
from storage.model import Actor, OutcomeClass
from storage.nouns import Campaign


class TestSendArgs(Named):
    to: str
    fields: dict[str, Any] = Field(default_factory=dict)
    step: int = Field(default=1, ge=1)


async def _way(context: Context, campaign: Campaign, position: int) -> Route:
    """The first account of a step. Raises NotFoundError."""
    steps = await context.store.get_steps(campaign.id)
    if position > len(steps):
        raise NotFoundError(f"there is no step {position}", hint=f"paceline campaign steps {campaign.name}")
    return (await routes.routes_of(context, campaign, steps[position - 1]))[0]


@action("campaign.test_send", TestSendArgs)
async def test_send(context: Context, args: TestSendArgs, actor: Actor) -> Result:
    """Send one message to the operator's own address: no job, no attempt, no counter; an event says so."""
    campaign = await find(context, args)
    way = await _way(context, campaign, args.step)
    try:
        to = parse_address(args.to)
    except AddressError as error:
        raise UsageError(f"{args.to[:80]!r}: {error}", hint="give one plain address") from None
    if way.account.channel == "unipile":
        raise RefusedError(
            "an invitation cannot be tried on yourself: nothing was sent",
            hint=f"paceline campaign preview {args.name} --step {args.step}",
        )
    message = way.factory.build(
        address=to.address,
        fields=args.fields,
        message_id=f"<test-{secrets.token_hex(12)}@{sender_domain(way)}>",
        date=context.clock.now(),
    )
    session = await open_session(context.make_channel, way.account)
    try:
        outcome = await session.prepare(message) or await session.deliver(message)
    finally:
        await session.close()
    accepted = outcome.cls is OutcomeClass.ACCEPTED
    await context.store.add_event(
        audit(
            "campaign.test_sent",
            f"sent a test of {campaign.name} to {to.address}: {outcome.cls.value}",
            actor,
            campaign_id=campaign.id,
        )
    )
    if not accepted:
        raise RefusedError(f"the test was not accepted: {outcome.code or ''} {outcome.text}".strip())
    return {
        "success": True,
        "to": to.address,
        "message_id": message.message_id,
        "reply": outcome.text,
        "message": f"accepted for {to.address} by {outcome.server}: {outcome.text}",
    }
