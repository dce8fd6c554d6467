"""`paceline campaign`: the group, and what only reads: list, show, recipients."""

from __future__ import annotations

import time
from datetime import tzinfo

import click

from storage.model import SECOND
from tui.cli.output import Json, emit, emit_line, local, out, pairs, say, span, table
from tui.cli.session import Session
from tui.cli.verbs import Lazy, LazyGroup, Verb


@click.group(
    "campaign",
    cls=LazyGroup,
    lazy={
        "new": Lazy("tui.cli.campaign_make:new", "Make a draft from a template."),
        "edit": Lazy("tui.cli.campaign_edit:edit", "Change its message; of a draft also name and account."),
        "pace": Lazy("tui.cli.campaign_edit:pace", "Change how its sends are spread."),
        "tune": Lazy("tui.cli.campaign_tune:tune", "Change its share of the queue and its window, also live."),
        "steps": Lazy("tui.cli.campaign_steps:steps", "Its messages in their order, and what became of each."),
        "step": Lazy("tui.cli.campaign_steps:step", "Add, change or take out a message behind the first."),
        "apply": Lazy("tui.cli.campaign_make:apply", "Make a draft from a campaign.toml and import its people."),
        "list": Lazy("tui.cli.campaign:list_", "Every campaign with its progress."),
        "show": Lazy("tui.cli.campaign:show", "One campaign: state, why it stands, counts, progress, ETA."),
        "explain": Lazy("tui.cli.explain:campaign", "Why it does not send now, and when it will: every gate."),
        "recipients": Lazy("tui.cli.campaign:recipients", "Its people and what became of each."),
        "preflight": Lazy("tui.cli.campaign_check:preflight", "All that would go wrong, before the start."),
        "preview": Lazy("tui.cli.campaign_check:preview", "The message as one person will see it."),
        "test-send": Lazy("tui.cli.campaign_check:test_send", "Send one message to yourself."),
        "forecast": Lazy("tui.cli.campaign_forecast:forecast", "When its messages would leave, and what binds."),
        "timeline": Lazy("tui.cli.campaign_timeline:timeline", "What was sent and what comes, beside the plan."),
        "start": Lazy("tui.cli.campaign_run:start", "Plan every message and begin."),
        "pause": Lazy("tui.cli.campaign_run:pause", "Begin nothing new; what is in flight finishes."),
        "resume": Lazy("tui.cli.campaign_run:resume", "Plan the rest anew by the same pacing."),
        "approve": Lazy("tui.cli.approval:approve_campaign", "Approve it as a whole, so that it goes on."),
        "cancel": Lazy("tui.cli.campaign_run:cancel", "Skip what is open; can be undone for 10 s."),
        "undo-cancel": Lazy("tui.cli.campaign_run:undo_cancel", "Take a cancel back."),
        "retry": Lazy("tui.cli.campaign_run:retry", "Try failed messages again."),
        "resolve": Lazy("tui.cli.campaign_run:resolve", "Say what became of an uncertain message."),
        "live": Lazy("tui.cli.campaign_run:live", "Let it reach anybody, or take that back."),
        "report": Lazy("tui.cli.campaign_report:report", "What became of it: rates, reasons, parts, pace, timeline."),
        "export": Lazy("tui.cli.campaign_export:export", "Its people with their status, also into your own sheet."),
    },
)
def campaign() -> None:
    """Recipients, messages and a pacing, sent through one account or several."""


@click.command("list", cls=Verb)
@click.option("--filter", "text", default="", help='As in the console: "state:active,recent name:spring*".')
@click.pass_obj
def list_(session: Session, text: str) -> None:
    """Every campaign with its progress, or those that a filter lets through."""
    from storage.campaign_list import campaigns
    from storage.filter_languages import CAMPAIGNS
    from storage.filters import parse
    from tui.cli.facts import by_state, progress
    from tui.cli.times import now_us

    filter = parse(text, CAMPAIGNS)
    with session.reader() as reader:
        rows, every = campaigns(reader, filter, now_us())
    if session.json:
        emit(
            {
                "count": len(rows),
                "total": every,
                "campaigns": [
                    {
                        "campaign": row["name"],
                        "campaign_id": row["id"],
                        "state": row["state"],
                        "pause_reason": row["pause_reason"],
                        "account": row["account"],
                        "live": row["live"],
                        "total": row["total"],
                        "counts": by_state(row["counts"]),
                        "progress": progress(row["counts"]),
                    }
                    for row in rows
                ],
            }
        )
        return
    shown = []
    for row in rows:
        steps, counts = progress(row["counts"]), row["counts"]
        state = row["state"] + (f" ({row['pause_reason']})" if row["pause_reason"] else "")
        needs_you = counts["held"] + counts["uncertain"]
        shown.append(
            (
                row["name"], state, row["account"], "yes" if row["live"] else "no", steps["total"], steps["sent"],
                steps["failed"], needs_you, f"{steps['percentage']}%",
            )
        )  # fmt: skip
    titles = ("campaign", "state", "account", "live", "total", "sent", "failed", "needs you", "done")
    empty = "no campaign matches" if every else "no campaign yet: paceline campaign new --help"
    table(titles, shown, empty=empty)


