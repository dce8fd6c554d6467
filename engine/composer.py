"""From a claimed job to the bytes that leave: message factories, made once per step and account."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.account_base import MailAccount
from engine.accounts import Account
from engine.channels.channel import Message
from engine.clock import Clock
from engine.compose.errors import ComposeError
from engine.compose.factory import Factory
from engine.compose.identity import LEAVES_BY, Identity, Unsubscribe
from engine.compose.message import MessageFactory
from engine.compose.template import Compile, compile_template, literal_template
from engine.inbound.tokens import token_for
from engine.senders import sender_text
from engine.unipile_account import UnipileAccount
from engine.webhook_account import WebhookAccount
from storage.letters import Letter
from storage.model import Approval
from storage.nouns import Campaign, ClaimedJob, Step


def make_factory(campaign: Campaign, step: Step, account: Account, *, compile: Compile = compile_template) -> Factory:
    """The factory of one step as this account sends it; a campaign's own sender settings win. `compile` reads the
    step's texts.

    Campaign settings used: `from_name`, `from_address`, `reply_to`. Raises ComposeError for a step or identity
    that cannot be sent.
    """
    if isinstance(account, UnipileAccount):
        from engine.compose.note import NoteFactory  # a process that only sends mail needs neither

        return NoteFactory(step, account.account_id, account.most_characters, compile=compile)
    if isinstance(account, WebhookAccount):
        from engine.compose.payload import PayloadFactory

        return PayloadFactory(step, account, compile=compile)
    return _mail_factory(campaign, step, account, compile)


def _mail_factory(campaign: Campaign, step: Step, mail: MailAccount, compile: Compile) -> MessageFactory:
    settings: Mapping[str, Any] = campaign.settings
    identity = Identity(
        from_name=settings.get("from_name") or mail.from_name,
        from_address=settings.get("from_address") or mail.from_address,
        reply_to=settings.get("reply_to") or mail.reply_to or "",
    )
    unsubscribe = None
    if mail.unsubscribe_url or mail.unsubscribe_mailto:
        unsubscribe = Unsubscribe(mail.unsubscribe_url or "", mail.unsubscribe_mailto or "")
    return MessageFactory(step, identity, unsubscribe=unsubscribe, return_path=mail.return_path or "", compile=compile)


def letter_factory(campaign: Campaign, step: Step, account: Account, letter: Letter) -> Factory:
    """The factory of a message with its own text, which leaves as it was written. Raises as `make_factory`."""
    own = replace(step, subject=letter.subject, text=letter.text, html=letter.html)
    return make_factory(campaign, own, account, compile=literal_template)


def digest_of(message: Message) -> str:
    """What tells a message from every other one: from whom, to whom, and all that it says. Two messages that differ in
    nothing but their date differ here too: compose both with the same."""
    seen = hashlib.sha256()
    for part in (message.sender, message.recipient, message.name, repr(message.headers)):
        seen.update(part.encode("utf-8", "replace") + b"\0")
    seen.update(message.content)
    return seen.hexdigest()


class Composer:
    """Keeps the factories of what is being sent. `forget` a campaign when its step or sender changed."""

    def __init__(self) -> None:
        self._factories: dict[int, dict[tuple[int, int], Factory]] = {}
        self._sources: dict[int, tuple[Campaign, dict[int, Step], Mapping[int, Account]]] = {}
        self._lists: dict[int, str] = {}
        self._senders: dict[tuple[int, int], str] = {}
        self._secret = b""

    def add(
        self, campaign: Campaign, steps: Sequence[Step], accounts: Mapping[int, Account], *, secret: bytes = b""
    ) -> None:
        """Make ready what `campaign` sends: each step through the accounts (by queue) of its channel. `secret` signs
        the tokens by which readers leave (`Store.token_secret`). Raises ComposeError."""
        self._secret = secret
        self._lists[campaign.id] = campaign.list_name
        self._sources[campaign.id] = (campaign, {step.id: step for step in steps}, dict(accounts))
        for queue_id, account in accounts.items():
            self._senders[campaign.id, queue_id] = sender_text(campaign.settings, account)
        first = accounts.get(campaign.queue_id)
        self._factories[campaign.id] = {
            (step.id, queue_id): make_factory(campaign, step, account)
            for step in steps
            for queue_id, account in accounts.items()
            if account.channel == (step.channel or (first.channel if first else account.channel))
        }

    def forget(self, campaign_id: int | None = None) -> None:
        """Drop one campaign's factories, or all (after a reload of the configuration)."""
        if campaign_id is None:
            self._factories.clear()
            self._sources.clear()
        else:
            self._factories.pop(campaign_id, None)
            self._sources.pop(campaign_id, None)

    def has(self, campaign_id: int) -> bool:
        return campaign_id in self._factories

    def build(self, job: ClaimedJob, campaign_id: int, step_id: int, date: int) -> Message:
        """The message of one job, dated `date` (us). Raises ComposeError, MissingField."""
        factory = self._factories[campaign_id].get((step_id, job.queue_id))
        if factory is None:
            raise ComposeError(
                "this account no longer belongs to the campaign, or is of another channel",
                hint="give the campaign its account back, then retry",
            )
        if job.letter is not None:
            campaign, steps, accounts = self._sources[campaign_id]
            factory = letter_factory(campaign, steps[step_id], accounts[job.queue_id], job.letter)
        fields = json.loads(job.fields)
        if isinstance(factory, MessageFactory) and factory.wants_token and job.recipient_id is not None:
            fields[LEAVES_BY] = token_for(self._secret, job.recipient_id, list_name=self._lists[campaign_id])
        message = factory.build(
            address=job.address,
            fields=fields,
            message_id=job.message_id,
            date=date,
            profile=job.profile,
        )
        if isinstance(factory, MessageFactory) and factory.return_path and job.recipient_id is not None:
            token = token_for(self._secret, job.recipient_id, step_id=step_id)
            return replace(message, sender=factory.return_path.replace("{token}", token))
        return message

    def sender(self, campaign_id: int, queue_id: int) -> str:
        """Who a campaign's messages through this queue come from (`engine.senders`)."""
        return self._senders[campaign_id, queue_id]

    def digest(self, job: ClaimedJob, campaign_id: int, step_id: int) -> str:
        """What tells this job's message from every other one, whenever it is composed. Raises as `build`."""
        return digest_of(self.build(job, campaign_id, step_id, 0))


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
        message = self._composer.build(job, campaign_id, step_id, self._clock.now())
        match job.approval:
            case Approval.MESSAGE:
                return replace(message, digest=self._composer.digest(job, campaign_id, step_id))
            case Approval.CAMPAIGN:
                return replace(message, digest=self._composer.sender(campaign_id, job.queue_id))
        return message
