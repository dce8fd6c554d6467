"""`paceline campaign`: start, pause, resume, cancel, retry, resolve, live."""

from __future__ import annotations

import click

from storage.errors import RefusedError, UsageError
from tui.cli.output import Json, dated, emit, local, out, pairs, say
from tui.cli.session import Session
from tui.cli.verbs import Change
from tui.safe_text import safe_text


def tell(session: Session, result: Json) -> None:
    """A change's answer: its JSON, or its sentence."""
    if session.json:
        emit(dated(result))
    else:
        out(safe_text(result["message"]))


@click.command("start", cls=Change)
@click.argument("name")
@click.option("--at", "at", metavar="TIME", help='Begin later: "2026-03-01 10:20", "10:20", "+2h", ISO 8601.')
@click.option("--dry-run", is_flag=True, help="Say what would be planned, with its forecast, and change nothing.")
@click.pass_obj
def start(session: Session, name: str, at: str | None, dry_run: bool) -> None:
    """Plan a message for everybody who has none and begin. Returns at once; the engine sends."""
    from tui.cli.times import now_us, parse_time

    args: Json = {"name": name, "dry_run": dry_run}
    if at is not None:
        args["at"] = parse_time(at, session.zone, now=now_us())
    if not dry_run:
        with session.reader() as reader:
            row = reader.campaign(name)
        live = "live" if row["live"] else "not live"
        session.confirm(f"Start {safe_text(name)} ({live}) for {row['recipients']:,} people?")
    result = session.call("campaign.start", args)
    if dry_run:
        _tell_dry_run(session, name, at, result)
    elif session.json:
        emit(dated(result))
    else:
        tell_started(session, name, result)


def _tell_dry_run(session: Session, name: str, at: str | None, result: Json) -> None:
    """What would be planned, and what would become of it."""
    from tui.cli.campaign_forecast import forecast_json, foretell, tell_forecast

    told = foretell(session, name, at)
    if session.json:
        emit({**dated(result), "forecast": forecast_json(told)})
        return
    out(safe_text(result["message"]))
    out()
    tell_forecast(told)


def tell_started(session: Session, name: str, result: Json) -> None:
    """What a start came to, when it ends beside what else its accounts have to send, and whether an engine is there."""
    from storage.lock import read_holder
    from tui.cli.tuning import ends_now, say_ends

    zone = session.zone
    out(safe_text(result["message"]))
    pairs(
        (
            ("batch", result.get("batch_id")),
            ("first due", local(result["first_due"], zone) if result.get("first_due") else ""),
            ("last due", local(result["last_due"], zone) if result.get("last_due") else ""),
            ("estimate", result.get("estimate")),
        )
    )
    say_ends(session, ends_now(session, lambda reader: [name]))
    if result.get("held"):
        say(f"held for you: {result['held']:,}; paceline job list --state held")
    if not result.get("dry_run") and read_holder(session.db) is None:
        say("no engine is running, so nothing is sent yet: paceline engine run")


@click.command("pause", cls=Change)
@click.argument("name")
@click.pass_obj
def pause(session: Session, name: str) -> None:
    """Begin nothing new; what is in flight finishes and is counted."""
    tell(session, session.call("campaign.pause", {"name": name}))


@click.command("resume", cls=Change)
@click.argument("name")
@click.pass_obj
def resume(session: Session, name: str) -> None:
    """Plan the rest anew by the same pacing, first gap included."""
    tell(session, session.call("campaign.resume", {"name": name}))


@click.command("cancel", cls=Change)
@click.argument("name")
@click.pass_obj
def cancel(session: Session, name: str) -> None:
    """Cancel: open messages are skipped after 10 s; until then `undo-cancel` takes it back."""
    session.confirm(f"Cancel {safe_text(name)}? Open messages are skipped in 10 s.")
    tell(session, session.call("campaign.cancel", {"name": name}))


@click.command("undo-cancel", cls=Change)
@click.argument("name")
@click.pass_obj
def undo_cancel(session: Session, name: str) -> None:
    """Take a cancel back within its 10 s."""
    tell(session, session.call("campaign.undo_cancel", {"name": name}))


@click.command("retry", cls=Change)
@click.argument("name")
@click.option(
    "--class", "which", type=click.Choice(["transient", "all"]), default="transient", show_default=True,
    help="Refusals that may pass, or every failed message.",
)  # fmt: skip
@click.option("--error", "error_key", default="", help="Only one reason: its key as in `job list --json`.")
@click.option(
    "--spread", default="", help="Spread them evenly over a time such as 2h of open hours, instead of the pacing."
)
@click.pass_obj
def retry(session: Session, name: str, which: str, error_key: str, spread: str) -> int:
    """Give failed messages a new budget, paced from now. Uncertain ones are never retried this way."""
    from engine.outcomes import TRANSIENT
    from engine.planning.durations import parse_spread
    from storage.fixed_set import FixedSet, of_campaign, of_reason
    from storage.reader import Reader
    from tui.cli.job_acts import act

    def fix(reader: Reader) -> FixedSet:
        campaign = reader.campaign(name)
        if campaign["state"] == "cancelled":
            raise RefusedError(f"campaign '{name}' is cancelled", hint="make a new campaign for those who failed")
        if error_key:
            return of_reason(reader, error_key, campaign["id"])
        return of_campaign(reader, campaign["id"], TRANSIENT if which == "transient" else ())

    chosen = f"campaign {name}{f', error {error_key}' if error_key else ''}"
    return act(session, "job.retry", fix, chosen, parse_spread(spread))


@click.command("resolve", cls=Change)
@click.argument("name")
@click.argument("job", type=int)
@click.option("--sent", "verdict", flag_value="sent", help="It was sent: count it so.")
@click.option("--again", "verdict", flag_value="again", help="Send it again; this may duplicate it.")
@click.pass_obj
def resolve(session: Session, name: str, job: int, verdict: str | None) -> None:
    """Say what became of the uncertain message JOB. Nothing automatic ever retries it."""
    if verdict is None:
        raise UsageError("say --sent or --again", hint="--again may send the message a second time")
    with session.reader() as reader:
        row = reader.job(job)
    if row["campaign"] != name:
        raise UsageError(f"job {job} does not belong to campaign '{name}'", hint="see `paceline job list`")
    if verdict == "again":
        question = f"Send to {safe_text(row['address'])} again? It may arrive twice."
        session.confirm(question, always=True)
    tell(session, session.call("job.resolve", {"job": job, "verdict": verdict}))


@click.command("live", cls=Change)
@click.argument("name")
@click.option("--off", is_flag=True, help="Back to the allow-list only.")
@click.pass_obj
def live(session: Session, name: str, off: bool) -> None:
    """Let the campaign reach any address. Before it reaches only outbox accounts and the allow-list."""
    if not off:
        session.confirm(f"Let {safe_text(name)} reach any address?")
    tell(session, session.call("campaign.live", {"name": name, "live": not off}))
