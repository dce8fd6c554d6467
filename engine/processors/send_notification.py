"""`send_notification`: a short text to people or to a service, through a campaign that exists or an account.

Through an account, each notification becomes a small campaign of its own, named after its job, so that it goes by the
account's limits and can be watched, paused and explained as any other. Like every campaign that no person has set live
it reaches an outbox or addresses of `[safety] allow` only: those of one's own people belong there.
"""

from __future__ import annotations

import json
from typing import Self

from pydantic import Field, model_validator

from engine.accounts import Account
from engine.processors.context import RunContext
from engine.processors.customers import CampaignName
from engine.processors.handover import Person, hand_over
from engine.processors.processor import Held, Outcome, Payload, Permanent, Processor
from storage.errors import NotFoundError, PacelineError
from storage.model import CampaignState

TEMPLATES = {
    "smtp": {"subject": "{{ subject }}", "text": "{{ text }}"},
    "outbox": {"subject": "{{ subject }}", "text": "{{ text }}"},
    "webhook": {"text": json.dumps({"to": "{{ address }}", "subject": "{{ subject }}", "text": "{{ text }}"})},
}
"""A notification's message by channel. What a payload says is a value in it, and never a template."""


class Notification(Payload):
    """What is said to whom, and by which way."""

    to: tuple[str, ...] = Field(min_length=1, max_length=1_000, description="addresses")
    subject: str = Field(min_length=1, max_length=500)
    text: str = Field(default="", max_length=50_000, description="by default the subject")
    campaign: CampaignName | None = Field(default=None, description="one that exists; or")
    account: str | None = Field(default=None, min_length=1, max_length=63, description="a small one of its own by it")
    fields: dict[str, str] = Field(
        default_factory=dict, max_length=100, description="what else the message of a campaign may print"
    )

    @model_validator(mode="after")
    def _goes_one_way(self) -> Self:
        if (self.campaign is None) == (self.account is None):
            raise ValueError("give either campaign, one that exists, or account")
        return self


class SendNotification(Processor[Notification]):
    kind = "send_notification"
    about = "a short text to people or a service, through a campaign or an account"
    payload = Notification

    async def run(self, context: RunContext, payload: Notification) -> Outcome:
        said = {**payload.fields, "subject": payload.subject, "text": payload.text or payload.subject}
        people = [Person(address, said) for address in payload.to]
        if payload.campaign is not None:
            return await hand_over(context, payload.campaign, people)
        name = await _own_campaign(context, payload.account or "")
        return await hand_over(context, name, people, start=True)


async def _own_campaign(context: RunContext, account_name: str) -> str:
    """The campaign of this job, made where an earlier try did not. Raises Held for an account that is missing,
    Permanent for one whose channel has no notifications."""
    name = f"notification-{context.job_id}"
    try:
        campaign = await context.store.get_campaign(name)
    except NotFoundError:
        await _make(context, name, account_name)
        return name
    if campaign.state is CampaignState.CANCELLED:
        raise Permanent(f"campaign '{name}' is cancelled")
    return name


async def _make(context: RunContext, name: str, account_name: str) -> None:
    try:
        account: Account = context.config.account(account_name)
    except NotFoundError as error:
        raise Held(error.message) from None
    template = TEMPLATES.get(account.channel)
    if template is None:
        raise Permanent(f"account {account_name} is of channel {account.channel}, which has no notifications")
    pacing = {"mode": "blast"}
    try:
        await context.act("campaign.new", name=name, account=account_name, pacing=pacing, **template)
    except PacelineError as error:
        raise Held(f"{error.message}{f': {error.hint}' if error.hint else ''}") from None
