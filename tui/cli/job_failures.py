"""`paceline job failures`: why jobs failed, grouped by reason."""

from __future__ import annotations

import click

from tui.cli.output import Json, emit, local, table
from tui.cli.session import Session
from tui.cli.verbs import Verb


@click.command("failures", cls=Verb)
@click.option("--filter", "text", default="", help='As in the console: "since:24h campaign:spring* kind:soft,net".')
@click.pass_obj
def failures(session: Session, text: str) -> None:
    """Why jobs failed: one row a reason, with how many, the kind, and whether they are retried."""
    from storage.failure_groups import jobs_filter, narrowing
    from storage.filter_languages import FAILURES
    from storage.filter_terms import render
    from storage.filters import parse
    from tui.cli.times import now_us
    from tui.failure_groups import groups

    filter = parse(text, FAILURES)
    with session.reader() as reader:
        rows, every = groups(reader, filter, now_us())
    if session.json:
        narrowed = narrowing(filter)
        found = [_json(row, render(jobs_filter(row["error_key"], narrowed))) for row in rows]
        emit({"count": len(rows), "total": every, "jobs": sum(row["n"] for row in rows), "failures": found})
        return
    zone = session.zone
    shown = [
        (
            row["n"], row["kind"], row["retry"], local(row["last_at"], zone) if row["last_at"] else "",
            ", ".join(row["queues"]), row["campaigns"], row["error_key"],
        )
        for row in rows
    ]  # fmt: skip
    empty = "no failure matches" if every else "nothing has failed"
    table(("n", "kind", "retry", "last", "queue", "campaigns", "error"), shown, empty=empty)


def _json(row: Json, jobs: str) -> Json:
    """A group, and the filter of its jobs for `job list` and `job retry`."""
    from tui.cli.output import dated

    names = (
        "error_key", "n", "kind", "retry", "failed", "uncertain", "held", "pending", "queues", "first_at", "last_at",
        "advice", "sample",
    )  # fmt: skip
    return {**dated({name: row[name] for name in names}), "campaigns": row["by_campaign"], "filter": jobs}
