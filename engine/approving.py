"""Messages that wait for a person's yes: composed as they would leave, and looked at again when something changed.

What is approved is a message, not a template: its digest (`engine.composer.digest_of`) is kept with the yes, and the
gate lets only that message out. `recheck` says early what the gate would say late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from engine.channels.channel import Message
from engine.routes import make_ready
from engine.senders import senders_of
from storage.approvals import sender_change
from storage.deciding import Awaiting
from storage.errors import PacelineError
from storage.letters import Letter
from storage.model import Approval
from storage.nouns import Campaign

if TYPE_CHECKING:
    from engine.control.actions import Context

PART = 100
"""Messages that are composed before sends and screens get their turn: about 10 ms."""


async def composed(context: Context, one: Awaiting) -> Message:
    """The message as it would leave now. Raises ComposeError."""
    await _ready(context, one.campaign_id)
    return context.composer.build(one.job, one.campaign_id, one.step_id, context.clock.now())


async def digest(context: Context, one: Awaiting) -> str:
    """What tells the message of a job from every other one. Raises ComposeError."""
    await _ready(context, one.campaign_id)
    return context.composer.digest(one.job, one.campaign_id, one.step_id)


async def _ready(context: Context, campaign_id: int) -> None:
    if not context.composer.has(campaign_id):
        await make_ready(context.store, context.composer, context.config, campaign_id)


def letter_of(message: Message) -> Letter:
    """The texts of a message, as somebody would edit them; of a note or a JSON body the whole of it."""
    if not message.content.startswith(b"From:"):
        return Letter(text=message.content.decode("utf-8", "replace"))
    read = message_from_bytes(message.content, _class=EmailMessage, policy=default)
    return Letter(str(read["Subject"] or ""), _part(read, "plain"), _part(read, "html"))


def _part(read: EmailMessage, kind: str) -> str:
    part = read.get_body(preferencelist=(kind,))
    if part is None or part.get_content_subtype() != kind:
        return ""
    return str(part.get_content()).replace("\r\n", "\n")


class Sender(NamedTuple):
    """Who a campaign sends as through one queue (`engine.senders.sender_text`)."""

    account: str
    text: str


async def senders(context: Context, campaign: Campaign) -> dict[int, Sender]:
    """Who a campaign sends as now, by queue; without accounts that the configuration lacks."""
    lanes = await context.store.get_lanes(campaign.id)
    found = senders_of(campaign.settings, (name for _, name, _ in lanes), context.config)
    return {queue_id: Sender(name, found[name]) for queue_id, name, _ in lanes if name in found}


def differs(sender: Sender | None, shown: Mapping[str, str] | None) -> str:
    """How a sender differs from the one that was `shown` for its account, in words; "" where it does not, or none was
    shown."""
    if sender is None or shown is None or shown.get(sender.account) == sender.text:
        return ""
    return f"{sender.account}: {sender_change(shown.get(sender.account, ''), sender.text)}"


async def recheck_senders(context: Context) -> None:
    """Take the yes to whole campaigns back that would be sent as somebody else than was approved: the configuration
    was read anew. The gate would say so at the next message."""
    lanes = await context.store.approved_lanes()
    for campaign_id, mine in groupby(lanes, key=lambda lane: lane.campaign_id):
        now = await senders(context, await context.store.get_campaign(campaign_id))
        changes = [
            change for lane in mine if (change := differs(now.get(lane.queue_id), {lane.account: lane.approved_as}))
        ]
        if changes:
            await context.store.void_campaign(campaign_id, "; ".join(changes))


async def recheck(context: Context, campaign: Campaign) -> int:
    """Take the approval of those of a campaign's messages back that would leave otherwise than they were approved; how
    many. What cannot be composed any more is held by its send."""
    if campaign.approval != Approval.MESSAGE:
        return 0
    void = after = 0
    while ids := await context.store.approved_pending(campaign.id, after):
        void += await recheck_jobs(context, ids)
        after = ids[-1]
    return void


async def recheck_jobs(context: Context, ids: Sequence[int]) -> int:
    """The same for these jobs."""
    void = 0
    for at in range(0, len(ids), PART):
        found = await context.store.awaiting(ids[at : at + PART])
        changed = [id for id, one in found.items() if one.decision == "approved" and await _differs(context, one)]
        if changed:
            void += await context.store.void_approvals(changed)
        await asyncio.sleep(0)
    return void


async def _differs(context: Context, one: Awaiting) -> bool:
    try:
        return await digest(context, one) != one.digest
    except PacelineError:
        return True
