"""`paceline campaign edit` and `pace`, `paceline recipients forget`: changes of a campaign that exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from storage.errors import UsageError
from tui.cli.campaign_make import (
    approval_of,
    approval_options,
    letter_options,
    list_options,
    pacing_of,
    pacing_options,
    sequence_options,
    settings_of,
)
from tui.cli.campaign_run import tell
from tui.cli.output import Json, pairs
from tui.cli.session import Session
from tui.cli.verbs import Change
from tui.safe_text import safe_text

PARTS = ("text", "html", "headers", "attachments")
_EMPTY: Json = {"text": "", "html": "", "headers": {}, "attachments": []}


@click.command("edit", cls=Change)
@click.argument("name")
@click.option("--template", "-t", type=click.Path(path_type=Path), help="Its text or HTML, with headers on top.")
@click.option("--drop", multiple=True, type=click.Choice(PARTS), help="Take a part out of the message.")
@click.option("--account", "-a", help="Who sends; only of a draft.")
@click.option("--also", multiple=True, metavar="ACCOUNT", help="All its further accounts; repeatable.")
@click.option("--alone", is_flag=True, help="No further account.")
@click.option("--rename", metavar="NAME", help="Another name; only of a draft.")
@click.option("--cold/--not-cold", default=None, help="Whether its people did not ask for it.")
@click.option("--identity", metavar="LINE", help="The sender's name and postal address, for a cold campaign.")
@approval_options
@letter_options
@sequence_options
@list_options
@click.pass_obj
def edit(
    session: Session,
    /,
    name: str,
    template: Path | None,
    drop: tuple[str, ...],
    account: str | None,
    also: tuple[str, ...],
    alone: bool,
    rename: str | None,
    cold: bool | None,
    identity: str | None,
    subject: str | None,
    text: Path | None,
    html: Path | None,
    attach: tuple[Path, ...],
    headers: tuple[str, ...],
    **options: Any,
) -> None:
    """Change the parts of NAME that are given; the others stay. A running campaign is paused first."""
    from tui.cli.letters import read_parts

    letter = read_parts(template, subject=subject, text=text, html=html, headers=headers, attach=attach)
    parts: Json = {part: getattr(letter, part) for part in ("subject", *PARTS) if getattr(letter, part)}
    if subject == "":
        parts["subject"] = ""
    parts |= {part: _EMPTY[part] for part in drop}
    more: Json = {key: value for key, value in (("account", account), ("rename", rename)) if value is not None}
    if also and alone:
        raise UsageError("--also and --alone exclude each other", hint="give one of them")
    if also or alone:
        more["also"] = list(also)
    more |= approval_of(options.pop("approval"), options.pop("approval_time"))
    if (list_name := options.pop("list_name")) is not None:
        more["list_name"] = list_name
    if settings := settings_of(cold, identity, options):
        more["settings"] = settings
    result = session.call("campaign.edit", {"name": name, **parts, **more})
    tell(session, result)
    if not session.json and parts:
        pairs((("fields used", ", ".join(result["fields"]) or "none"),))


@click.command("pace", cls=Change)
@click.argument("name")
@pacing_options
@click.pass_obj
def pace(session: Session, /, name: str, **options: Any) -> None:
    """Change how the sends of NAME are spread. What a running campaign has not sent is planned anew."""
    pacing = pacing_of(**options)
    if not pacing:
        raise UsageError("say how: for example --rate 30/min", hint="paceline campaign pace --help")
    tell(session, session.call("campaign.pace", {"name": name, "pacing": pacing}))


@click.command("forget", cls=Change)
@click.argument("import_id", metavar="IMPORT", type=int)
@click.option("--campaign", "-c", required=True, help="The draft that it belongs to.")
@click.pass_obj
def forget(session: Session, import_id: int, campaign: str) -> None:
    """Take an import of a draft back, with everybody who came by it. `campaign show --json` lists the imports."""
    session.confirm(f"Take import {import_id} out of {safe_text(campaign)}?")
    tell(session, session.call("recipients.forget", {"campaign": campaign, "import_id": import_id}))
