"""`send_promotion`: a promotion to one customer or several, through the campaign that holds its message."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from engine.processors.context import RunContext
from engine.processors.customers import (
    CampaignName,
    FileName,
    Ident,
    SomeCustomers,
    Start,
    campaign_of,
    people_named,
    prefixed,
)
from engine.processors.handover import hand_over
from engine.processors.local_rows import LocalRows
from engine.processors.processor import Outcome, Permanent, Processor
from engine.processors.results import with_unknown
from storage.model import SECOND

ENDS = ("ends", "end_date", "valid_until", "expires")
"""Columns that say on which day (ISO 8601) a promotion ends."""


class Promotion(SomeCustomers):
    """Which promotion goes to whom."""

    promotion_id: Ident
    campaign: CampaignName | None = Field(default=None, description="by default what its column campaign says")
    promotions: FileName = Field(default="promotions.csv", description="CSV, XLSX or JSONL with a column promotion_id")
    start: Start = False


class SendPromotion(Processor[Promotion]):
    kind = "send_promotion"
    about = "a promotion to customers, as a message of its campaign"
    payload = Promotion

    def __init__(self) -> None:
        self._promotions = LocalRows("promotion")
        self._customers = LocalRows("customer")

    async def run(self, context: RunContext, payload: Promotion) -> Outcome:
        promotion = await self._promotions.get(context, payload.promotions, payload.promotion_id)
        campaign = campaign_of(payload.campaign, promotion, "promotion")
        today = datetime.fromtimestamp(context.now() / SECOND, context.config.tz).date()
        if (ends := _ends(promotion)) is not None and ends < today:
            raise Permanent(f"promotion {payload.promotion_id} ended on {ends}")
        more = prefixed("promotion", promotion)
        people, unknown = await people_named(context, self._customers, payload, more)
        return with_unknown(await hand_over(context, campaign, people, start=payload.start), unknown)


def _ends(promotion: dict[str, str]) -> date | None:
    """The last day of a promotion; None without one. Raises Permanent for what is no date."""
    text = next((promotion[name] for name in ENDS if promotion.get(name)), "")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Permanent(f"the promotion ends on {text[:40]!r}, which is no date such as 2026-11-30") from None
