"""`paceline suppression`: who must not be contacted; add, list, import, export, remove, check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from storage.errors import NotFoundError
from storage.model import SECOND
from storage.suppressions import REASONS
from tui.cli.campaign_run import tell
from tui.cli.output import Json, dated, emit, local, out, say, table
from tui.cli.session import Session
from tui.cli.verbs import Change, Lazy, LazyGroup, Verb
from tui.safe_text import safe_text

if TYPE_CHECKING:
    from engine.control.suppressions import Named
    from storage.reader import Reader

ASKED_FOR = ("unsubscribed", "complained")
"""Reasons that are somebody's own wish: nothing takes them back without a person's word."""


@click.group(
    "suppression",
    cls=LazyGroup,
    lazy={
        "add": Lazy("tui.cli.suppression:add", "Contact an address, a @domain or a profile no more."),
        "list": Lazy("tui.cli.suppression:list_", "Who must not be contacted, and why."),
        "import": Lazy("tui.cli.suppression_file:import_", "Add everybody in a file."),
        "export": Lazy("tui.cli.suppression:export", "Write the list to a file."),
        "remove": Lazy("tui.cli.suppression:remove", "Take an entry off the list."),
        "check": Lazy("tui.cli.suppression:check", "Whether somebody may be contacted, and whom it concerns."),
    },
)
def suppression() -> None:
    """Who must not be contacted: addresses, domains, profiles; everywhere or on one list."""


def until_of(text: str | None, session: Session) -> int | None:
    """A time as `--until` takes it, in microseconds UTC; None for none. Raises UsageError."""
    from tui.cli.times import now_us, parse_time

    return parse_time(text, session.zone, now=now_us(), option="--until") if text else None


@click.command("add", cls=Change)
@click.argument("value")
@click.option("--reason", type=click.Choice(REASONS), default="manual", show_default=True, help="Why.")
@click.option("--list", "list_name", default="", metavar="NAME", help="Only campaigns of this list [all].")
@click.option("--until", metavar="TIME", help='Only until then: 2027-01-31, "2027-01-31 09:00", +90d.')
@click.option("--note", default="", metavar="TEXT", help="For whoever reads the list.")
@click.pass_obj
def add(session: Session, value: str, reason: str, list_name: str, until: str | None, note: str) -> None:
    """Contact VALUE no more: an address, @DOMAIN, or a profile. Open messages to it are skipped at once; those to a
    domain when their turn comes."""
    from engine.control.suppressions import named

    found = named(value)
    if found.kind == "domain":
        session.confirm(f"Contact nobody at {safe_text(found.value)} any more?")
    entry = {"value": value, "reason": reason, "list_name": list_name, "note": note,
             "expires_at": until_of(until, session)}  # fmt: skip
    tell(session, session.call("suppression.add", {"entries": [entry], "source": "command line"}))


@click.command("list", cls=Verb)
@click.option("--filter", "text", default="", help='As in the console: "reason:unsubscribed list:news".')
@click.option("--limit", type=click.IntRange(1, 100_000), default=200, show_default=True, help="At most so many.")
@click.pass_obj
def list_(session: Session, text: str, limit: int) -> None:
    """Who must not be contacted, the newest first."""
    from storage.filter_languages import SUPPRESSIONS
    from storage.filters import parse
    from storage.suppression_pages import SuppressionQuery, count, json_of, page
    from tui.cli.times import now_us

    query = SuppressionQuery(parse(text, SUPPRESSIONS), now_us())
    with session.reader() as reader:
        rows, more = page(reader, query, limit=limit)
        n = count(reader, query)
    if session.json:
        emit({"count": str(n), "more": more, "suppressions": [dated(json_of(row)) for row in rows]})
        return
    table(
        ("id", "kind", "value", "reason", "on", "since", "until", "by", "note"),
        [_cells(row, session) for row in rows],
        empty="nobody is suppressed",
    )
    if more:
        say(f"{len(rows):,} of {n}: narrow it with --filter, or export the whole list")


def _cells(row: Json, session: Session) -> tuple[object, ...]:
    zone = session.zone
    until = local(row["expires_at"], zone) if row["expires_at"] is not None else "for ever"
    return (
        row["id"], row["kind"], row["value"], row["reason"], row["scope"] or "all", local(row["created_at"], zone),
        until, row["created_by"], row["note"],
    )  # fmt: skip


@click.command("export", cls=Verb)
@click.option(
    "--to", "target", required=True, type=click.Path(path_type=Path), help="FILE.csv, .jsonl or .xlsx; - for stdout."
)
@click.option(
    "--format", "format_", type=click.Choice(["csv", "jsonl", "xlsx"]), help="Where the name does not say it."
)
@click.option("--filter", "text", default="", help='As in the console: "reason:unsubscribed".')
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.pass_obj
def export(session: Session, target: Path, format_: str | None, text: str, overwrite: bool) -> None:
    """Write the list to a file that `suppression import` reads again, here or elsewhere."""
    from tui.cli.export import write_table

    with session.reader() as reader:
        write_table(session, reader, "suppressions", target, format_, text, None, overwrite=overwrite)


@click.command("remove", cls=Change)
@click.argument("value")
@click.option("--list", "list_name", metavar="NAME", help="Only the entry on this list [all entries of VALUE].")
@click.pass_obj
def remove(session: Session, value: str, list_name: str | None) -> None:
    """Take VALUE off the list: an address, @DOMAIN, a profile, or the id of an entry. What was skipped stays skipped.

    Whoever unsubscribed or complained is taken off only with a person's word (`--yes` without a terminal).
    """
    with session.reader() as reader:
        rows = entries_named(reader, value, list_name)
    asked = [row for row in rows if row["reason"] in ASKED_FOR]
    what = ", ".join(f"{row['value']} ({row['reason']}, {row['scope'] or 'all'})" for row in rows[:5])
    session.confirm(f"Take {safe_text(what)} off the list?", always=bool(asked))
    tell(session, session.call("suppression.remove", {"ids": [row["id"] for row in rows]}))


def entries_named(reader: Reader, value: str, list_name: str | None = None) -> list[Json]:
    """The entries that a value or an id names. Raises UsageError, NotFoundError."""
    from engine.control.suppressions import named
    from storage.suppression_pages import by_ids, naming

    if value.isascii() and value.isdigit():
        rows = by_ids(reader, [int(value[:18])])
    else:
        found = named(value)
        rows = naming(reader, found.kind, found.value, list_name)
    if not rows:
        on = f" on list {list_name[:64]}" if list_name else ""
        raise NotFoundError(f"{value[:80]} is not suppressed{on}", hint="see `paceline suppression list`")
    return rows


@click.command("check", cls=Verb)
@click.argument("value")
@click.pass_obj
def check(session: Session, value: str) -> None:
    """Whether VALUE (an address, @DOMAIN or profile) may be contacted, what stands against it, and which campaigns have
    it among their people."""
    from engine.control.suppressions import named
    from tui.cli.times import now_us

    found = named(value)
    with session.reader() as reader:
        stands, campaigns = _found(reader, found, now_us())
    everywhere = any(not row["scope"] for row in stands)
    for row in campaigns:
        row["suppressed"] = everywhere or any(entry["scope"] == row["list"] for entry in stands)
    if session.json:
        from storage.suppression_pages import json_of

        emit(
            {
                "value": found.value, "kind": found.kind, "suppressed": everywhere,
                "entries": [dated(json_of(row)) for row in stands], "campaigns": campaigns,
            }
        )  # fmt: skip
        return
    out(_verdict(found, stands, session))
    table(
        ("campaign", "state", "list", "people", "open", "suppressed there"),
        [(row["campaign"], row["state"], row["list"], row["people"], row["open"], "yes" if row["suppressed"] else "no")
         for row in campaigns],
        empty="no campaign has it among its people",
    )  # fmt: skip


def _found(reader: Reader, found: Named, now: int) -> tuple[list[Json], list[Json]]:
    from storage.suppression_pages import concerned, standing

    if found.kind == "domain":
        return standing(reader, f"@{found.value}", "", None, now), concerned(reader, "", found.value, "")
    key, profile = (found.value, "") if found.kind == "address" else ("", found.value)
    return standing(reader, key, profile, None, now), concerned(reader, key, "", profile)


def _verdict(found: Named, stands: list[Json], session: Session) -> str:
    if not stands:
        return f"{safe_text(found.value)} may be contacted"
    told = []
    for row in stands:
        by = f"@{row['value']}" if row["kind"] == "domain" else row["value"]
        until = f", until {local(row['expires_at'], session.zone)}" if row["expires_at"] is not None else ""
        since = local(row["created_at"] // SECOND * SECOND, session.zone)
        told.append(f"{by} is suppressed ({row['reason']}) on {row['scope'] or 'everything'} since {since}{until}")
    return "\n".join(safe_text(line) for line in told)
