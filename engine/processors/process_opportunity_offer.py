"""`process_opportunity_offer`: computes the offer for one opportunity, writes it, and notes that it was made."""

from __future__ import annotations

from pydantic import Field

from engine.processors.context import RunContext
from engine.processors.customers import Ident
from engine.processors.local_rows import LocalRows
from engine.processors.opportunities import (
    OFFERED,
    OfferRules,
    OpportunitiesFile,
    Opportunity,
    make_offer,
    noted_of,
)
from engine.processors.options import options_of
from engine.processors.processor import Done, Empty, Outcome, Payload, Processor


class Offer(Payload):
    """Which opportunity an offer is made for."""

    opportunity_id: Ident
    opportunities: OpportunitiesFile = "opportunities.csv"
    again: bool = Field(default=False, description="also for one that has its offer, which is then replaced")


class ProcessOpportunityOffer(Processor[Offer]):
    kind = "process_opportunity_offer"
    about = "computes the offer for one opportunity and writes it to a file"
    payload = Offer

    def __init__(self) -> None:
        self._opportunities = LocalRows("opportunity")

    async def run(self, context: RunContext, payload: Offer) -> Outcome:
        rules = options_of(context, OfferRules)
        row = await self._opportunities.get(context, payload.opportunities, payload.opportunity_id)
        opportunity = Opportunity.of(payload.opportunity_id, row)
        noted = (await noted_of(context, opportunity.id)).get(opportunity.id, {})
        # An earlier try of this job may have made it, and died before it could say so.
        if noted.get("status") == OFFERED and noted.get("job") != str(context.job_id) and not payload.again:
            return Empty(f"opportunity {opportunity.id} has its offer, by job {noted.get('job')}", dict(noted))
        return Done(await make_offer(context, opportunity, rules))
