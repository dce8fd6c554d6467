"""Options about windows and live tuning that several commands share, and what a tuning is answered with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from storage.errors import PacelineError, UsageError
from tui.cli.output import Json, dated, emit, iso, local, out, say
from tui.cli.session import Session
from tui.safe_text import safe_text

if TYPE_CHECKING:
    from storage.reader import Reader
    from tui.ends import End

F = TypeVar("F", bound=Callable[..., Any])

WINDOW = ("window", "zone", "holidays", "closed", "recipient_zone")
"""The names of the window options, as their command gets them."""
_WINDOW_OPTIONS = (
    click.option("--window", metavar="HOURS", help='When it may send: "mon-fri 09:00-17:00; sat 10:00-14:00".'),
    click.option("--zone", metavar="ZONE", help="Whose clocks: Europe/Berlin [the account's]."),
    click.option("--holidays", multiple=True, metavar="REGION", help="Closed on its holidays: DE-BY, US-CA."),
    click.option("--closed", multiple=True, metavar="DATE", help="Closed on a date of your own: 2026-12-24."),
    click.option("--recipient-zone", metavar="FIELD", help="The hours on each person's clock: the field of its zone."),
)


def window_options(command: F) -> F:
    """The options that say when something may send."""
    for option in reversed(_WINDOW_OPTIONS):
        command = option(command)
    return command


def window_given(params: Mapping[str, Any]) -> Json | None:
    """The window that the options say, as `Window.from_dict` reads it but for a zone; {} for `--no-window`, None when
    nothing was said. Raises UsageError."""
    given = {name: params[name] for name in WINDOW if params.get(name)}
    if params.get("no_window"):
        if given:
            raise UsageError("--no-window and a window contradict each other", hint="leave one of them out")
        return {}
    if not given:
        return None
    hours = given.pop("window", None)
    if hours is None:
        option = next(iter(given)).replace("_", "-")
        raise UsageError(f"--{option} needs the hours too", hint='--window "mon-fri 09:00-17:00"')
    window = {"hours": hours, **{name: list(v) if isinstance(v, tuple) else v for name, v in given.items()}}
    check_window(window)
    return window


def check_window(window: Json) -> None:
    """Read a window as the engine will, with any zone in place of the account's. Raises UsageError naming the field."""
    from engine.planning.windows import Window

    Window.from_dict({"zone": "UTC", **window})


def tell_tuned(session: Session, result: Json, campaigns: Sequence[str] | None = None, *, queue: str = "") -> None:
    """A tuning's answer, and when each of these campaigns ends from now on (None: the active ones of `queue`)."""
    from storage.queue_facts import active_campaigns

    ends = ends_now(session, lambda reader: active_campaigns(reader, queue) if campaigns is None else campaigns)
    if session.json:
        emit({**dated(result), "campaigns": [{"campaign": end.campaign, "eta": iso(end.at)} for end in ends]})
        return
    out(safe_text(result["message"]))
    say_ends(session, ends)


def ends_now(session: Session, names: Callable[[Reader], Sequence[str]]) -> list[End]:
    """When these active campaigns end, with all that their accounts have to send."""
    from tui.cli.times import now_us
    from tui.ends import ends_of

    try:
        config = session.config()
    except PacelineError:
        config = None  # a running engine has its own
    with session.reader() as reader:
        return ends_of(reader, config, names(reader), now_us())


def say_ends(session: Session, ends: Sequence[End]) -> None:
    """One sentence about them, where anything is known."""
    from tui.ends import told

    if sentence := told(ends, [local(end.at, session.zone) for end in ends]):
        say(sentence)
