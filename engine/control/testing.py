"""One message to the operator: a test that no counter sees."""

from __future__ import annotations

import secrets
from typing import Any

from pydantic import Field

from engine.composer import make_factory
from engine.control.actions import Context, Result, action, audit
from engine.control.common import Named, find, ready
from engine.control.engine import open_session
from engine.intake.addresses import AddressError, parse_address
from storage.errors import RefusedError, UsageError
from storage.model import Actor, OutcomeClass


class TestSendArgs(Named):
    to: str
    fields: dict[str, Any] = Field(default_factory=dict)


@action("campaign.test_send", TestSendArgs)
async def test_send(context: Context, args: TestSendArgs, actor: Actor) -> Result:
    """Send one message to the operator's own address: no job, no attempt, no counter; an event says so."""
    campaign = await find(context, args)
    account, step = await ready(context, campaign)
    try:
        to = parse_address(args.to)
    except AddressError as error:
        raise UsageError(f"{args.to[:80]!r}: {error}", hint="give one plain address") from None
    if account.channel == "unipile":
        raise RefusedError(
            "an invitation cannot be tried on yourself: nothing was sent", hint=f"paceline campaign preview {args.name}"
        )
    factory = make_factory(campaign, step, account)
    now = context.clock.now()
    domain = factory.sender.rpartition("@")[2]
    message = factory.build(
        address=to.address, fields=args.fields, message_id=f"<test-{secrets.token_hex(12)}@{domain}>", date=now
    )
    session = await open_session(context.make_channel, account)
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
