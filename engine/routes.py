"""By which accounts a step goes: the campaign's accounts of the step's channel, with queue, limits and factory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.accounts import Account
from engine.compose.factory import Factory
from engine.composer import Composer, make_factory
from engine.config import Config
from engine.planning.limits import Limits
from storage.errors import RefusedError
from storage.nouns import Campaign, Step
from storage.store import Store

if TYPE_CHECKING:
    from engine.control.actions import Context


@dataclass(frozen=True, slots=True)
class Route:
    """One account that a step may go through."""

    account: Account
    queue_id: int
    limits: Limits
    factory: Factory


async def accounts_of(context: Context, campaign: Campaign) -> dict[int, Account]:
    """The campaign's accounts by queue, the first one first. Raises UsageError for one that the configuration lacks."""
    lanes = await context.store.get_lanes(campaign.id)
    return {queue_id: context.config.account(name) for queue_id, name, _ in lanes}


async def routes_of(context: Context, campaign: Campaign, step: Step) -> list[Route]:
    """Every account that may send this step, in the campaign's order. Raises RefusedError when there is none,
    UsageError for an account that the configuration lacks, ComposeError for a step that cannot be sent."""
    accounts = await accounts_of(context, campaign)
    channel = step.channel or context.config.account(campaign.account).channel
    fitting = {queue_id: account for queue_id, account in accounts.items() if account.channel == channel}
    if not fitting:
        raise RefusedError(
            f"campaign '{campaign.name}' has no {channel} account for step {step.position}",
            hint=f"name one: paceline campaign edit {campaign.name} --also ACCOUNT",
        )
    return [
        Route(account, queue_id, await context.limits_of(account), make_factory(campaign, step, account))
        for queue_id, account in fitting.items()
    ]


async def make_ready(store: Store, composer: Composer, config: Config, campaign_id: int) -> None:
    """Let a composer make a campaign's messages. What the configuration lacks sends nothing; the campaign's other
    accounts go on. Raises ComposeError."""
    campaign = await store.get_campaign(campaign_id)
    steps = await store.get_steps(campaign_id)
    lanes, known = await store.get_lanes(campaign_id), config.accounts
    accounts = {queue_id: known[name] for queue_id, name, _ in lanes if name in known}
    composer.add(campaign, steps, accounts, secret=await store.token_secret())


async def limits_of(context: Context, campaign: Campaign) -> dict[int, Limits]:
    """What each queue of a campaign may do now, the first one first."""
    accounts = await accounts_of(context, campaign)
    return {queue_id: await context.limits_of(account) for queue_id, account in accounts.items()}


def route_for(routes: Sequence[Route], recipient_id: int) -> Route:
    """Which of them a person goes through: spread evenly, and the same one whenever it is asked."""
    return routes[recipient_id % len(routes)]
