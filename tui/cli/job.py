"""`paceline job`: list, show, retry."""

from __future__ import annotations

import click

from tui.cli.campaign_run import tell
from tui.cli.facts import job_json, states_of
from tui.cli.output import dated, emit, local, out, pairs, say, table
from tui.cli.session import Session
from tui.cli.verbs import Change, Lazy, LazyGroup, Verb


@click.group(
    "job",
    cls=LazyGroup,
    lazy={
        "list": Lazy("tui.cli.job:list_", "Jobs, narrowed by state, campaign, batch, reason."),
        "show": Lazy("tui.cli.job:show", "One job with every attempt and the server's words."),
        "retry": Lazy("tui.cli.job:retry", "Try these jobs again."),
    },
)
def job() -> None:
    """The one unit of work: a message is a job of kind `send`."""


@click.command("list", cls=Verb)
@click.option("--state", default="", help="Only these states, for example failed,uncertain.")
@click.option("--campaign", "-c", help="Only of this campaign.")
@click.option("--batch", "batch_id", type=int, help="Only of this batch.")
@click.option("--error", "error_key", default="", help="Only this reason (`error_key`).")
@click.option("--after", type=int, default=0, help="Go on after this job id.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.pass_obj
def list_(
    session: Session, state: str, campaign: str | None, batch_id: int | None, error_key: str, after: int, limit: int
) -> None:
    """Jobs by id, a page at a time."""
    states = states_of(state)
    with session.reader() as reader:
        campaign_id = reader.campaign(campaign)["id"] if campaign else None
        rows = reader.jobs(
            states=states, campaign_id=campaign_id, batch_id=batch_id, error_key=error_key, after=after, limit=limit + 1
        )
    more, rows = len(rows) > limit, rows[:limit]
    if session.json:
        emit(
            {
                "count": len(rows),
                "next_after": rows[-1]["id"] if more else None,
                "jobs": [job_json(row) for row in rows],
            }
        )
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
    if more:
        say(f"more: --after {rows[-1]['id']}")


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
            ("try", "began", "outcome", "phase", "code", "server said"),
            [
                (a["number"], local(a["intent_at"], zone), a["outcome"] or "unknown", a["phase"], a["code"], a["reply"])
                for a in row["attempts_log"]
            ],
        )
    if row["state"] == "uncertain":
        say(f"sent or not? paceline campaign resolve {row['campaign']} {row['id']} --sent|--again")


@click.command("retry", cls=Change)
@click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)
@click.option("--spread", default="", help="Spread them evenly over a time such as 2h.")
@click.pass_obj
def retry(session: Session, ids: tuple[int, ...], spread: str) -> int:
    """Give these failed or held jobs a new budget. Exit 1 when none of them could be retried."""
    from engine.control.retrying import parse_spread

    result = session.call("job.retry", {"ids": list(ids), "spread": parse_spread(spread)})
    tell(session, result)
    return 0 if result["retried"] == len(set(ids)) else 1
