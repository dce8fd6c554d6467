"""`paceline campaign`: preflight, preview, test-send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storage.errors import NotFoundError, RefusedError, UsageError
from tui.cli.output import Json, dated, emit, out, pairs, say
from tui.cli.session import Session
from tui.cli.verbs import Change, Verb
from tui.safe_text import safe_text

if TYPE_CHECKING:
    from storage.reader import Reader


@click.command("preflight", cls=Verb)
@click.argument("name")
@click.option("--connect", is_flag=True, help="Log in at the account's server too; sends nothing.")
@click.pass_obj
def preflight(session: Session, name: str, connect: bool) -> int:
    """All that would go wrong, before the start. Exit 0: it can be started; 4: a start would be refused.

    Each line says whether it refuses the start, warns, could not be checked (skipped) or is ok, and what mends it.
    """
    from tui.cli.times import now_us
    from tui.client import this_actor
    from tui.preflighting import examples, verdict
    from tui.preflighting import preflight as examined

    if connect:
        session.refuse_read_only()
    found = examined(session.db, session.config, name, this_actor("cli"), now=now_us(), connect=connect)
    code = 0 if found["ok"] else RefusedError.exit_code
    if session.json:
        emit(dated(found))
        return code
    pairs(
        (
            ("campaign", name),
            ("to send", f"{found['to_send']:,}"),
            ("pacing", found["pacing"]),
            ("estimate", found["estimate"]),
            ("fields used", ", ".join(found["fields"]) or "none"),
        )
    )
    for finding in found["findings"]:
        out(safe_text(f"{finding['severity']:<8} {finding['message']}", 1_000))
        for person in examples(finding):
            out(f"             {safe_text(person)}")
        if finding["fix"]:
            out(f"         -> {safe_text(finding['fix'], 1_000)}")
    out(verdict(found))
    return code


def _person(reader: Reader, row: Json, address: str | None, number: int | None) -> Json:
    """The person asked for, or the first one. Raises NotFoundError, UsageError."""
    from engine.intake.keys import key_of
    from storage.people_page import by_key

    if address:
        return by_key(reader, row["id"], key_of(address))
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
@click.option("--step", "position", type=click.IntRange(1), default=1, help="Of this step [1].")
@click.option("--headers", is_flag=True, help="Every header.")
@click.option("--html", "as_html", is_flag=True, help="The HTML part, as text.")
@click.pass_obj
def preview(
    session: Session,
    name: str,
    recipient: str | None,
    number: int | None,
    position: int,
    headers: bool,
    as_html: bool,
) -> None:
    """The message as one person will see it, read back from the very bytes that would leave."""
    from storage.row_nouns import step_of
    from storage.step_facts import message_id_of
    from tui.cli.previewing import preview_of
    from tui.cli.times import now_us

    with session.reader() as reader:
        row = reader.campaign(name)
        person = _person(reader, row, recipient, number)
        message_id = message_id_of(reader, person["id"], step_of(row, position).id)
    shown = preview_of(row, person, session.config(), now=now_us(), position=position, message_id=message_id)
    if session.json:
        emit(
            {
                "campaign": name,
                "address": person["address"],
                "row": person["row_number"],
                "step": position,
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
@click.option("--step", "position", type=click.IntRange(1), default=1, help="Of this step [1].")
@click.pass_obj
def test_send(session: Session, name: str, to: str, recipient: str | None, position: int) -> None:
    """Send one message to yourself, filled in for one person. No job, no attempt, no count."""
    with session.reader() as reader:
        row = reader.campaign(name)
        fields = _person(reader, row, recipient, None)["fields"] if recipient or row["recipients"] else {}
    session.confirm(f"Send a test of {safe_text(name)} to {safe_text(to)}?")
    result = session.call("campaign.test_send", {"name": name, "to": to, "fields": fields, "step": position})
    if session.json:
        emit(result)
    else:
        out(safe_text(result["message"]))