@click.command("show", cls=Verb)
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """One campaign: state, counts, progress, why it stands or goes, ETA."""
    from tui.cli.explain import questions, told_in
    from tui.cli.facts import OVERLAP_WORDS, add_pace, campaign_json, limits_now, steps_in_words
    from tui.pace import campaign_finish
    from tui.screens.why import why

    now = time.time_ns() // 1_000
    with session.reader() as reader:
        row = reader.campaign(name)
        add_pace(reader, row, limits_now(session, reader), now, session.config)
        told_in(session)
        sentence = why(questions(session, reader, now).campaign(name).to_dict(), now, None)
        data = {**campaign_json(row, now), "why": sentence}
        finish = campaign_finish(row, now)
        reasons = reader.failures(campaign_id=row["id"])
    if session.json:
        emit(data)
        return
    zone, steps = session.zone, data["progress"]
    state = row["state"] + (f" ({row['pause_reason']}: {row['pause_detail']})" if row["pause_reason"] else "")
    live = "yes" if row["live"] else "no: reaches only outbox accounts and the allow-list"
    pairs(
        (
            ("campaign", row["name"]),
            ("state", state),
            ("why", sentence),
            ("account", "; ".join(f"{a['name']} ({a['channel']}, queue {a['state']})" for a in row["accounts"])),
            ("live", live),
            ("pacing", data["pacing"]["text"]),
            ("window", data["window"]["text"] if data["window"] else ""),
            ("share", f"priority {row['priority']}, weight {row['weight']}, {row['concurrency']} at once"),
            ("subject", data["subject"]),
            ("steps", steps_in_words(row)),
            ("also in", OVERLAP_WORDS[data["overlap"]] if data["overlap"] != "allow" else ""),
            ("recipients", f"{row['recipients']:,}"),
            ("progress", f"{steps['current']:,} of {steps['total']:,} ({steps['percentage']}%)"),
            ("counts", ", ".join(f"{n:,} {state}" for state, n in data["counts"].items() if n)),
            ("needs you", data["needs_you"] or ""),
            ("started", local(row["started_at"], zone) if row["started_at"] else ""),
            ("completed", local(row["completed_at"], zone) if row["completed_at"] else ""),
            ("duration", data["duration"]),
            ("next due", local(row["due"]["first"], zone) if row["due"]["first"] else ""),
            ("ETA", _end_in_words(row, finish, now, zone)),
        )
    )
    if reasons:
        out()
        table(
            ("n", "state", "reason"),
            [(r["n"], "will be retried" if r["state"] == "pending" else r["state"], r["sample"]) for r in reasons],
        )
        if any(r["state"] == "failed" for r in reasons):
            say(f"try again: paceline campaign retry {name} --class transient|all")


def _end_in_words(row: Json, finish: int | None, now: int, zone: tzinfo) -> str:
    """When an active campaign is through; of one with messages whose windows never open, when the others are."""
    from tui.format import plural

    never = row.get("never_open", 0)
    at = row.get("foreseen") if never else finish
    text = f"{local(at, zone)}, in {span(max(0, at - now) // SECOND * SECOND)}" if at else ""
    if not never:
        return text
    others = f"; the others {text}" if text else ""
    return f"never: the windows of {plural(never, 'message')} are open at no common time{others}"


@click.command("recipients", cls=Verb)
@click.argument("name")
@click.option("--state", default="", help="Only these states, for example failed,held.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@click.pass_obj
def recipients(session: Session, name: str, state: str, limit: int | None) -> None:
    """Its people and what became of each; with --json one JSON line a person."""
    from tui.cli.facts import recipient_json, states_of

    wanted = states_of(state)
    zone = session.zone
    lines = []
    with session.reader() as reader:
        seen = 0
        for row in reader.all_recipients(reader.campaign(name)["id"]):
            if wanted and row["state"] not in wanted:
                continue
            if seen == limit:
                break
            seen += 1
            data = recipient_json(row)
            if session.json:
                emit_line(data)
            else:
                when = local(row["sent_at"] or row["due_at"], zone)
                lines.append((data["address"], data["state"], data["attempts"], when, data["error"]))
    if not session.json:
        table(("address", "state", "tries", "sent or due", "error"), lines, empty="nobody")
