"""What a forecast says to a person, the same for the command line and the console. Pure; the account's own time."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

from engine.planning.durations import format_duration
from engine.planning.forecast import Forecast
from engine.planning.forecast_days import Day
from storage.model import HOUR, MINUTE, SECOND

STOPPED = ("replied", "bounced", "unsubscribed", "suppressed")
"""Why a person is not written to any more (`recipients.stopped`)."""


def summary(told: Forecast) -> list[tuple[str, str]]:
    """Labels and sentences, the important ones first; what there is nothing to say about is left out."""
    rows = [
        ("if it is", told.assumes),
        ("messages", messages(told)),
        ("accounts", accounts(told)),
        ("first", moment(told.first, told)),
        ("finish", finish(told)),
        ("perhaps", "; ".join(perhaps(told))),
        ("not sent", ", ".join(f"{n:,} {reason}" for reason, n in not_sent(told))),
        ("beside it", ", ".join(told.beside)),
        ("based on", basis(told)),
    ]
    return [(label, words) for label, words in rows if words]


def messages(told: Forecast) -> str:
    """`420 of 420 through account one`, with further steps and what is refused for good."""
    if not told.open:
        return "nothing is left to send"
    several = f"{len(told.accounts)} accounts" if len(told.accounts) > 1 else f"account {told.accounts[0]}"
    further = f"; {told.further:,} of them further steps, if nobody answers or leaves" if told.further else ""
    failed = f", {told.failed:,} expected to be refused for good" if told.failed else ""
    return f"{told.sends:,} of {told.open:,} through {several}{failed}{further}"


def accounts(told: Forecast) -> str:
    """`one 210, two 210`: what goes through each of several accounts; "" for one."""
    sums: Counter[str] = Counter()
    for day in told.days:
        sums.update({part.account: part.sends for part in day.parts})
    return ", ".join(f"{account} {sums[account]:,}" for account in told.accounts) if sums else ""


def perhaps(told: Forecast) -> list[str]:
    """Steps that a condition decides on: `up to 40 more of step 2, only to those who have not replied`."""
    return [f"up to {one.most:,} more of step {one.step}, {one.condition}" for one in told.perhaps]


def not_sent(told: Forecast) -> list[tuple[str, int]]:
    """What stays behind, by reason: held until a person mends it, or never to be sent."""
    found = [(reason if _is_final(reason) else f"held: {reason}", n) for reason, n in (told.held or {}).items()]
    return [*found, ("whose window never opens", told.never)] if told.never else found


def _is_final(reason: str) -> bool:
    return reason in STOPPED or reason.startswith("also in ")


def finish(told: Forecast) -> str:
    """`2026-03-31 16:58 CEST, in 4d7h`, or the range in which it lies; "" when nothing is sent."""
    if told.earliest is None or told.latest is None:
        return ""
    away = format_duration((told.latest - told.at) // MINUTE * MINUTE) if told.latest - told.at >= MINUTE else "moments"
    if told.latest - told.earliest < MINUTE:
        return f"{moment(told.latest, told)}, in {away}"
    soonest = format_duration(max(told.earliest - told.at, 0) // MINUTE * MINUTE)
    return f"between {moment(told.earliest, told)} and {moment(told.latest, told)}, in {soonest} to {away}"


def basis(told: Forecast) -> str:
    """What chance was drawn from."""
    if not told.draws:
        return ""
    if told.certain:
        return "the plan, the limits and 1 s a message: nothing sent yet" if not told.measured else ""
    of = f"{told.measured:,} measured attempts" if told.measured else "the pacing"
    return f"{of}, drawn {told.draws} times"


def moment(at: int | None, told: Forecast) -> str:
    """Wall time of the first account with the zone's abbreviation; "" for none."""
    return f"{_local(at, told):%Y-%m-%d %H:%M %Z}" if at is not None else ""


def time_of_day(at: int | None, told: Forecast) -> str:
    """`10:05`, in the account's time."""
    return f"{_local(at, told):%H:%M}" if at is not None else ""


def day_name(day: Day, told: Forecast) -> str:
    """`Fri 2026-03-27`."""
    return f"{_local(day.begins, told):%a %Y-%m-%d}"


def short_day(day: Day, told: Forecast) -> str:
    """`Nov 27`."""
    at = _local(day.begins, told)
    return f"{at:%b} {at.day}"


def hours_of(day: Day) -> list[int]:
    """Messages of the campaign in each hour that a day has (23 to 25), in order."""
    found = [0] * max(1, (day.ends - day.begins) // HOUR)
    for hour in day.hours:
        found[min((hour.begins - day.begins) // HOUR, len(found) - 1)] += hour.sends
    return found


def days_left_out(told: Forecast, shown: int) -> str:
    """A line about the days behind the first `shown`; "" when there are none."""
    rest = told.days[shown:]
    if not rest:
        return ""
    sends = sum(day.sends for day in rest)
    return f"and {sends:,} more on {len(rest):,} days until {day_name(rest[-1], told)}"


def _local(at: int, told: Forecast) -> datetime:
    return datetime.fromtimestamp(at // SECOND, ZoneInfo(told.zone))
