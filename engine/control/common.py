"""What the campaign actions share: finding one, what its messages need, how its state is told."""

from __future__ import annotations

from typing import Any

from engine.accounts import Account
from engine.control.actions import Args, Context, Result
from engine.control.steps import check_steps
from engine.planning.durations import format_duration
from engine.planning.limits import Limits
from engine.planning.pacing import Pacing
from engine.planning.windows import Window
from storage.errors import RefusedError
from storage.model import CampaignState
from storage.nouns import Campaign, Step


class Named(Args):
    name: str
    version: int | None = None
    """Act only if the campaign still has this version (as the operator saw it)."""


async def find(context: Context, args: Named) -> Campaign:
    campaign = await context.store.get_campaign(args.name)
    if args.version is not None and campaign.version != args.version:
        raise RefusedError(
            f"campaign '{args.name}' changed meanwhile: it is {campaign.state} now", hint="look again, then decide"
        )
    return campaign


async def ready(context: Context, campaign: Campaign) -> tuple[Account, Step]:
    account = context.config.account(campaign.account)
    steps = await context.store.get_steps(campaign.id)
    return account, steps[0]


def window_of(window: dict[str, Any], account: Account, zone: str) -> dict[str, Any]:
    """A campaign's window as it is stored; without a zone of its own it has its account's. Raises UsageError."""
    if not window:
        return {}
    return Window.from_dict({"zone": account.zone or zone, **window}).to_dict()


def lower_ceiling(pacing: Pacing, limits: Limits) -> str:
    """The queue's own ceiling where a steady rate is above it (its minimum gap, or a cap of no longer a period), in
    words; "" where the rate is what counts."""
    if pacing.mode != "steady" or pacing.spread:
        return ""
    rate = pacing.rate
    if rate.n * limits.min_gap > rate.period:
        return f"one every {format_duration(limits.min_gap)}"
    above = [cap for cap in limits.caps if cap.period <= rate.period and rate.n * cap.period > cap.n * rate.period]
    return str(above[0]) if above else ""


async def fields_used(context: Context, campaign: Campaign) -> set[str]:
    """The fields that a campaign's messages use, of all steps. Raises ComposeError for one that cannot be sent."""
    accounts = [context.config.account(name) for _, name, _ in await context.store.get_lanes(campaign.id)]
    steps = await context.store.get_steps(campaign.id)
    return check_steps(campaign, steps, accounts, unfinished=campaign.state is CampaignState.DRAFT)


def messages(n: int) -> str:
    """`1 message`, `7 messages`."""
    return f"{n:,} {'message' if n == 1 else 'messages'}"


def described(campaign: Campaign, message: str, **more: Any) -> Result:
    return {
        "success": True,
        "campaign": campaign.name,
        "campaign_id": campaign.id,
        "state": campaign.state.value,
        "pause_reason": campaign.pause_reason,
        "version": campaign.version,
        "live": campaign.live,
        "message": message,
        **more,
    }
