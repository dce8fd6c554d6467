"""`paceline job sent`: many uncertain messages that a person knows to have been sent."""

from __future__ import annotations

import click

from storage.errors import UsageError
from tui.cli.campaign_run import tell
from tui.cli.output import say
from tui.cli.session import Session
from tui.cli.verbs import ID, Change


@click.command("sent", cls=Change)
@click.argument("ids", metavar="[ID...]", type=ID, nargs=-1)
@click.option("--filter", "text", default="", help='All uncertain ones that match, for example "campaign:spring".')
@click.pass_obj
def sent(session: Session, ids: tuple[int, ...], text: str) -> int:
    """Say of these uncertain messages that they were sent. Exit 1 when not all of them were uncertain.

    The other way, sending again, is decided one by one: `campaign resolve NAME JOB --again`.
    """
    from storage.filters import parse
    from storage.jobs_page import Query, highest
    from storage.uncertain_set import of_filter, slices
    from tui.cli.times import now_us

    if bool(ids) == bool(text.strip()):
        raise UsageError("name jobs by id, or some by --filter", hint='for example --filter "campaign:spring"')
    if text:
        filter = parse(text)
        with session.reader() as reader:
            ids = of_filter(reader, Query(filter, now=now_us(), top=highest(reader)))
        say(f"{len(ids):,} uncertain")
    resolved = refused = 0
    if ids:
        session.confirm(f"Count {len(ids):,} as sent?")
        with session.control() as control:
            for part in slices(ids):
                result = control.call("job.sent", {"ids": list(part)})
                resolved, refused = resolved + result["resolved"], refused + result["refused"]
    message = f"{resolved:,} counted as sent" if resolved else "nothing was changed"
    message += f", {refused:,} were not uncertain any more" if refused else ""
    tell(
        session,
        {"success": True, "resolved": resolved, "refused": refused, "empty": not resolved, "message": message},
    )
    return 0 if resolved == len(set(ids)) else 1
