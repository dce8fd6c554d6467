"""`paceline campaign`: forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storage.errors import PacelineError
from tui.cli.output import Json, dated, emit, out, pairs, say, table
from tui.cli.session import Session
from tui.cli.verbs import Verb

if TYPE_CHECKING:
    from engine.config import Config
    from engine.planning.forecast import Forecast

DAYS = 14
"""So many days are listed unless more are asked for."""


@click.command("forecast", cls=Verb)
@click.argument("name")
@click.option("--at", "at", metavar="TIME", help='If it is started later: "2026-03-01 10:20", "10:20", "+2h".')
@click.option(
    "--days", type=click.IntRange(min=1), default=DAYS, show_default=True, help="List so many days with messages."
)
@click.option("--hours", is_flag=True, help="Every hour with messages.")
@click.pass_obj
def forecast(session: Session, name: str, at: str | None, days: int, hours: bool) -> None:
    """When its messages would leave: by day, hour and account, the finish as a range, what is held, which limit binds.

    Further steps are counted where nothing but their wait decides; of others it says how many may come and when.
    Before the start and at any time, with or without an engine. Nothing is changed.
    """
    told = foretell(session, name, at)
    if session.json:
        emit(forecast_json(told, days))
    else:
        tell_forecast(told, days, hours=hours)


def foretell(session: Session, name: str, at: str | None = None) -> Forecast:
    """The forecast of a campaign from now on, or from its start `at` a time as people type it."""
    from engine.forecasting import forecast_campaign
    from tui.cli.times import now_us, parse_time

    now = now_us()
    begin = parse_time(at, session.zone, now=now) if at is not None else None
    with session.reader() as reader:
        return forecast_campaign(reader, name, readable_config(session), now=now, at=begin)


def readable_config(session: Session) -> Config | None:
    """The configuration; None where it cannot be read: a running engine has left its limits in the store."""
    try:
        return session.config()
    except PacelineError:
        return None


def forecast_json(told: Forecast, days: int = DAYS) -> Json:
    """As `--json` prints it: the first `days`, and how many there are."""
    found = told.to_dict()
    return dated({**found, "days_in_all": len(told.days), "days": found["days"][:days]})


def tell_forecast(told: Forecast, days: int = DAYS, *, hours: bool = False) -> None:
    """Summary and table, in the account's own time."""
    from tui.forecast_words import day_name, days_left_out, summary, time_of_day

    pairs([("campaign", told.campaign), *summary(told)])
    if not told.days:
        return
    out()
    rows: list[tuple[str, ...]] = []
    for day in told.days[:days]:
        first, last = time_of_day(day.first, told), time_of_day(day.last, told)
        rows.append((day_name(day, told), str(day.sends), str(day.account), first, last, day.bound_by))
        rows += [(f"  {one.account}", str(one.sends), str(one.every), "", "", one.bound_by) for one in day.parts]
        if hours:
            rows += [(f"  {time_of_day(h.begins, told)}", str(h.sends), str(h.account), "", "", "") for h in day.hours]
    whole = f"all of {told.accounts[0]}" if len(told.accounts) == 1 else "all of them"
    table(("day", "sends", whole, "first", "last", "bound by"), rows)
    if left := days_left_out(told, days):
        say(left)
