"""`paceline campaign`: preflight, preview, test-send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storage.errors import NotFoundError, UsageError
from tui.cli.output import Json, dated, emit, out, pairs, say
from tui.cli.session import Session
from tui.cli.verbs import Change, Verb
from tui.safe_text import safe_text

if TYPE_CHECKING:
    from storage.reader import Reader


@click.command("preflight", cls=Verb)
@click.argument("name")
@click.pass_obj
def preflight(session: Session, name: str) -> int:
    """All that would go wrong, before the start. Exit 0: nothing; 1: something."""
    from tui.cli.preflight import examine
    from tui.cli.times import now_us

    with session.reader() as reader:
        found = examine(reader, reader.campaign(name), session.config(), now=now_us())
    if session.json:
        emit(dated(found.to_json()))
        return 0 if found.ok else 1
    pairs(
        (
            ("campaign", name),
            ("to send", f"{found.people:,}"),
            ("pacing", found.pacing),
            ("estimate", found.estimate),
            ("fields used", ", ".join(found.fields) or "none"),
        )
    )
    for finding in found.findings:
        out(safe_text(f"{finding.level}: {finding.message}"))
        for line in finding.first:
            out(f"    {safe_text(line)}")
        if finding.hint:
            out(f"    -> {safe_text(finding.hint)}")
    out("ready to start" if found.ok else "not ready")
    return 0 if found.ok else 1


def _person(reader: Reader, row: Json, address: str | None, number: int | None) -> Json:
    """The person asked for, or the first one. Raises NotFoundError, UsageError."""
    from engine.intake.addresses import parse_address
    from storage.people_page import by_key

    if address:
        return by_key(reader, row["id"], parse_address(address).key)
    found = next((p for p in reader.all_recipients(row["id"]) if number is None or p["row_number"] == number), None)
    if found is not None:
        return found
    if number is not None:
        raise NotFoundError(f"row {number} is not in this campaign", hint="see `paceline campaign recipients`")
    raise UsageError(
        f"campaign '{row['name']}' has nobody yet", hint=f"paceline recipients import FILE --campaign {row['name']}"
    )


@click.command("preview", cls=Verb)
@click.argument("name")
@click.option("--recipient", metavar="ADDRESS", help="For this person [the first one].")
@click.option("--row", "number", type=int, help="For the person of this row of the file.")
@click.option("--headers", is_flag=True, help="Every header.")
@click.option("--html", "as_html", is_flag=True, help="The HTML part, as text.")
@click.pass_obj
def preview(
    session: Session, name: str, recipient: str | None, number: int | None, headers: bool, as_html: bool
) -> None:
    """The message as one person will see it, read back from the very bytes that would leave."""
    from tui.cli.previewing import preview_of
    from tui.cli.times import now_us

    with session.reader() as reader:
        row = reader.campaign(name)
        person = _person(reader, row, recipient, number)
    shown = preview_of(row, person, session.config(), now=now_us())
    if session.json:
        emit(
            {
                "campaign": name,
                "address": person["address"],
                "row": person["row_number"],
                "headers": [list(header) for header in shown.headers],
                "text": shown.text,
                "html_text": shown.html_text,
            }
        )
        return
    first = ("from", "to", "reply-to", "subject")
    for header, value in shown.headers:
        if headers or header.lower() in first:
            out(f"{safe_text(header)}: {safe_text(value, 2_000)}")
    out()
    body = shown.html_text if as_html else shown.text
    if as_html and not body:
        say("this message has no HTML part")
    for line in body.split("\n"):
        out(safe_text(line, 10_000))


@click.command("test-send", cls=Change)
@click.argument("name")
@click.option("--to", required=True, metavar="ADDRESS", help="Your own address.")
@click.option("--recipient", metavar="ADDRESS", help="Filled in for this person [the first one].")
@click.pass_obj
def test_send(session: Session, name: str, to: str, recipient: str | None) -> None:
    """Send one message to yourself, filled in for one person. No job, no attempt, no count."""
    with session.reader() as reader:
        row = reader.campaign(name)
        fields = _person(reader, row, recipient, None)["fields"] if recipient or row["recipients"] else {}
    session.confirm(f"Send a test of {safe_text(name)} to {safe_text(to)}?")
    result = session.call("campaign.test_send", {"name": name, "to": to, "fields": fields})
    if session.json:
        emit(result)
    else:
        out(safe_text(result["message"]))
