"""`send_review_request`: asks the customer of a delivered order for a review."""

from __future__ import annotations

from engine.processors.context import RunContext
from engine.processors.customers import (
    CUSTOMERS,
    CampaignName,
    CustomersFile,
    Ident,
    OrdersFile,
    Start,
    person_of,
    prefixed,
)
from engine.processors.handover import hand_over
from engine.processors.local_rows import LocalRows
from engine.processors.orders import customer_id_of
from engine.processors.processor import Empty, Outcome, Payload, Processor

DELIVERED = frozenset({"delivered", "completed", "fulfilled"})
"""The values of a column `status` with which an order can be judged by whoever ordered it."""


class ReviewRequest(Payload):
    """Which order is to be reviewed, and by which campaign its customer is asked."""

    order_id: Ident
    campaign: CampaignName
    orders: OrdersFile = "orders.csv"
    customers: CustomersFile = CUSTOMERS
    start: Start = False


class SendReviewRequest(Processor[ReviewRequest]):
    kind = "send_review_request"
    about = "asks the customer of a delivered order for a review, as a message of a campaign"
    payload = ReviewRequest

    def __init__(self) -> None:
        self._orders = LocalRows("order")
        self._customers = LocalRows("customer")

    async def run(self, context: RunContext, payload: ReviewRequest) -> Outcome:
        order = await self._orders.get(context, payload.orders, payload.order_id)
        status = order.get("status", "").lower()
        if status and status not in DELIVERED:
            return Empty(f"order {payload.order_id} is {status[:40]}, not delivered", {"status": status[:40]})
        customer = await self._customers.get(context, payload.customers, customer_id_of(order))
        person = person_of(customer, prefixed("order", order))
        return await hand_over(context, payload.campaign, [person], start=payload.start)
