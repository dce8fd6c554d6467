"""What the two kinds that work on opportunities share: how one is read, what it is worth, and the offer for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from engine.processors.book import Book, Record
from engine.processors.context import RunContext
from engine.processors.customers import FileName
from engine.processors.options import output
from engine.processors.processor import Held, Permanent
from engine.tables import Table, whole
from engine.whole_files import whole_file
from storage.errors import UsageError
from storage.model import SECOND

BOOK = "opportunities.db"
"""What became of opportunities: the operator's own file is never written to."""
OFFERED = "offered"
OpportunitiesFile = Annotated[FileName, Field(description="CSV, XLSX or JSONL with opportunity_id, status and value")]
_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NUMBER = re.compile(r"\d{1,12}(\.\d{1,6})?|\d{1,3}(,\d{3}){1,3}(\.\d{1,6})?", re.ASCII)
_CENT = Decimal("0.01")


def _percent(value: dict[str, int]) -> dict[str, int]:
    if any(not 0 <= one <= 100 for one in value.values()):
        raise ValueError("must be percent from 0 to 100")
    return value


class OfferRules(Table):
    """`[jobs.kinds.process_opportunity_offer] options`: percent off by the customer's tier, some more for what is worth
    over `large`, how many days an offer stands, and in what currency where the file names none."""

    discounts: Annotated[dict[str, int], AfterValidator(_percent)] = Field(
        default_factory=lambda: {"vip": 15, "premium": 10, "standard": 5}
    )
    large: Annotated[int, whole(0, 1_000_000_000)] = 10_000
    large_discount: Annotated[int, whole(0, 100)] = 2
    days: Annotated[int, whole(1, 3_650)] = 14
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"


@dataclass(frozen=True, slots=True)
class Opportunity:
    """One row: `value` in its currency ("" where the file names none); `closes`: the day on which it is decided."""

    id: str
    status: str
    value: Decimal
    currency: str = ""
    tier: str = ""
    urgency: str = ""
    closes: date | None = None
    customer_id: str = ""

    @classmethod
    def of(cls, ident: str, row: Mapping[str, str]) -> Opportunity:
        """Raises Permanent for a row that cannot be worked on, naming the column."""
        if not _PLAIN_ID.fullmatch(ident):
            raise Permanent(f"opportunity {ident[:60]!r}: its id may hold letters, digits, dots, dashes and _ only")
        value = row.get("value") or row.get("estimated_value", "")
        if not _NUMBER.fullmatch(value):
            raise Permanent(f"opportunity {ident}: value {value[:40]!r} is no number such as 12500.00")
        closes = row.get("close_date") or row.get("closes", "")
        try:
            day = date.fromisoformat(closes) if closes else None
        except ValueError:
            raise Permanent(f"opportunity {ident}: close_date {closes[:40]!r} is no date such as 2026-11-30") from None
        return cls(
            ident,
            row.get("status", "").lower(),
            Decimal(value.replace(",", "")),
            row.get("currency", "").upper(),
            (row.get("tier") or row.get("customer_tier", "")).lower(),
            row.get("urgency", "").lower(),
            day,
            row.get("customer_id", ""),
        )


def urgency_of(opportunity: Opportunity, known: Mapping[str, int], today: date) -> str:
    """How urgent it is: as its row says, else by the days until it is decided (2: critical, 7: high, 30: medium).
    Only words of `known` are given ("": nothing is known)."""
    if opportunity.urgency:
        return opportunity.urgency if opportunity.urgency in known else ""
    if opportunity.closes is None:
        return ""
    days = (opportunity.closes - today).days
    word = "critical" if days <= 2 else "high" if days <= 7 else "medium" if days <= 30 else "low"
    return word if word in known else ""


def today_of(context: RunContext) -> date:
    """The day that it is where the configuration's zone is."""
    return datetime.fromtimestamp(context.now() / SECOND, context.config.tz).date()


def offer_of(opportunity: Opportunity, rules: OfferRules, today: date) -> dict[str, Any]:
    """The offer for an opportunity, with amounts as text: halves of a cent are rounded up."""
    percent = rules.discounts.get(opportunity.tier, 0)
    if opportunity.value > rules.large:
        percent = min(100, percent + rules.large_discount)
    discount = (opportunity.value * percent / 100).quantize(_CENT, ROUND_HALF_UP)
    return {
        "opportunity_id": opportunity.id,
        "customer_id": opportunity.customer_id,
        "value": f"{opportunity.value:.2f}",
        "discount_percent": percent,
        "discount": f"{discount:.2f}",
        "total": f"{opportunity.value - discount:.2f}",
        "currency": opportunity.currency or rules.currency,
        "valid_until": (today + timedelta(days=rules.days)).isoformat(),
    }


async def make_offer(context: RunContext, opportunity: Opportunity, rules: OfferRules) -> dict[str, Any]:
    """Write the offer into `offers/ID.json` and note it in the book. Doing it again gives the same files."""
    offer = offer_of(opportunity, rules, today_of(context))
    document = output(context, f"offers/{opportunity.id}.json")
    book = output(context, BOOK)
    noted = {"status": OFFERED, "total": offer["total"], "job": str(context.job_id)}

    def write() -> None:
        with whole_file(document) as file:
            json.dump(offer, file, ensure_ascii=False, indent=2)
        with Book(book, create=True) as kept:
            kept.put([(opportunity.id, noted)], context.now())

    await context.in_thread(write)
    return {"opportunity_id": opportunity.id, "total": offer["total"], "file": f"offers/{opportunity.id}.json"}


async def noted_of(context: RunContext, ident: str = "") -> dict[str, Record]:
    """What the book says of opportunities, by id: of one, or of all. Raises Held for a book that cannot be read."""
    path = output(context, BOOK)

    def read() -> dict[str, Record]:
        if not path.exists():
            return {}
        with Book(path) as book:
            if not ident:
                return dict(book.all())
            record = book.get(ident)
            return {} if record is None else {ident: record}

    try:
        return await context.in_thread(read)
    except UsageError as error:
        raise Held(f"{error.message} - {error.hint}") from None
