"""`update_analytics`: adds the days up, for a file that outlives what it was counted from.

The days of the last weeks are counted anew at each run, since a day is not over when it is first counted; older ones
are kept as they stand in the file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field

from engine.processors.context import RunContext
from engine.processors.customers import FileName
from engine.processors.options import output
from engine.processors.processor import Done, Empty, Outcome, Payload, Permanent, Processor
from engine.sheets import csv_rows
from engine.whole_files import whole_file
from storage.kind_facts import hours, totals
from storage.model import SECOND
from storage.reader import Reader
from storage.report_facts import outcomes

COLUMNS = ("day", "subject", "name", "succeeded", "failed", "other", "seconds")
"""`subject`: messages (`name`: the campaign) or jobs (`name`: the kind); `seconds`: what the successful ones took
together, of messages all that were tried."""
FAILED = frozenset({"permanent", "content"})
Day = tuple[str, str, str]


class Analytics(Payload):
    """How many days are added up, and where to."""

    days: int = Field(default=35, ge=1, le=400, description="so many are counted anew, older ones are kept")
    file: FileName = Field(default="analytics.csv", description="ends with .csv or .json")


class UpdateAnalytics(Processor[Analytics]):
    kind = "update_analytics"
    about = "adds up messages and jobs by the day, in a CSV or JSON file"
    payload = Analytics

    async def run(self, context: RunContext, payload: Analytics) -> Outcome:
        target, zone = output(context, payload.file), context.config.tz
        if target.suffix not in (".csv", ".json"):
            raise Permanent(f"file: {payload.file[:100]} must end with .csv or .json")
        today = datetime.fromtimestamp(context.now() / SECOND, zone).date()
        first = today - timedelta(days=payload.days - 1)
        counted = await context.read(lambda reader: days_of(reader, first, zone))
        if not counted:
            return Empty(f"nothing has ended in the last {payload.days} days", {"file": payload.file})
        return await context.in_thread(_update, target, payload.file, first, counted)


def days_of(reader: Reader, first: date, zone: ZoneInfo) -> list[dict[str, Any]]:
    """A row of COLUMNS for each day from `first` on, subject and name of which something ended. A quarter of an hour
    belongs to the day in which it begins, an hour of jobs as well."""
    since = round(datetime.combine(first, time(), zone).timestamp()) * SECOND
    sums: dict[Day, list[int]] = {}

    def add(at: int, subject: str, name: str, column: int, n: int, duration: int) -> None:
        day = datetime.fromtimestamp(at / SECOND, zone).date().isoformat()
        row = sums.setdefault((day, subject, name), [0, 0, 0, 0])
        row[column] += n
        row[3] += duration

    for campaign in reader.campaigns():
        for row in outcomes(reader, campaign["id"], since):
            column = 0 if row["outcome"] == "accepted" else 1 if row["outcome"] in FAILED else 2
            add(row["at"], "messages", campaign["name"], column, row["n"], row["duration"])
    for kind in totals(reader):
        for hour in hours(reader, [kind], since):
            other = sum(hour[name] for name in ("retried", "uncertain", "held", "skipped"))
            for column, n in enumerate((hour["completed"], hour["failed"], other)):
                add(hour["hour"], "jobs", kind, column, n, hour["duration"] if column == 0 else 0)
    return [
        dict(zip(COLUMNS, (*key, *numbers[:3], round(numbers[3] / SECOND, 3)), strict=True))
        for key, numbers in sorted(sums.items())
        if key[0] >= first.isoformat()
    ]


def _update(target: Path, name: str, first: date, counted: list[dict[str, Any]]) -> Outcome:
    """Put the counted days behind the older ones of the file. Raises Permanent for a file that holds something else."""
    before = _read(target)
    rows = [row for row in before if row["day"] < first.isoformat()] + counted
    with whole_file(target) as file:
        if target.suffix == ".json":
            json.dump(rows, file, ensure_ascii=False, indent=1)
        else:
            put = csv_rows(file, lineterminator="\n")
            put(COLUMNS)
            for row in rows:
                put(row[name] for name in COLUMNS)
    kept = len(rows) - len(counted)
    return Done({"file": name, "rows": len(rows), "counted": len(counted), "kept": kept})


def _read(target: Path) -> list[dict[str, Any]]:
    if not target.exists():
        return []
    if not target.is_file():
        raise Permanent(f"{target.name} is no file: name another one")
    try:
        if target.suffix == ".json":
            found = json.loads(target.read_text())
            if not isinstance(found, list):
                raise ValueError
            return [_row(item) for item in found]
        with target.open(newline="") as file:
            return [_row(item) for item in csv.DictReader(file)]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Permanent(f"{target.name} holds something else than days: name another file") from None


def _row(item: dict[str, Any]) -> dict[str, Any]:
    """One row of a file as it was counted. Raises ValueError, KeyError or TypeError for anything else."""
    if set(item) != set(COLUMNS):
        raise ValueError
    date.fromisoformat(item["day"])
    numbers: Iterable[Any] = (int(item[column]) for column in COLUMNS[3:6])
    values = (*(item[column] for column in COLUMNS[:3]), *numbers, float(item["seconds"]))
    return dict(zip(COLUMNS, values, strict=True))
