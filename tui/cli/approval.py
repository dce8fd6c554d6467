"""`paceline approval`: what waits for a person's yes; one message, some by filter, all, or a campaign as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from storage.errors import NotFoundError, UsageError
from storage.filter_sql import exactly
from tui.cli.campaign_run import tell
from tui.cli.job_acts import act, chosen
from tui.cli.output import Json, dated, emit, local, out, pairs, table
from tui.cli.session import Session
from tui.cli.verbs import Change, Lazy, LazyGroup, Verb
from tui.safe_text import safe_text

if TYPE_CHECKING:
    from storage.fixed_set import Act, FixedSet
    from storage.reader import Reader

F = TypeVar("F", bound=Callable[..., Any])


@click.group(
    "approval",
    cls=LazyGroup,
    lazy={
        "list": Lazy("tui.cli.approval:list_", "Messages that wait for approval, or what was decided."),
        "show": Lazy("tui.cli.approval:show", "One message as it would be sent."),
        "approve": Lazy("tui.cli.approval:approve", "Let messages, or a campaign as a whole, be sent."),
        "reject": Lazy("tui.cli.approval:reject", "Say of messages that they will not be sent, and why."),
        "edit": Lazy("tui.cli.approval:edit", "Write the text of one message anew before it is approved."),
    },
)
def approval() -> None:
    """What nobody sends before a person said yes: each message, or a campaign once."""


def _chosen_options(command: F) -> F:
    for option in reversed(
        (
            click.argument("ids", metavar="[ID...]", type=int, nargs=-1),
            click.option("--filter", "text", default="", help='All that match, as in "campaign:spring* age:>1d".'),
            click.option("--campaign", "-c", default="", help="All of this campaign."),
            click.option("--all", "every", is_flag=True, help="Everything that waits for approval."),
        )
    ):
        command = option(command)
    return command


@click.command("list", cls=Verb)
@click.option("--campaign", "-c", default="", help="Only of this campaign.")
@click.option("--filter", "text", default="", help='As in the console: "to:*@example.org age:>1d".')
@click.option("--decided", is_flag=True, help="Those that were decided already, with who and when.")
@click.option("--after", type=int, default=0, help="Go on after this job.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.pass_obj
def list_(session: Session, campaign: str, text: str, decided: bool, after: int, limit: int) -> None:
    """Messages that wait for approval, the oldest first; campaigns that wait as a whole stand above them."""
    from storage.approval_facts import beside
    from storage.filter_terms import Filter, States
    from storage.filters import parse
    from storage.jobs_page import Place, Query, page
    from tui.cli.times import now_us

    terms = [*parse(text).terms, *([] if decided else [States(("held",))])]
    terms += [exactly("campaign", campaign)] if campaign else []
    found: list[Json] = []
    more = True
    with session.reader() as reader:
        whole = [
            row for row in reader.campaigns()
            if row["approval"] == "campaign" and row["approved_at"] is None and row["state"] == "paused"
            and campaign in ("", row["name"])
        ]  # fmt: skip
        while more and len(found) < limit:
            rows = page(
                reader, Query(Filter(tuple(terms)), now=now_us()), after=Place(after, after) if after else None,
                limit=limit,
            )  # fmt: skip
            asked = beside(reader, [row["id"] for row in rows.rows])
            for row in rows.rows:
                after = row["id"]
                said = asked.get(row["id"])
                if said is not None and (said["decision"] != "" if decided else row["reason"] == "approval"):
                    found.append({**row, **said})
                if len(found) == limit:
                    break
            more = rows.more or (bool(rows.rows) and after != rows.rows[-1]["id"])
    if session.json:
        emit(
            {
                "count": len(found),
                "next_after": after if more else None,
                "campaigns": [{"campaign": row["name"], "messages": row["counts"]["pending"]} for row in whole],
                "messages": [dated(_json(row)) for row in found],
            }
        )
        return
    for row in whole:
        out(f"campaign {safe_text(row['name'])} waits as a whole: {row['counts']['pending']:,} messages")
    zone = session.zone
    shown = [
        (
            row["id"], row["campaign"], row["address"], local(row["asked_at"], zone), local(row["expires_at"], zone),
            f"{row['decision']} by {row['decided_by']}" if row["decided_by"] else row["decision"], row["note"],
        )
        for row in found
    ]  # fmt: skip
    table(("job", "campaign", "to", "asked", "expires", "decided", "note"), shown, empty="nothing waits for approval")


def _json(row: Json) -> Json:
    names = ("campaign", "step", "state", "reason", "asked_at", "expires_at", "decision", "decided_at", "decided_by")
    return {
        "job": row["id"],
        "to": row["address"],
        **{name: row[name] for name in names},
        "note": row["note"],
        "own_text_by": row["written_by"],
    }


@click.command("show", cls=Verb)
@click.argument("job_id", metavar="ID", type=int)
@click.pass_obj
def show(session: Session, job_id: int) -> None:
    """One message as it would be sent, with what was asked and said about it."""
    from storage.approval_facts import beside, letter
    from tui.cli.previewing import preview_of_job
    from tui.cli.times import now_us

    with session.reader() as reader:
        row = reader.job(job_id)
        said = beside(reader, [job_id]).get(job_id)
        if said is None:
            raise NotFoundError(f"job {job_id} never waited for approval", hint="see `paceline approval list`")
        message = preview_of_job(
            reader.campaign(row["campaign"]), row, letter(reader, job_id), session.config(), now=now_us()
        )
    if session.json:
        emit({**dated(_json({**row, **said})), "headers": message.headers, "text": message.text,
              "html_text": message.html_text})  # fmt: skip
        return
    zone = session.zone
    decided = f"{said['decision']} {local(said['decided_at'], zone)} by {said['decided_by'] or 'the clock'}"
    pairs(
        (
            ("job", f"{job_id} of {safe_text(row['campaign'])}, step {row['step']}: {row['state']} {row['reason']}"),
            ("asked", local(said["asked_at"], zone)),
            ("expires", local(said["expires_at"], zone) if said["expires_at"] else "never"),
            ("decided", decided if said["decision"] else ""),
            ("note", safe_text(said["note"])),
            ("own text", f"by {safe_text(said['written_by'])}" if said["written_by"] else ""),
        )
    )
    out("")
    for name, value in message.headers:
        out(f"{safe_text(name)}: {safe_text(value, 1_000)}")
    out("")
    for line in message.text.split("\n"):
        out(safe_text(line, 10_000))


@click.command("approve", cls=Change)
@_chosen_options
@click.pass_obj
def approve(session: Session, ids: tuple[int, ...], text: str, campaign: str, every: bool) -> int:
    """Let these messages be sent, each as it stands, by the pacing of their campaigns. Exit 1 when some were left.

    --campaign of one that is approved as a whole approves the campaign, and it goes on.
    """
    from storage.fixed_set import Act
    from tui.cli.times import now_us

    if campaign and not (ids or text.strip() or every):
        with session.reader() as reader:
            row = reader.campaign(campaign)
        if row["approval"] == "campaign":
            _approve_whole(session, row)
            return 0
    fix, named = _set(Act.APPROVE, ids, text, campaign, every)
    return act(session, "approval.approve", fix, named, by_ids=bool(ids), more={"looked_at": now_us()})


def _approve_whole(session: Session, row: Json) -> None:
    seen = {"name": row["name"], "version": row["version"]}
    shown = session.call("approval.senders", seen)
    senders = ", ".join(f"{safe_text(words)} by {safe_text(name)}" for name, words in shown["words"].items())
    session.confirm(f"Approve {safe_text(row['name'])}: {row['counts']['pending']:,} messages, as {senders}?")
    args = {**seen, "senders": shown["senders"]}
    tell(session, session.call("approval.approve_campaign", args))


@click.command("approve", cls=Change)
@click.argument("name")
@click.pass_obj
def approve_campaign(session: Session, name: str) -> None:
    """Approve NAME as a whole, and let it go on where its pause waited for that. A later change takes it back."""
    with session.reader() as reader:
        row = reader.campaign(name)
    _approve_whole(session, row)


@click.command("reject", cls=Change)
@_chosen_options
@click.option("--reason", required=True, help="Why; it is kept with each.")
@click.pass_obj
def reject(session: Session, ids: tuple[int, ...], text: str, campaign: str, every: bool, reason: str) -> int:
    """Say of these messages that they will not be sent. There is no way back. Exit 1 when some were left."""
    from storage.fixed_set import Act

    fix, named = _set(Act.REJECT, ids, text, campaign, every)
    return act(session, "approval.reject", fix, named, by_ids=bool(ids), more={"reason": reason})


def _set(
    kind: Act, ids: tuple[int, ...], text: str, campaign: str, every: bool
) -> tuple[Callable[[Reader], FixedSet], str]:
    """How the set is fixed, and the filter that says it. Raises UsageError."""
    if sum((bool(ids), bool(text.strip()), bool(campaign), every)) != 1:
        raise UsageError("name messages by id, or some by --filter, --campaign or --all", hint="one of these")
    if ids:
        return chosen(kind, ids, ""), ""
    if campaign:
        from storage.filter_terms import Filter, render

        text = render(Filter((exactly("campaign", campaign),)))
    wanted = "state:held" if every else text.strip()
    return chosen(kind, (), wanted), wanted


@click.command("edit", cls=Change)
@click.argument("job_id", metavar="ID", type=int)
@click.option("--subject", help="Another subject.")
@click.option("--text", "text_file", type=click.Path(path_type=Path), help="A file with its plain text.")
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="A file with its HTML.")
@click.pass_obj
def edit(session: Session, job_id: int, subject: str | None, text_file: Path | None, html_file: Path | None) -> None:
    """Give one message its own text while it waits for approval. It is sent as it stands: nothing in it is a field.

    A part that is left out stays as it would be sent now.
    """
    from engine.compose.documents import read_text

    args: Json = {"job": job_id}
    if subject is not None:
        args["subject"] = subject
    for name, path in (("text", text_file), ("html", html_file)):
        if path is not None:
            args[name] = read_text(path, name)
    if len(args) == 1:
        raise UsageError("nothing was given to change", hint="--subject, --text or --html")
    tell(session, session.call("approval.edit", args))
