"""`paceline job reset`, `again` and `resolve`: a person's word on a background job that is stuck, over or uncertain."""

from __future__ import annotations

import click

from storage.errors import RefusedError, UsageError
from storage.model import SEND, Effect
from tui.cli.campaign_run import tell
from tui.cli.session import Session
from tui.cli.verbs import ID, Change
from tui.safe_text import safe_text


@click.command("reset", cls=Change)
@click.argument("job_id", metavar="ID", type=ID)
@click.pass_obj
def reset(session: Session, job_id: int) -> None:
    """Take a background job back that runs nowhere any more, so that it is run again.

    Engines do so by themselves when its lease has run out, within a minute and a half. Refused (4) while it runs, with
    the reason. One that must not run twice becomes uncertain instead.
    """
    with session.reader() as reader:
        before = reader.job(job_id)
    with session.control() as control:
        # Without an engine, taking the lock has settled what a dead one left.
        with session.reader() as reader:
            now = reader.job(job_id)
        if before["kind"] != SEND and before["state"] == "processing" and now["state"] != "processing":
            message = f"job {job_id} was left behind by an engine that ended: it is {now['state']} now"
            result = {"success": True, "job": job_id, "state": now["state"], "message": message}
        else:
            result = control.call("job.reset", {"job": job_id})
    tell(session, result)


@click.command("again", cls=Change)
@click.argument("job_id", metavar="ID", type=ID)
@click.pass_obj
def again(session: Session, job_id: int) -> None:
    """Make a new background job like one that is over: of its kind, with the same payload, due now."""
    from storage.task_facts import task

    with session.reader() as reader:
        row = reader.job(job_id)
        known = task(reader, job_id)
    if known is not None and known["effect"] == Effect.UNREPEATABLE and row["state"] == "completed":
        session.confirm(f"Job {job_id} ({row['kind']}) was done. Do it a second time?", always=True)
    tell(session, session.call("job.again", {"job": job_id}))


@click.command("resolve", cls=Change)
@click.argument("job_id", metavar="ID", type=ID)
@click.option("--done", "verdict", flag_value="sent", help="It was done: count it so.")
@click.option("--again", "verdict", flag_value="again", help="Run it again; what it does may happen twice.")
@click.pass_obj
def resolve(session: Session, job_id: int, verdict: str | None) -> None:
    """Say what became of an uncertain background job. Nothing automatic ever runs it again."""
    if verdict is None:
        raise UsageError("say --done or --again", hint="--again may do it a second time")
    with session.reader() as reader:
        row = reader.job(job_id)
    if row["kind"] == SEND:
        hint = f"paceline campaign resolve {row['campaign']} {job_id} --sent|--again"
        raise RefusedError(f"job {job_id} is a message", hint=hint)
    if verdict == "again":
        session.confirm(
            f"Run job {job_id} ({safe_text(row['kind'])}) again? What it does may happen twice.", always=True
        )
    tell(session, session.call("job.resolve", {"job": job_id, "verdict": verdict}))
