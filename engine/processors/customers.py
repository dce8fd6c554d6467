"""What the kinds that write to customers share: whom a payload names, and what their message may print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from engine.processors.book import Record
from engine.processors.context import RunContext
from engine.processors.handover import Person
from engine.processors.local_rows import LocalRows
from engine.processors.processor import Payload, Permanent

CUSTOMERS = "customers.db"
"""The book that `sync_customer_data` keeps."""
Ident = Annotated[str, Field(min_length=1, max_length=200)]
FileName = Annotated[str, Field(min_length=1, max_length=500)]
CampaignName = Annotated[str, Field(min_length=1, max_length=64)]
CustomersFile = Annotated[FileName, Field(description="the book that sync_customer_data keeps, or a table")]
OrdersFile = Annotated[FileName, Field(description="CSV, XLSX or JSONL with a column order_id")]
Start = Annotated[bool, Field(description="also start a campaign that is a draft")]


def person_of(customer: Mapping[str, str], more: Mapping[str, str]) -> Person:
    """A customer as somebody to be written to; `more` is what else the message may print. Raises Permanent for one
    without an address."""
    address = customer.get("email", "")
    if not address:
        raise Permanent(f"customer {customer.get('id') or customer.get('customer_id', '')!r} has no e-mail address")
    return Person(address, {**customer, **more})


def prefixed(noun: str, row: Mapping[str, str]) -> Record:
    """The fields of a row under its noun, so that none hides a customer's: `name` of a promotion is promotion_name."""
    return {field if field.startswith(f"{noun}_") else f"{noun}_{field}": value for field, value in row.items()}


def campaign_of(named: str | None, row: Mapping[str, str], noun: str) -> str:
    """The campaign that a payload names, or else its row. Raises Permanent where neither does."""
    if found := named or row.get("campaign", ""):
        return found
    raise Permanent(f"no campaign is named: neither in the payload nor in a column campaign of the {noun}")


class SomeCustomers(Payload):
    """Base of a payload that names one customer or several."""

    customer_id: Ident | None = Field(default=None, description="one customer; or")
    customer_ids: tuple[Ident, ...] = Field(default=(), max_length=10_000, description="several at once")
    customers: CustomersFile = CUSTOMERS

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if (self.customer_id is None) == (not self.customer_ids):
            raise ValueError("give either customer_id or customer_ids")
        return self

    @property
    def named(self) -> tuple[str, ...]:
        return self.customer_ids or (self.customer_id or "",)


async def people_named(
    context: RunContext, rows: LocalRows, payload: SomeCustomers, more: Mapping[str, str]
) -> tuple[list[Person], dict[str, str]]:
    """The customers of a payload as people, and why others cannot be written to, by id. Raises Permanent when it is
    the only one."""
    found, unknown = await rows.get_many(context, payload.customers, payload.named)
    people: list[Person] = []
    for ident, customer in found.items():
        try:
            people.append(person_of(customer, more))
        except Permanent as error:
            unknown[ident] = str(error)
    if payload.customer_id is not None and unknown:
        raise Permanent(unknown[payload.customer_id])
    return people, unknown
