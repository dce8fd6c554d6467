"""`paceline batch`: what one start, one added import or one retry made."""

from __future__ import annotations

import click

from tui.cli.facts import batch_json, result_json
from tui.cli.output import Json, emit, out, pairs, say, table
from tui.cli.session import Session
from tui.cli.times import now_us
from tui.cli.verbs import ID, Lazy, LazyGroup, Verb

RESULTS = 10


@click.group(
    "batch",
    cls=LazyGroup,
    lazy={
        "list": Lazy("tui.cli.batch:list_", "The latest batches."),
        "show": Lazy("tui.cli.batch:show", "One batch: progress, duration, results."),
    },
)
def batch() -> None:
    """The jobs that one start, one added import or one `job add` made."""


@click.command("list", cls=Verb)
@click.option("--campaign", "-c", help="Only of this campaign.")
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True)
@click.pass_obj
def list_(session: Session, campaign: str | None, limit: int) -> None:
    """The latest batches, newest first."""
    now = now_us()
    with session.reader() as reader:
        campaign_id = reader.campaign(campaign)["id"] if campaign else None
        rows = reader.batches(campaign_id=campaign_id, limit=limit)
        total = reader.batch_total(campaign_id=campaign_id)
    batches = [batch_json(row, now) for row in rows]
    if session.json:
        emit({"count": len(batches), "total": total, "jobs": batches})
        return
    shown = [
        (
            b["id"], b["campaign"], b["kind"], b["filename"], b["status"], b["total"], b["progress"]["sent"],
            b["progress"]["failed"], f"{b['progress']['percentage']}%", b["duration"],
        )
        for b in batches
    ]  # fmt: skip
    titles = ("batch", "campaign", "kind", "name", "status", "total", "sent or done", "failed", "over", "took")
    table(titles, shown, empty="no batch yet")


@click.command("show", cls=Verb)
@click.argument("batch_id", metavar="ID", type=ID)
@click.option("--limit", type=click.IntRange(0, 100_000), default=RESULTS, show_default=True, help="So many results.")
@click.option("--after", type=int, default=0, help="Results after this job id.")
@click.option("--watch", is_flag=True, help="First tell its progress on stderr, until it is over.")
@click.pass_obj
def show(session: Session, batch_id: int, limit: int, after: int, watch: bool) -> None:
    """One batch: progress, duration, summary and the first results."""
    if watch:
        from tui.cli.watching import watch_batch

        watch_batch(session, batch_id)
    from storage import work_facts

    with session.reader() as reader:
        row = reader.batch(batch_id)
        results = reader.batch_results(batch_id, after=after, limit=limit)
        staged = work_facts.batch(reader, batch_id) if row["campaign_id"] is None else {}
    data = batch_json(row, now_us(), staged)
    data["results"] = [result_json(result) for result in results]
    data["resultsNote"] = f"Showing {len(results):,} of {data['total']:,} results"
    data["next_after"] = results[-1]["id"] if len(results) == limit and limit else None
    if session.json:
        emit(data)
        return
    steps = data["progress"]
    pairs(
        (
            ("batch", f"{batch_id} ({data['kind']} of {data['campaign'] or data['filename']})"),
            ("status", data["status"]),
            ("stage", _stage_words(data["stages"]) if data["stages"] else ""),
            ("progress", f"{steps['current']:,} of {steps['total']:,} ({steps['percentage']}%)"),
            ("sent" if data["campaign"] else "done", f"{steps['sent']:,}"),
            ("failed", f"{steps['failed']:,}"),
            ("took", data["duration"]),
        )
    )
    if results and data["campaign"]:
        out()
        table(
            ("address", "status", "rows", "error"),
            [(r["email"], r["status"], r["orderCount"], r["error"]) for r in data["results"]],
        )
        out(data["resultsNote"])
    elif results:
        out()
        table(
            ("job", "kind", "stage", "state", "error"),
            [(r["job_id"], r["job_type"], r["stage"] or "", r["state"], r["error"]) for r in data["results"]],
        )
        out(data["resultsNote"])
    if data["stages"] and data["stages"]["blocked"]:
        say(f'its later stages wait for you: paceline job retry --filter "batch:{batch_id} state:failed"')


def _stage_words(stages: Json) -> str:
    waits = f"; {stages['waiting']:,} wait for it to end" if stages["waiting"] else ""
    bad = f", {stages['failed'] + stages['uncertain']:,} ended badly" if stages["blocked"] else ""
    return f"{stages['current']}{waits}{bad}"
