"""`generate_report`: writes how campaigns, or background jobs, stand into a file for people or for another program."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from io import StringIO
from typing import Any, Literal

from pydantic import Field

from engine.planning.durations import format_duration
from engine.processors.context import RunContext
from engine.processors.customers import CampaignName, FileName
from engine.processors.options import output
from engine.processors.processor import Done, Empty, Held, Outcome, Payload, Processor
from engine.sheets import csv_rows
from engine.whole_files import whole_file
from storage.errors import NotFoundError
from storage.kind_facts import runs, totals
from storage.model import DAY, SECOND
from storage.reader import Reader
from storage.report_facts import messages

Row = dict[str, Any]
Format = Literal["md", "csv", "json"]


class Report(Payload):
    """What is reported, of which time, and where to."""

    of: Literal["campaigns", "jobs"] = Field(default="campaigns", description="campaigns that changed, or job kinds")
    format: Format = "md"
    days: int = Field(default=30, ge=1, le=3_650, description="how far back")
    campaign: CampaignName | None = Field(default=None, description="this one alone")
    file: FileName | None = Field(default=None, description="by default reports/OF-DATE.FORMAT")


class GenerateReport(Processor[Report]):
    kind = "generate_report"
    about = "writes how campaigns or background jobs stand as Markdown, CSV or JSON"
    payload = Report

    async def run(self, context: RunContext, payload: Report) -> Outcome:
        now = context.now()
        since = now - payload.days * DAY
        try:
            if payload.of == "jobs":
                rows = await context.read(lambda reader: job_rows(reader, since))
            else:
                rows = await context.read(lambda reader: campaign_rows(reader, since, payload.campaign))
        except NotFoundError as error:
            raise Held(error.message) from None
        if not rows:
            return Empty(f"there is nothing to report of {_last(payload.days)}")
        at = datetime.fromtimestamp(now / SECOND, context.config.tz)
        title = f"{payload.of.capitalize()}, {_last(payload.days)}, {at:%Y-%m-%d %H:%M} {at.tzname()}"
        text = FORMATS[payload.format](title, rows)
        name = payload.file or f"reports/{payload.of}-{at:%Y-%m-%d}.{payload.format}"
        target = output(context, name)

        def write() -> None:
            with whole_file(target) as file:
                file.write(text)

        await context.in_thread(write)
        return Done({"file": name, "rows": len(rows), "bytes": len(text.encode())})


def _last(days: int) -> str:
    return "the last day" if days == 1 else f"the last {days} days"


def campaign_rows(reader: Reader, since: int, named: str | None) -> list[Row]:
    """A row a campaign that changed since a time (us), the newest work first; or the one that is named. Raises
    NotFoundError."""
    if named is not None:
        chosen = [reader.campaign(named)]
    else:
        chosen = [row for row in reader.campaigns() if row["updated_at"] >= since or row["state"] == "active"]
    return [_campaign_row(reader, row) for row in chosen]


def _campaign_row(reader: Reader, campaign: Row) -> Row:
    counts, sums = campaign["counts"], Counter[str]()
    # Of one step: to the reader that is a sum over messages, and people are not told apart here.
    for slice_ in messages(reader, campaign["id"], steps=1):
        for row in slice_:
            sums.update({"attempts": row["attempts"], "on_time": row["on_time"] or 0})
    sent = counts["completed"] + counts["bounced"]
    return {
        "campaign": campaign["name"],
        "state": campaign["state"],
        "account": campaign["account"],
        "total": campaign["total"],
        "sent": sent,
        "bounced": counts["bounced"],
        "failed": counts["failed"],
        "uncertain": counts["uncertain"],
        "open": counts["pending"] + counts["processing"] + counts["held"],
        "skipped": counts["skipped"],
        "success_rate": _rate(sent, counts["failed"]),
        "on_time": sums["on_time"],
        "attempts": sums["attempts"],
    }


def job_rows(reader: Reader, since: int) -> list[Row]:
    """A row a kind of background jobs: how its jobs stand now, and how their runs ended since a time (us)."""
    rows = []
    for kind, states in totals(reader).items():
        ended = runs(reader, [kind], since)
        times = ended.times
        rows.append(
            {
                "kind": kind,
                "open": states["pending"] + states["processing"] + states["held"],
                "uncertain": states["uncertain"],
                "completed": ended.ended["completed"],
                "failed": ended.ended["failed"],
                "retried": ended.ended["retried"],
                "success_rate": _rate(ended.ended["completed"], ended.ended["failed"]),
                "average_us": times.average if times else None,
                "p50_us": times.p50 if times else None,
                "p95_us": times.p95 if times else None,
            }
        )
    return rows


def _rate(good: int, bad: int) -> float | None:
    """A share from 0 to 1 with four digits; None of nothing."""
    return round(good / (good + bad), 4) if good + bad else None


def _as_json(title: str, rows: Sequence[Row]) -> str:
    return json.dumps({"title": title, "rows": list(rows)}, ensure_ascii=False, indent=2) + "\n"


def _as_csv(title: str, rows: Sequence[Row]) -> str:
    text = StringIO()
    put, names = csv_rows(text, lineterminator="\n"), list(rows[0])
    put(names)
    for row in rows:
        put(row[name] for name in names)
    return text.getvalue()


def _as_markdown(title: str, rows: Sequence[Row]) -> str:
    """A table for people: shares as percent, times with their unit."""
    names = list(rows[0])
    heads = [name.removesuffix("_us").replace("_", " ") for name in names]
    lines = [f"# {title}", "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {' | '.join(_shown(name, row[name]) for name in names)} |" for row in rows]
    return "\n".join([*lines, ""])


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "success_rate":
        return f"{value:.1%}"
    if name.endswith("_us"):
        return format_duration(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


FORMATS: dict[Format, Callable[[str, Sequence[Row]], str]] = {"md": _as_markdown, "csv": _as_csv, "json": _as_json}
