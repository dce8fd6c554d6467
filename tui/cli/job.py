"""`paceline job`: list, show; `job_acts` and `job_sent` change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storage.errors import UsageError
from storage.filter_sql import exactly
from tui.cli.facts import job_json, states_of
from tui.cli.output import dated, emit, local, out, pairs, say, table
from tui.cli.session import Session
from tui.cli.verbs import Lazy, LazyGroup, Verb

if TYPE_CHECKING:
    from storage.jobs_page import Place


@click.group(
    "job",
    cls=LazyGroup,
    lazy={
        "list": Lazy("tui.cli.job:list_", "Jobs, narrowed by a filter, in three orders."),
        "failures": Lazy("tui.cli.job_failures:failures", "Why jobs failed, grouped by reason."),
        "show": Lazy("tui.cli.job:show", "One job with every attempt and the server's words."),
        "explain": Lazy("tui.cli.explain:job", "Why it does not leave now, and when it will: every gate."),
        "retry": Lazy("tui.cli.job_acts:retry", "Try these jobs again, by id, filter or reason."),
        "cancel": Lazy("tui.cli.job_acts:cancel", "Cancel jobs that wait, by id or by filter."),
        "undo": Lazy("tui.cli.job_acts:undo", "Take a retry or a cancel back."),
        "sent": Lazy("tui.cli.job_sent:sent", "Say of uncertain ones that they were sent."),
    },
)
def job() -> None:
    """The one unit of work: a message is a job of kind `send`."""


@click.command("list", cls=Verb)
@click.option("--filter", "text", default="", help='As in the console: "state:failed error:~421 since:1h".')
@click.option("--state", default="", help="Only these states, for example failed,uncertain.")
@click.option("--campaign", "-c", help="Only of this campaign.")
@click.option("--batch", "batch_id", type=int, help="Only of this batch.")
@click.option("--error", "error_key", default="", help="Only this reason (`error_key`).")
@click.option("--sort", type=click.Choice(["id", "due", "changed", "tried"]), default="id", show_default=True)
@click.option("--descending", is_flag=True, help="The other way round.")
@click.option("--after", default="", help="Go on after `next_after` of the page before.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.pass_obj
def list_(
    session: Session, text: str, state: str, campaign: str | None, batch_id: int | None, error_key: str, sort: str,
    descending: bool, after: str, limit: int,
) -> None:  # fmt: skip
    """Jobs a page at a time, narrowed by a filter."""
    from storage.filter_terms import Filter, Number, States
    from storage.filters import parse
    from storage.jobs_page import Query, Sort, page, place_of
    from tui.cli.times import now_us

    terms = list(parse(text).terms)
    terms += [States(states)] if (states := states_of(state)) else []
    terms += [exactly("campaign", campaign)] if campaign else []
    terms += [exactly("error", error_key)] if error_key else []
    terms += [Number("batch", batch_id, batch_id)] if batch_id is not None else []
    query = Query(Filter(tuple(terms)), Sort(sort), descending, now_us())
    with session.reader() as reader:
        if campaign:
            reader.campaign(campaign)
        found = page(reader, query, after=_place(after, by_id=sort == "id"), limit=limit)
    rows = found.rows
    next_after: int | str | None = None
    if found.more:
        last = place_of(rows[-1], query.sort)
        next_after = last.id if sort == "id" else f"{last.key}:{last.id}"
    if session.json:
        emit({"count": len(rows), "next_after": next_after, "jobs": [job_json(row) for row in rows]})
        return
    zone = session.zone
    shown = [
        (
            row["id"], row["campaign"], row["address"], row["state"], row["attempts"],
            local(row["sent_at"] or row["due_at"], zone), row["error"] or row["reason"],
        )
        for row in rows
    ]  # fmt: skip
    table(("job", "campaign", "address", "state", "tries", "sent or due", "error"), shown, empty="no such job")
    if found.more:
        say(f"more: --after {next_after}")


def _place(text: str, *, by_id: bool) -> Place | None:
    """Where a page goes on. Raises UsageError."""
    from storage.jobs_page import Place

    key, _, id = text.rpartition(":")
    if not text:
        return None
    if not id.isdecimal() or bool(key) == by_id or (key and not key.isdecimal()):
        raise UsageError(f"--after {text[:40]} is no place in this order", hint="take `next_after` of the page before")
    return Place(int(key or id), int(id))


@click.command("show", cls=Verb)
@click.argument("job_id", metavar="ID", type=int)
@click.pass_obj
def show(session: Session, job_id: int) -> None:
    """One job with every attempt and the server's words."""
    with session.reader() as reader:
        row = reader.job(job_id)
    if session.json:
        data = job_json(row)
        # The person's fields may name a column like one of our times: they stay as they are.
        emit({**data, "fields": row.get("fields", {}), "attempts_log": [dated(item) for item in row["attempts_log"]]})
        return
    zone = session.zone
    pairs(
        (
            ("job", f"{row['id']} ({row['kind']})"),
            ("campaign", row["campaign"]),
            ("address", row["address"]),
            ("state", row["state"] + (f" ({row['reason']})" if row["reason"] else "")),
            ("batch", row["batch_id"]),
            ("queue", row["queue"]),
            ("priority", row["priority"]),
            ("due", local(row["due_at"], zone)),
            ("sent", local(row["sent_at"], zone) if row["sent_at"] else ""),
            ("error", row["error"]),
            ("error key", row["error_key"]),
            ("Message-ID", row["message_id"]),
        )
    )
    if row["attempts_log"]:
        out()
        table(
            ("try", "began", "server", "outcome", "phase", "code", "server said"),
            [
                (
                    a["number"],
                    local(a["intent_at"], zone),
                    a["server"],
                    a["outcome"] or "unknown",
                    a["phase"],
                    a["code"],
                    a["reply"],
                )
                for a in row["attempts_log"]
            ],
        )
    if row["state"] == "uncertain":
        say(f"sent or not? paceline campaign resolve {row['campaign']} {row['id']} --sent|--again")
