"""`paceline campaign`: timeline."""

from __future__ import annotations

import click

from storage.model import SECOND
from tui.cli.output import Json, dated, emit, local, say, span, table
from tui.cli.session import Session
from tui.cli.verbs import Verb

MOST = 10_000


@click.command("timeline", cls=Verb)
@click.argument("name")
@click.option("--past", type=click.IntRange(0, MOST), default=10, show_default=True, help="So many that were sent.")
@click.option("--next", "coming", type=click.IntRange(0, MOST), default=20, show_default=True, help="So many to come.")
@click.pass_obj
def timeline(session: Session, name: str, past: int, coming: int) -> None:
    """Its sends around now: what was sent, planned against actual, and what comes, each with the gap before it.

    What comes is told as the forecast has it: caps, windows and other campaigns are reckoned with, refusals are not,
    and `plan` says how far that is from its plan. While it does not run, or a person has to open its queue first, the
    plan alone is told.
    """
    from storage import sends
    from tui.cli.campaign_forecast import readable_config
    from tui.cli.times import now_us
    from tui.foreseeing import expect, expected
    from tui.format import off_plan

    config = readable_config(session)
    with session.reader() as reader:
        row = reader.campaign(name)
        queues = [one["id"] for one in row["accounts"]]
        back = sends.past(reader, row["id"], queues, limit=past) if past else sends.Page([], None)
        forth = sends.coming(reader, row["id"], limit=coming) if coming else sends.Page([], None)
        expect(forth.rows, expected(reader, name, config, now_us()) if coming else {}, row["last_start"])
    if session.json:
        emit(
            {
                "campaign": name,
                "account": row["account"],
                "accounts": [one["name"] for one in row["accounts"]],
                **dated({"read_at": now_us()}),
                "past": [_past_json(sent) for sent in back.rows],
                "coming": [_coming_json(job) for job in forth.rows],
                "more_past": back.further is not None,
                "more_coming": forth.further is not None,
            }
        )
        return
    zone = session.zone

    def gap(of: Json) -> str:
        return "" if of["gap"] is None else span(of["gap"] // SECOND * SECOND)

    shown = [
        (
            local(s["begun_at"], zone),
            gap(s),
            s["outcome"] or "in flight",
            off_plan(s["later"]),
            s["address"],
            s["account"],
        )
        for s in back.rows
    ]
    shown += [
        (local(j["expected_at"] or j["due_at"], zone), gap(j), _waits(j), _expected(j), j["address"], j["account"])
        for j in forth.rows
    ]
    table(("time", "gap", "state", "plan", "recipient", "account"), shown, empty="nothing was sent and nothing is due")
    if forth.further is not None:
        say("and more later: --next N")


def _waits(job: Json) -> str:
    return f"retry {job['attempts'] + 1}" if job["error_key"] else job["state"]


def _expected(job: Json) -> str:
    from tui.format import off_plan

    return "planned" if job["expected_at"] is None else off_plan(job["expected_at"] - job["due_at"])


def _past_json(sent: Json) -> Json:
    later, gap = sent["later"], sent["gap"]
    return dated(
        {
            "job": sent["id"],
            "recipient": sent["address"],
            "account": sent["account"],
            "attempt": sent["number"],
            "outcome": sent["outcome"],
            "state": sent["state"],
            "planned_at": sent["planned_at"],
            "begun_at": sent["begun_at"],
            "sent_at": sent["sent_at"],
            "later_by_seconds": None if later is None else later / SECOND,
            "gap_seconds": None if gap is None else gap / SECOND,
        }
    )


def _coming_json(job: Json) -> Json:
    gap = job["gap"]
    return dated(
        {
            "job": job["id"],
            "recipient": job["address"],
            "account": job["account"],
            "attempts": job["attempts"],
            "due_at": job["due_at"],
            "expected_at": job["expected_at"],
            "gap_seconds": None if gap is None else gap / SECOND,
        }
    )
