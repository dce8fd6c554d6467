"""`paceline events`: audit and log."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from tui.cli.output import Json, dated, emit_line, local, out
from tui.cli.session import Session
from tui.cli.verbs import Verb
from tui.safe_text import safe_text

LOOK = 0.2
"""Seconds between two looks at the store's change mark (2 us each)."""


@click.command("events", cls=Verb)
@click.option("--follow", "-f", is_flag=True, help="Go on as they happen.")
@click.option("--campaign", "-c", help="Only of this campaign.")
@click.option("--kind", default="", help="Only of this kind, or of all under it: campaign, pipeline.stage.")
@click.option("--job", "job_id", type=click.IntRange(1), default=None, help="Only of this job.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="The newest so many.")
@click.pass_obj
def events(session: Session, follow: bool, campaign: str | None, kind: str, job_id: int | None, limit: int) -> None:
    """Who did what and what happened, oldest first; with --json one JSON line an event."""
    with session.reader() as reader:
        campaign_id = reader.campaign(campaign)["id"] if campaign else None
        of: dict[str, Any] = {"campaign_id": campaign_id, "kind": kind, "job_id": job_id or 0}
        rows = reader.events(limit=limit, **of)
        _print(session, rows)
        last = rows[-1]["id"] if rows else 0
        seen = reader.data_version()
        while follow:
            sys.stdout.flush()
            time.sleep(LOOK)
            if (version := reader.data_version()) == seen:
                continue
            seen = version
            rows = reader.events(after=last, limit=1_000, **of)
            _print(session, rows)
            last = rows[-1]["id"] if rows else last


def _print(session: Session, rows: list[Json]) -> None:
    zone = session.zone
    for row in rows:
        if session.json:
            emit_line(dated(row))
            continue
        mark = "" if row["level"] == "info" else f"{row['level']}: "
        out(f"{local(row['at'], zone)}  {safe_text(row['kind']):<22}  {mark}{safe_text(row['text'])}")
