"""`paceline send`: new, import and start in one act."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from storage.errors import RefusedError
from storage.lock import read_holder
from storage.nouns import RecipientRow
from storage.reader import Reader
from tui.cli.campaign_make import (
    approval_of,
    approval_options,
    letter_options,
    new_args,
    pacing_options,
    refuse_taken,
    window_and_pacing,
)
from tui.cli.campaign_run import tell_started
from tui.cli.output import Json, dated, emit, iso, out, pairs, say, span
from tui.cli.recipients import file_options, refuse_if_nobody, tell_problems
from tui.cli.session import Session
from tui.cli.times import now_us
from tui.cli.tuning import window_options
from tui.cli.verbs import Change
from tui.format import plural
from tui.safe_text import safe_text


@click.command("send", cls=Change)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--template", "-t", type=click.Path(path_type=Path), help="The message.")
@click.option("--account", "-a", required=True, help="Who sends.")
@click.option("--name", help="The campaign's name [the file's, with the time].")
@click.option("--live", is_flag=True, help="Reach any address, not only the allow-list.")
@click.option("--wait", is_flag=True, help="Return when all is sent; with no engine running, send from here.")
@click.option("--priority", type=click.IntRange(1, 10), default=5, show_default=True, help="10 runs first.")
@click.option("--weight", type=click.IntRange(1, 100), default=1, show_default=True, help="Its turns beside others.")
@letter_options
@window_options
@pacing_options
@approval_options
@file_options
@click.pass_obj
def send(
    session: Session,
    /,
    file: Path,
    template: Path | None,
    account: str,
    name: str | None,
    live: bool,
    wait: bool,
    priority: int,
    weight: int,
    subject: str | None,
    text: Path | None,
    html: Path | None,
    attach: tuple[Path, ...],
    headers: tuple[str, ...],
    mapping: tuple[str, ...],
    group_by: str | None,
    sheet: str | None,
    encoding: str | None,
    delimiter: str | None,
    rejects: Path | None,
    **options: Any,
) -> int:
    """Send a message to everybody in FILE: makes a campaign, imports, starts, and prints campaign and batch at once.

    Everything is checked first; what is refused makes nothing. Exit 1 with --wait when not all were sent.
    With --wait and no engine, one runs meanwhile, and it is everybody's: what is due of other active campaigns leaves
    too, background jobs run and schedules fire. It says so before it begins. `campaign pause` keeps one out.
    """
    from tui.cli.importing import Source, import_file, parse_mapping
    from tui.cli.letters import read_letter

    session.refuse_read_only()
    name = name or _name_for(file)
    letter = read_letter(template, subject=subject, text=text, html=html, headers=headers, attach=attach)
    asks = approval_of(options.pop("approval"), options.pop("approval_time"))
    window, pacing = window_and_pacing(options)
    args = new_args(name, account, pacing, letter, priority=priority, weight=weight, window=window, **asks)
    by_profile = session.config().account(account).channel == "unipile"
    source = Source(file, parse_mapping(mapping), group_by, sheet, encoding, delimiter, by_profile)
    refuse_taken(session, name)
    people = _check(session, source, letter, account, live)
    session.confirm(f"Send to {people:,} people through {safe_text(account)}?")
    with session.control() as control:
        control.call("campaign.new", args)
        done = import_file(source, name, control, rejects=rejects)
        if live:
            control.call("campaign.live", {"name": name, "live": True})
        started = control.call("campaign.start", {"name": name})
    # What this process holds of the lock is free again: an engine may start.
    result = {**started, "job": _job(started, file), "recipients": done.to_json()}
    if not wait:
        if session.json:
            emit(dated(result))
        else:
            out(f"campaign {name}")
            tell_started(session, name, started)
        tell_problems(done)
        return 0
    if not session.json:
        out(f"campaign {name}, batch {started['batch_id']}: {safe_text(started['message'])}")
    tell_problems(done)
    return _wait(session, started["batch_id"], result)


def _name_for(file: Path) -> str:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip("-._")[:40] or "send"
    return f"{stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def _check(session: Session, source: Any, letter: Any, account_name: str, live: bool) -> int:
    """Read the whole file before anything is made; returns how many people are in it. Raises PacelineError."""
    from engine.composer import make_factory
    from engine.config import allow_listed
    from engine.preflight import cold
    from storage.model import CampaignState
    from storage.nouns import Campaign, Step
    from tui.cli.importing import look_through

    config = session.config()
    account = config.account(account_name)
    headers, files = letter.headers, tuple(letter.attachments)
    step = Step(0, 0, 1, letter.subject, letter.text, letter.html, headers, files)
    nobody = Campaign(
        0, "", CampaignState.DRAFT, "", "", 0, account_name, 5, 1, {}, {}, live, 0, 0, None, None, None, 0, 1
    )
    factory = make_factory(nobody, step, account)
    if refusal := cold.refusal(nobody, account):
        raise RefusedError(refusal.message, hint=f"{refusal.hint}; nothing was made")
    guarded = not live and account.channel != "outbox"
    outside, lacking = 0, {}

    def visit(person: RecipientRow) -> None:
        nonlocal outside
        outside += guarded and not allow_listed(config, person.address)
        if factory.fields and (missing := factory.missing(person.fields, address=person.address)):
            lacking[person.row] = missing

    found = look_through(source, visit=visit)
    refuse_if_nobody(found)
    if outside:
        raise RefusedError(
            f"{outside:,} addresses are not on the allow-list, and the campaign would not be live: nothing was made",
            hint="add --live to reach them",
        )
    if lacking:
        row, names = next(iter(lacking.items()))
        raise RefusedError(
            f"{len(lacking):,} people lack a field that the message needs: row {row} has no {', '.join(names)}",
            hint=f'fill it in, or write {{{{ {names[0]} | default("...") }}}}; nothing was made',
        )
    return found.counts.imported


def _job(started: Json, file: Path) -> Json:
    begin, end = started["first_due"], started["estimated_completion"]
    return {
        "id": started["batch_id"],
        "filename": file.name,
        "totalEmails": started["queued"],
        "status": "pending",
        "estimatedTime": span(max(0, end - (begin or end))),
        "statusUrl": f"paceline batch show {started['batch_id']} --json",
        "createdAt": iso(now_us()),
    }


def _wait(session: Session, batch_id: int, result: Json) -> int:
    """Until the batch is done, or nothing of it can run without a person."""
    from tui.cli.facts import batch_json, result_json

    def done(reader: Reader) -> bool:
        return bool(reader.batch(batch_id)["state"] == "done")

    holder = read_holder(session.db)
    if holder is None:
        from tui.cli.headless import Headless

        result["beside"] = _company(session, batch_id)
        _tell_company(result["beside"])
        Headless(session.db, session.load_config, done=done).run(until_idle=True)
    else:
        from tui.cli.watching import watch_batch

        watch_batch(session, batch_id)
    with session.reader() as reader:
        row = reader.batch(batch_id)
        rows = reader.batch_results(batch_id)
    data = batch_json(row, now_us())
    data["results"] = [result_json(found) for found in rows]
    data["resultsNote"] = f"Showing {len(rows):,} of {data['total']:,} results"
    if session.json:
        emit({**dated(result), "job": {**result["job"], **data}})
    else:
        steps = data["progress"]
        pairs((("sent", f"{steps['sent']:,}"), ("failed", f"{steps['failed']:,}"), ("took", data["duration"])))
    return 0 if data["progress"]["sent"] == data["total"] else 1


def _company(session: Session, batch_id: int) -> Json:
    """What else an engine of this store has to do: other active `campaigns` with something to send, background `jobs`
    that wait, `schedules` that fire."""
    from storage import kind_facts, schedule_facts

    with session.reader() as reader:
        own = reader.batch(batch_id)["campaign_id"]
        return {
            "campaigns": [
                row["name"]
                for row in reader.campaigns()
                if row["state"] == "active" and row["id"] != own and row["counts"]["pending"]
            ],
            "jobs": sum(queue["pending"] for queue in kind_facts.queues(reader)),
            "schedules": sum(schedule["enabled"] for schedule in schedule_facts.schedules(reader)),
        }


def _tell_company(beside: Json) -> None:
    """An engine is an engine: what else is active has its turn as well, and that must not come as a surprise."""
    parts = []
    if others := beside["campaigns"]:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        parts.append(f"sends what is due of {', '.join(safe_text(name) for name in others[:5])}{more}")
    if beside["jobs"]:
        parts.append(f"runs {plural(beside['jobs'], 'background job')} when due")
    if beside["schedules"]:
        parts.append(f"fires {plural(beside['schedules'], 'schedule')}")
    if parts:
        say(f"this engine also {', '.join(parts)}, until this batch is done")
