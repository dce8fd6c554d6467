"""What comes back, taken in: bounces, complaints, replies, as the command line read and parsed them."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from engine.control.actions import Args, Context, Result, action, audit
from engine.inbound.model import Inbound, Kind
from engine.inbound.taking import take_in
from engine.inbound.watching import Mailbox
from storage.inbox import Effect
from storage.model import Actor

MAX_ITEMS = 500
_Text = Annotated[str, Field(max_length=2_000)]
_Texts = Annotated[tuple[_Text, ...], Field(max_length=100)]


class InboundArgs(Args):
    """An `Inbound` on its way; `raw` is the beginning of what it was read from, base64."""

    kind: Kind
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    at: int
    message_ids: _Texts = ()
    token: _Text = ""
    addresses: _Texts = ()
    code: int = 0
    enhanced: _Text = ""
    diagnostic: _Text = ""
    subject: _Text = ""
    text: _Text = ""
    action: _Text = ""
    reported: dict[str, _Text] = Field(default_factory=dict)
    raw: str = ""

    def event(self) -> Inbound:
        return Inbound(**{name: getattr(self, name) for name in Inbound.__dataclass_fields__})


class ReadArgs(Args):
    source: str = Field(max_length=500)
    items: list[InboundArgs] = Field(max_length=MAX_ITEMS)


class PollArgs(Args):
    mailbox: str


def wire_form(event: Inbound, raw: bytes, limit: int) -> dict[str, Any]:
    """An event as `InboundArgs` takes it, with at most `limit` octets of what it was read from."""
    return {
        **asdict(event),
        "kind": event.kind.value,
        "reported": dict(event.reported),
        "raw": base64.b64encode(raw[:limit]).decode(),
    }


@action("inbox.read", ReadArgs)
async def read(context: Context, args: ReadArgs, actor: Actor) -> Result:
    """Take in a slice of what was read; says of each what it led to. The same mail twice changes nothing."""
    found = [(item.event(), base64.b64decode(item.raw)) for item in args.items]
    return await _told(
        context, args.source, await take_in(context.store, context.config.accounts, args.source, found), actor
    )


@action("inbox.poll", PollArgs)
async def poll(context: Context, args: PollArgs, actor: Actor) -> Result:
    """Look into a mailbox of the configuration now: one slice, from where the last reading ended. `more` says that
    further mails wait."""
    mailbox = Mailbox(
        args.mailbox,
        context.config.mailbox(args.mailbox),
        store=context.store,
        clock=context.clock,
        accounts=lambda: context.config.accounts,
        on_change=context.hooks.wake,
    )
    look = await mailbox.look()
    return {**await _told(context, f"imap:{args.mailbox}", look.effects, actor), "more": look.more}


async def _told(context: Context, source: str, effects: Sequence[Effect], actor: Actor) -> Result:
    counts = Counter(effect.effect for effect in effects)
    new = len(effects) - counts["known already"]
    if new:
        told = ", ".join(f"{n:,} {effect}" for effect, n in sorted(counts.items()))
        await context.store.add_event(audit("inbox.read", f"read {new:,} from {source[:200]}: {told}", actor, n=new))
        context.hooks.wake()
    return {
        "success": True,
        "read": len(effects),
        "new": new,
        "effects": dict(counts),
        "items": [
            {
                "kind": one.kind,
                "effect": one.effect,
                "job": one.job_id,
                "campaign_id": one.campaign_id,
                "by": one.matched_by,
            }
            for one in effects
        ],
        "message": f"{new:,} new of {len(effects):,}",
    }
