"""From a claimed job to the bytes that leave: message factories, made once per step and account."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from engine.accounts import Account
from engine.channels.channel import Message
from engine.clock import Clock
from engine.compose.errors import ComposeError
from engine.compose.identity import Identity, Unsubscribe
from engine.compose.message import MessageFactory
from storage.model import Campaign, ClaimedJob, Step


def make_factory(campaign: Campaign, step: Step, account: Account) -> MessageFactory:
    """The factory of one step as this account sends it; a campaign's own sender settings win.

    Campaign settings used: `from_name`, `from_address`, `reply_to`. Raises ComposeError for a step or identity
    that cannot be sent.
    """
    settings: Mapping[str, Any] = campaign.settings
    mail = account.mail
    identity = Identity(
        from_name=settings.get("from_name") or mail.from_name,
        from_address=settings.get("from_address") or mail.from_address,
        reply_to=settings.get("reply_to") or mail.reply_to or "",
    )
    unsubscribe = None
    if mail.unsubscribe_url or mail.unsubscribe_mailto:
        unsubscribe = Unsubscribe(mail.unsubscribe_url or "", mail.unsubscribe_mailto or "")
    return MessageFactory(step, identity, unsubscribe=unsubscribe)


class Composer:
    """Keeps the factories of what is being sent. `forget` a campaign when its step or sender changed."""

    def __init__(self) -> None:
        self._factories: dict[int, dict[int, MessageFactory]] = {}

    def add(self, campaign: Campaign, steps: list[Step], account: Account) -> None:
        self._factories[campaign.id] = {step.id: make_factory(campaign, step, account) for step in steps}

    def forget(self, campaign_id: int | None = None) -> None:
        """Drop one campaign's factories, or all (after a reload of the configuration)."""
        if campaign_id is None:
            self._factories.clear()
        else:
            self._factories.pop(campaign_id, None)

    def has(self, campaign_id: int) -> bool:
        return campaign_id in self._factories

    def build(
        self, campaign_id: int, step_id: int, *, address: str, fields: str, message_id: str, date: int
    ) -> Message:
        """The message of one job. `fields` is the recipient's JSON text. Raises ComposeError, MissingField."""
        factory = self._factories[campaign_id][step_id]
        return factory.build(address=address, fields=json.loads(fields), message_id=message_id, date=date)


class Letters:
    """The messages of claimed jobs: whom a campaign may reach, and what it says. `prepare` readies a campaign's
    factories (see `Composer.add`); `may_reach` is the allow-list for campaigns that are not live."""

    def __init__(
        self,
        composer: Composer,
        *,
        prepare: Callable[[int], Awaitable[None]],
        may_reach: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._composer = composer
        self._prepare = prepare
        self._may_reach = may_reach
        self._clock = clock

    async def make(self, job: ClaimedJob) -> Message:
        """The message of a job; readies its campaign's factories first where needed. Raises ComposeError."""
        if not job.live and not self._may_reach(job.address):
            raise ComposeError(
                "not on the allow-list of a campaign that is not live",
                hint="add the address to [safety] allow, or set the campaign live",
            )
        if job.campaign_id is None or job.step_id is None:
            raise ComposeError("this job belongs to no campaign")
        if not self._composer.has(job.campaign_id):
            await self._prepare(job.campaign_id)
        return self._build(job, job.campaign_id, job.step_id)

    def make_now(self, job: ClaimedJob) -> Message | None:
        """The message, when it can be made without waiting. Raises ComposeError."""
        if not job.live and not self._may_reach(job.address):
            return None
        if job.campaign_id is None or job.step_id is None or not self._composer.has(job.campaign_id):
            return None
        return self._build(job, job.campaign_id, job.step_id)

    def _build(self, job: ClaimedJob, campaign_id: int, step_id: int) -> Message:
        return self._composer.build(
            campaign_id,
            step_id,
            address=job.address,
            fields=job.fields,
            message_id=job.message_id,
            date=self._clock.now(),
        )
