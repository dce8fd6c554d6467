"""`paceline job`: the group and its list; each other verb stands in a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storage.errors import UsageError
from storage.filter_sql import exactly
from storage.model import SEND
from tui.cli.facts import job_json, states_of
from tui.cli.job_show import progress_words, took
from tui.cli.output import Json, emit, local, say, table
from tui.cli.session import Session
from tui.cli.verbs import Lazy, LazyGroup, Verb

if TYPE_CHECKING:
    from datetime import tzinfo

    from storage.filter_terms import Not, Term
    from storage.jobs_page import Place


@click.group(
    "job",
    cls=LazyGroup,
    lazy={
        "list": Lazy("tui.cli.job:list_", "Jobs, narrowed by a filter, in three orders."),
        "failures": Lazy("tui.cli.job_failures:failures", "Why jobs failed, grouped by reason."),
        "show": Lazy("tui.cli.job_show:show", "One job with every attempt, its progress and its result."),
        "add": Lazy("tui.cli.job_add:add", "Make a background job, or all of a file."),
        "types": Lazy("tui.cli.job_types:types", "The kinds of background jobs, and what each is given."),
        "stats": Lazy("tui.cli.job_stats:stats", "How many background jobs, how well and how fast they end."),
        "work": Lazy("tui.cli.job_work:work", "Run what background jobs there are, here and now."),
        "explain": Lazy("tui.cli.explain:job", "Why it does not begin now, and when it will: every gate."),
        "retry": Lazy("tui.cli.job_acts:retry", "Try these jobs again, by id, filter or reason."),
        "cancel": Lazy("tui.cli.job_acts:cancel", "Cancel jobs that wait, end background jobs that run."),
        "undo": Lazy("tui.cli.job_acts:undo", "Take a retry, a cancel or an approval back."),
        "again": Lazy("tui.cli.job_fix:again", "Make a background job once more, given the same."),
        "reset": Lazy("tui.cli.job_fix:reset", "Take a background job back that nobody runs any more."),
        "resolve": Lazy("tui.cli.job_fix:resolve", "Say what became of an uncertain background job."),
        "sent": Lazy("tui.cli.job_sent:sent", "Say of uncertain messages that they were sent."),
    },
)
def job() -> None:
    """The one unit of work: a message is a job of kind `send`, all others are background jobs."""


@click.command("list", cls=Verb)
@click.option("--filter", "text", default="", help='As in the console: "state:failed error:~421 since:1h".')
@click.option("--state", default="", help="Only these states, for example failed,uncertain.")
@click.option("--failed", is_flag=True, help="Only those that failed.")
@click.option("--kind", "kinds", multiple=True, help="Only of this kind; send is a message. Several are allowed.")
@click.option("--queue", help="Only of this queue.")
@click.option("--today", is_flag=True, help="Only those made today, in the zone of the configuration.")
@click.option("--since", default="", metavar="TIME", help="Only those that changed in this time: 24h, 7d.")
@click.option("--campaign", "-c", help="Only of this campaign.")
@click.option("--batch", "batch_id", type=int, help="Only of this batch.")
@click.option("--error", "error_key", default="", help="Only this reason (`error_key`).")
@click.option("--sort", type=click.Choice(["id", "due", "changed", "tried"]), default="id", show_default=True)
@click.option("--descending", is_flag=True, help="The other way round.")
@click.option("--after", default="", help="Go on after `next_after` of the page before.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.pass_obj
def list_(
    session: Session, text: str, state: str, failed: bool, kinds: tuple[str, ...], queue: str | None, today: bool,
    since: str, campaign: str | None, batch_id: int | None, error_key: str, sort: str, descending: bool, after: str,
    limit: int,
) -> None:  # fmt: skip
    """Jobs a page at a time, narrowed by a filter."""
    from storage.filter_terms import Filter, Match, Number, States, literal
    from storage.filters import parse
    from storage.jobs_page import Query, Sort, page, place_of
    from tui.cli.times import now_us

    now = now_us()
    terms = list(parse(text).terms)
    terms += [States(states)] if (states := states_of(state)) else []
    terms += [States(("failed",))] if failed else []
    terms += [Match("kind", tuple(map(literal, kinds)))] if kinds else []
    terms += [exactly("queue", queue)] if queue else []
    terms += _times(session, today, since, now)
    terms += [exactly("campaign", campaign)] if campaign else []
    terms += [exactly("error", error_key)] if error_key else []
    terms += [Number("batch", batch_id, batch_id)] if batch_id is not None else []
    query = Query(Filter(tuple(terms)), Sort(sort), descending, now)
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
    _show(rows, session.zone)
    if found.more:
        say(f"more: --after {next_after}")


def _times(session: Session, today: bool, since: str, now: int) -> list[Term | Not]:
    from storage.filter_terms import Time
    from storage.filters import parse
    from tui.cli.times import midnight

    found: list[Term | Not] = [Time("created", False, now - midnight(session.zone, now))] if today else []
    return [*found, *parse(f"since:{since}").terms] if since else found


def _show(rows: list[Json], zone: tzinfo) -> None:
    """Messages by whom they are for; where background jobs are among them by what they are and what they did."""
    if all(row["kind"] == SEND for row in rows):
        table(
            ("job", "campaign", "address", "state", "tries", "sent or due", "error"),
            [
                (row["id"], row["campaign"], row["address"], row["state"], row["attempts"],
                 local(row["sent_at"] or row["due_at"], zone), row["error"] or row["reason"])
                for row in rows
            ],
            empty="no such job",
        )  # fmt: skip
        return
    jobs = [
        (row["id"], row["kind"], row["address"] or row["campaign"], row["state"], row["priority"], row["attempts"],
         local(row["finished_at"] or row["sent_at"] or row["due_at"], zone), took(row), _told(row))
        for row in rows
    ]  # fmt: skip
    whom = any(row["kind"] == SEND for row in rows)
    titles = ("job", "kind", "for", "state", "priority", "tries", "ended or due", "took", "error or progress")
    kept = [column for column in range(len(titles)) if whom or titles[column] != "for"]
    table([titles[column] for column in kept], [[job[column] for column in kept] for job in jobs])


def _told(row: Json) -> str:
    if row["kind"] == SEND:
        return str(row["error"] or row["reason"])
    return str(row["error"] or row["flag"] or row["reason"] or progress_words(row))


def _place(text: str, *, by_id: bool) -> Place | None:
    """Where a page goes on. Raises UsageError."""
    from storage.jobs_page import Place

    key, _, id = text.rpartition(":")
    if not text:
        return None
    if not id.isdecimal() or bool(key) == by_id or (key and not key.isdecimal()):
        raise UsageError(f"--after {text[:40]} is no place in this order", hint="take `next_after` of the page before")
    return Place(int(key or id), int(id))
