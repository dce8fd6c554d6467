"""`paceline recipients edit`: one person corrected, and with `--retry` their failed or held message sent after all."""

from __future__ import annotations

import click

from storage.errors import UsageError
from tui.cli.campaign_run import tell
from tui.cli.session import Session
from tui.cli.verbs import Change


@click.command("edit", cls=Change)
@click.argument("address")
@click.option("--campaign", "-c", required=True, help="The campaign that they are in.")
@click.option("--address", "new_address", metavar="NEW", help="The right address, checked as an import does.")
@click.option("--set", "fields", multiple=True, metavar="FIELD=VALUE", help="A field's new value; can be repeated.")
@click.option("--retry", is_flag=True, help="Give their failed or held message a new budget.")
@click.pass_obj
def edit(
    session: Session, address: str, campaign: str, new_address: str | None, fields: tuple[str, ...], retry: bool
) -> int:
    """Change the address or the fields of ADDRESS in a campaign. Messages keep their Message-ID.

    Refused (exit 4): while a message is in flight; a new address for somebody to whom one was sent, or may have been;
    fields of somebody to whom nothing is still to be sent. Exit 1 when --retry found nothing to retry.
    """
    args = {"campaign": campaign, "address": address, "fields": parse_fields(fields), "retry": retry}
    if new_address is not None:
        args["new_address"] = new_address
    result = session.call("recipients.edit", args)
    tell(session, result)
    return 1 if retry and not result["retried"] else 0


def parse_fields(items: tuple[str, ...]) -> dict[str, str]:
    """`--set first_name=Ada` as field -> value. Raises UsageError."""
    found = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {item[:60]!r}: not FIELD=VALUE", hint="for example --set first_name=Ada")
        found[name.strip()] = value
    return found
