"""`sync_customer_data`: keeps the book of customers equal to a file that another system writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import Field

from engine.intake.addresses import AddressError, parse_address
from engine.intake.recipients import file_digest
from engine.intake.records import ORDINARY
from engine.processors.book import Book, Record
from engine.processors.context import RunContext
from engine.processors.customers import CUSTOMERS, FileName
from engine.processors.local_rows import BOOK, records
from engine.processors.options import output
from engine.processors.processor import Done, Empty, Held, Outcome, Payload, Permanent, Processor
from storage.errors import UsageError

SLICE = 500
"""Rows of one item: one transaction of the book."""
AT_ONCE = 4
"""Items under way together: the book takes one transaction at a time, the files are read in step."""
NAMED = 20


class Sync(Payload):
    """Which file the book is to be made equal to."""

    source: FileName = Field(description="CSV, XLSX or JSONL with a column customer_id")
    target: FileName = Field(default=CUSTOMERS, description="the book")
    most: int = Field(
        default=200_000,
        ge=1,
        le=ORDINARY.max_rows,
        description="rows; a larger file is refused as a whole (200,000 take 160 MB while it runs)",
    )


class SyncCustomerData(Processor[Sync]):
    kind = "sync_customer_data"
    about = "keeps the local book of customers equal to a CSV, XLSX or JSONL file"
    payload = Sync

    async def run(self, context: RunContext, payload: Sync) -> Outcome:
        target = output(context, payload.target)
        if target.suffix != BOOK:
            raise Permanent(f"target: {payload.target[:100]} must end with {BOOK}: the customers are kept in a book")
        try:
            slices, digest = await context.in_thread(_plan, context.path(payload.source), payload.most, target)
        except UsageError as error:
            raise Held(f"{error.message} - {error.hint}" if error.hint else error.message) from None

        async def put(rows: list[tuple[int, str, Record, str]]) -> dict[str, Any]:
            return await context.in_thread(_put, target, rows, context.now())

        # A file that was written anew meanwhile is another list: nothing of the old one's progress counts for it.
        mapped = await context.map(
            slices, put, AT_ONCE, name=f"rows of {digest[:16]}", key=lambda rows: str(rows[0][0])
        )
        if mapped.errors:
            raise UsageError(
                f"{len(mapped.errors):,} of {len(slices):,} parts failed: {next(iter(mapped.errors.values()))}"
            )
        return _told(list(mapped.values.values()), payload)


def _plan(source: Path, most: int, target: Path) -> tuple[list[list[tuple[int, str, Record, str]]], str]:
    """The rows of a file in slices, each as (number, id, fields, why it is rejected), and the file's digest."""
    # First of all: when the file is written anew while it is read, the next run finds another digest and begins anew.
    digest = file_digest(source)
    rows = _judged(source)
    slices: list[list[tuple[int, str, Record, str]]] = []
    read = 0
    while part := list(islice(rows, SLICE)):
        read += len(part)
        if read > most:
            raise UsageError(f"{source.name} has more than {most:,} rows", hint="raise most, or split the file")
        slices.append(part)
    with Book(target, create=True):
        return slices, digest


def _judged(source: Path) -> Iterator[tuple[int, str, Record, str]]:
    first: dict[str, int] = {}
    for ident, record, row in records(source, "customer", limits=ORDINARY):
        problem = row.problem
        if not problem and not ident:
            problem = "it has no id"
        if not problem and (before := first.setdefault(ident, row.number)) != row.number:
            problem = f"its id {ident[:60]!r} stands in row {before} already"
        if not problem and record.get("email"):
            try:
                record["email"] = parse_address(record["email"]).address
            except AddressError as error:
                problem = error.reason
        yield row.number, ident, record, problem


def _put(target: Path, rows: list[tuple[int, str, Record, str]], now: int) -> dict[str, Any]:
    with Book(target) as book:
        put = book.put([(ident, record) for _, ident, record, problem in rows if not problem], now)
    rejects = [f"row {number}: {problem}" for number, _, _, problem in rows if problem]
    sums = {"added": put.added, "changed": put.changed, "unchanged": put.unchanged, "rejected": len(rejects)}
    return {**sums, "rejects": rejects[:NAMED]}


def _told(parts: list[dict[str, Any]], payload: Sync) -> Outcome:
    sums: Counter[str] = Counter()
    for part in parts:
        sums.update({name: part[name] for name in ("added", "changed", "unchanged", "rejected")})
    rejects = [reject for part in parts for reject in part["rejects"]][:NAMED]
    result: dict[str, Any] = {"book": payload.target, "rows": sum(sums.values()), **sums}
    if rejects:
        result["rejects"] = rejects
    if not sums["added"] and not sums["changed"]:
        return Empty(f"{payload.source[:200]} holds nothing new", result)
    return Done(result, flag=f"{sums['rejected']:,} rows were rejected: {rejects[0]}" if rejects else "")
