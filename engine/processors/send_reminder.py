"""`send_reminder`: reminds the customer of an order of what is still open."""

from __future__ import annotations

from pydantic import Field

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


class Reminder(Payload):
    """Which order its customer is reminded of. Whether it is settled is asked when the reminder is due."""

    order_id: Ident
    campaign: CampaignName
    settled: tuple[str, ...] = Field(
        default=("paid", "cancelled", "returned"),
        max_length=50,
        description="values of its column status with which nothing is left to be reminded of",
    )
    orders: OrdersFile = "orders.csv"
    customers: CustomersFile = CUSTOMERS
    start: Start = False


class SendReminder(Processor[Reminder]):
    kind = "send_reminder"
    about = "reminds a customer of an order that is still open, as a message of a campaign"
    payload = Reminder

    def __init__(self) -> None:
        self._orders = LocalRows("order")
        self._customers = LocalRows("customer")

    async def run(self, context: RunContext, payload: Reminder) -> Outcome:
        order = await self._orders.get(context, payload.orders, payload.order_id)
        status = order.get("status", "").lower()
        if status in {word.lower() for word in payload.settled}:
            return Empty(f"order {payload.order_id} is {status[:40]}: nothing to remind of", {"status": status[:40]})
        customer = await self._customers.get(context, payload.customers, customer_id_of(order))
        person = person_of(customer, prefixed("order", order))
        return await hand_over(context, payload.campaign, [person], start=payload.start)
