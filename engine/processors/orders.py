"""What the kinds that write to the customer of an order share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TypeVar

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
from engine.processors.processor import Empty, Outcome, Payload, Permanent, Processor


class OrderPayload(Payload):
    """Which order, and which campaign its customer is written to by."""

    order_id: Ident
    campaign: CampaignName
    orders: OrdersFile = "orders.csv"
    customers: CustomersFile = CUSTOMERS
    start: Start = False


O = TypeVar("O", bound=OrderPayload)  # noqa: E741 - an order's payload


class OrderProcessor(Processor[O]):
    """Looks the order and its customer up when it runs, and hands a message over unless the order's status says no."""

    def __init__(self) -> None:
        self._orders = LocalRows("order")
        self._customers = LocalRows("customer")

    @abstractmethod
    def why_not(self, payload: O, status: str) -> str:
        """Why there is nothing to write about an order of this status (small letters, "" for none); "" when there
        is."""

    async def run(self, context: RunContext, payload: O) -> Outcome:
        order = await self._orders.get(context, payload.orders, payload.order_id)
        status = order.get("status", "").lower()
        if why := self.why_not(payload, status):
            return Empty(f"order {payload.order_id} is {status[:40]}{why}", {"status": status[:40]})
        customer = await self._customers.get(context, payload.customers, customer_id_of(order))
        person = person_of(customer, prefixed("order", order))
        return await hand_over(context, payload.campaign, [person], start=payload.start)


def customer_id_of(order: Mapping[str, str]) -> str:
    """Whose order it is. Raises Permanent where its row does not say."""
    found = order.get("customer_id") or order.get("customer", "")
    if not found:
        raise Permanent("the order has no customer: its file needs a column customer_id")
    return found
