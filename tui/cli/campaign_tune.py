"""`paceline campaign tune`: another share of the queue or another window, also while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from storage.errors import UsageError
from tui.cli.output import Json
from tui.cli.session import Session
from tui.cli.tuning import tell_tuned, window_given, window_options
from tui.cli.verbs import Change


@click.command("tune", cls=Change)
@click.argument("name")
@click.option("--priority", type=click.IntRange(1, 10), help="10 runs first.")
@click.option("--weight", type=click.IntRange(1, 100), help="Its turns of the queue beside others of its priority.")
@click.option("--concurrency", type=click.IntRange(1, 1000), help="So many of it at once.")
@window_options
@click.option("--no-window", is_flag=True, help="Whenever its queue may send.")
@click.pass_obj
def tune(session: Session, /, name: str, **options: Any) -> None:
    """Change how the campaign NAME shares its queue, and when it may send, from now on.

    After another window what it has not sent is planned anew; what is in flight is left alone.
    """
    wanted = asked(options)
    if not wanted:
        raise UsageError("say what: for example --weight 3", hint="paceline campaign tune --help")
    result = session.call("campaign.tune", {"name": name, **wanted})
    tell_tuned(session, result, [name] if result["state"] == "active" else [])


def asked(options: Mapping[str, Any]) -> Json:
    """The arguments of `campaign.tune` beside the name; {} when nothing was asked for. Raises UsageError."""
    given: Json = {name: options[name] for name in ("priority", "weight", "concurrency") if options[name] is not None}
    window = window_given(options)
    return given if window is None else {**given, "window": window}
