"""From a claimed job to the bytes that leave: message factories, made once per step and account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.accounts import Account
from engine.channels.channel import Message
from engine.compose.identity import Identity, Unsubscribe
from engine.compose.message import MessageFactory
from storage.model import Campaign, Step


def make_factory(campaign: Campaign, step: Step, account: Account) -> MessageFactory:
    """The factory of one step as this account sends it; a campaign's own sender settings win.

    Campaign settings used: `from_name`, `from_address`, `reply_to`. Raises ComposeError for a step or identity
    that cannot be sent.
    """
    settings: Mapping[str, Any] = campaign.settings
    identity = Identity(
        from_name=settings.get("from_name") or account.from_name,
        from_address=settings.get("from_address") or account.from_address,
        reply_to=settings.get("reply_to") or account.reply_to or "",
    )
    unsubscribe = None
    if account.unsubscribe_url or account.unsubscribe_mailto:
        unsubscribe = Unsubscribe(account.unsubscribe_url or "", account.unsubscribe_mailto or "")
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
