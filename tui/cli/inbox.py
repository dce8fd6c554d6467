"""`paceline inbox`: bounces, complaints and replies; read, list, show."""

from __future__ import annotations

import click

from storage.filter_languages import INBOX
from tui.cli.output import dated, emit, local, out, pairs, table
from tui.cli.session import Session
from tui.cli.verbs import Change, Lazy, LazyGroup, Verb
from tui.safe_text import safe_text

SHOWN_LINES = 40
"""Of a mail's own words."""
_Kinds = click.Choice(INBOX.values["kind"])


@click.group(
    "inbox",
    cls=LazyGroup,
    lazy={
        "read": Lazy("tui.cli.inbox:read", "Read a maildir, mbox, mail, webhook payload or IMAP mailbox."),
        "list": Lazy("tui.cli.inbox:list_", "What came back, the newest first."),
        "show": Lazy("tui.cli.inbox:show", "All that is known of one; --raw prints the mail that was kept."),
    },
)
def inbox() -> None:
    """What came back about messages that left: bounces, complaints, replies."""


@click.command("read", cls=Change)
@click.argument("paths", nargs=-1, type=click.Path(path_type=str))
@click.option("--imap", "mailbox", metavar="NAME", help="The mailbox [inbox.NAME] of the configuration.")
@click.option("--kind", "kinds", type=_Kinds, multiple=True, help="Take in only these kinds; may be repeated.")
@click.option("--form", type=click.Choice(("maildir", "mbox", "mail")), default=None, help="What PATH is [looked at].")
@click.option("--dry-run", is_flag=True, help="Say what each would be taken for, and change nothing.")
@click.pass_obj
def read(
    session: Session,
    paths: tuple[str, ...],
    mailbox: str | None,
    kinds: tuple[str, ...],
    form: str | None,
    dry_run: bool,
) -> None:
    """Read what came back, match it to what was sent, and act on it.

    PATH is a maildir, an mbox, one mail, a webhook payload as JSON, or a folder of such files. Nothing there is moved
    or deleted, and reading it again changes nothing.
    """
    from tui.cli.inbox_read import read_mailbox, read_paths

    if bool(paths) == (mailbox is not None):
        raise click.UsageError("name what to read: PATH..., or --imap NAME")
    wanted = frozenset(kinds)
    if mailbox is not None:
        read_mailbox(session, mailbox, wanted, dry_run=dry_run)
    else:
        read_paths(session, paths, wanted, form=form or "", dry_run=dry_run)


@click.command("list", cls=Verb)
@click.option("--kind", "kinds", type=_Kinds, multiple=True, help="Only these kinds; may be repeated.")
@click.option("--unmatched", is_flag=True, help="Only what no message of ours was found for.")
@click.option("--campaign", "-c", help="Only of this campaign.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many.")
@click.option("--before", type=int, help="Only with an id below this one: the next page.")
@click.pass_obj
def list_(
    session: Session, kinds: tuple[str, ...], unmatched: bool, campaign: str | None, limit: int, before: int | None
) -> None:
    """What came back, the newest first."""
    from storage.inbox_facts import inbox_rows

    with session.reader() as reader:
        campaign_id = reader.campaign(campaign)["id"] if campaign else None
        rows = inbox_rows(reader, limit, kinds=kinds, unmatched=unmatched, campaign_id=campaign_id, before=before)
    if session.json:
        emit({"count": len(rows), "inbox": [dated(row) for row in rows]})
        return
    zone = session.zone
    shown = [
        (
            row["id"],
            row["kind"],
            local(row["at"], zone),
            row["address"],
            row["campaign"],
            row["job_id"],
            row["effect"],
            row["diagnostic"] or row["subject"],
        )
        for row in rows
    ]
    table(("id", "kind", "at", "address", "campaign", "job", "effect", "words"), shown, empty="nothing came back yet")


@click.command("show", cls=Verb)
@click.argument("inbox_id", metavar="ID", type=int)
@click.option("--raw", is_flag=True, help="The mail itself, as far as it was kept: of what was not matched.")
@click.pass_obj
def show(session: Session, inbox_id: int, raw: bool) -> None:
    """All that is known of one thing that came back."""
    from storage.errors import NotFoundError
    from storage.inbox_facts import inbox_one, inbox_raw

    with session.reader() as reader:
        row = inbox_one(reader, inbox_id)
        if row is None:
            raise NotFoundError(f"there is nothing of number {inbox_id} in the inbox", hint="paceline inbox list")
        mail = inbox_raw(reader, inbox_id) if raw else b""
    if raw and not mail:
        raise NotFoundError("this mail was not kept: it was understood and matched", hint="leave --raw out")
    if session.json:
        emit({**dated(row), **({"raw": mail.decode("utf-8", "replace")} if raw else {})})
        return
    if raw:
        for line in mail.decode("utf-8", "replace").splitlines():
            out(safe_text(line, 2_000))
        return
    zone = session.zone
    pairs(
        (
            ("kind", row["kind"]),
            ("at", local(row["at"], zone)),
            ("read", local(row["read_at"], zone)),
            ("source", row["source"]),
            ("effect", row["effect"]),
            ("matched by", row["matched_by"]),
            ("campaign", row["campaign"]),
            ("job", f"{row['job_id']} ({row['job_state']})" if row["job_id"] else ""),
            ("person", row["person"]),
            ("address", row["address"]),
            ("reply", " ".join(str(part) for part in (row["code"] or "", row["enhanced"]) if part)),
            ("server said", row["diagnostic"]),
            ("subject", row["subject"]),
            ("kept", f"{row['kept']:,} octets: --raw" if row["kept"] else ""),
        )
    )
    if row["text"].strip():
        out()
        for line in row["text"].splitlines()[:SHOWN_LINES]:
            out(safe_text(line, 2_000))
