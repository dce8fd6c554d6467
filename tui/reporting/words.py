"""A report as sections of words: what the command line, the console, Markdown and HTML all show. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from storage.model import SECOND
from tui.cli.output import local, span

Row = dict[str, Any]


class Section(NamedTuple):
    """A title, sentences with their labels, and a table; `note` says what the table leaves out."""

    title: str
    pairs: tuple[tuple[str, str], ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    note: str = ""


def sections(report: Row, zone: tzinfo) -> list[Section]:
    """The sections of a report that have something to say; times in a zone."""
    found = [
        _sums(report, zone),
        _rates(report),
        _reasons(report),
        _parts("By step", "step", report["steps"]) if len(report["steps"]) > 1 else Section(""),
        _parts("By account", "account", report["accounts"]),
        _parts("By recipient domain", "domain", report["domains"], report["domains_in_all"]),
        _pace(report, zone),
        _timeline(report, zone),
        _uncertain(report, zone),
    ]
    return [section for section in found if section.pairs or section.rows]


def share(rate: Row) -> str:
    """`194 of 200 (97.0 %)`."""
    if rate["of"] is None:
        return f"{rate['n']:,}"
    percent = "-" if rate["percent"] is None else f"{rate['percent']:.1f} %"
    return f"{rate['n']:,} of {rate['of']:,} ({percent})"


def _sums(report: Row, zone: tzinfo) -> Section:
    counts, times = report["counts"], report["times"]
    states = ", ".join(f"{n:,} {state}" for state, n in counts.items() if n)
    stopped = ", ".join(f"{n:,} {why}" for why, n in report["stopped"].items())
    pairs = [
        ("state", report["state"]),
        ("read", local(report["read_at"], zone)),
        ("people", f"{report['people']:,}"),
        ("stopped", stopped),
        ("messages", f"{report['total']:,}" + (f" = {states}" if states else "")),
        ("started", local(times["started_at"], zone)),
        ("first sent", local(times["first_sent_at"], zone)),
        ("last sent", local(times["last_sent_at"], zone)),
        ("ended", local(times["completed_at"] or times["cancelled_at"], zone)),
        ("took", _seconds(times["elapsed_seconds"])),
    ]
    return Section(
        f"Report of {report['campaign']}", tuple((label, text) for label, text in pairs if text != "-" and text)
    )


_RATES = {
    "sent": "of all messages",
    "accepted": "of those that were tried",
    "failed": "of all messages",
    "bounced": "of those that were sent",
    "replied": "of the people who were sent one",
    "unsubscribed": "of the people who were sent one",
    "uncertain": "of all messages: they may have left",
    "on_time": "of those that were sent: within a minute of the plan",
}


def _rates(report: Row) -> Section:
    rows = tuple((name.replace("_", " "), share(report["rates"][name]), words) for name, words in _RATES.items())
    attempts = report["attempts"]
    outcomes = ", ".join(f"{n:,} {outcome}" for outcome, n in attempts["outcomes"].items())
    tried = f"{attempts['total']:,} = {outcomes}; {attempts['mean_seconds']:.2f} s each" if attempts["total"] else ""
    pairs = (("attempts", tried),) if tried else ()
    return Section("Rates", pairs, ("rate", "how many", "of what"), rows if report["total"] else (), _partly(report))


def _partly(report: Row) -> str:
    """What a figure is about that was not made from all messages."""
    seen, total = report["looked_through"], report["total"]
    return f"accepted, on time and all parts below: of the first {seen:,} messages" if seen < total else ""


def _reasons(report: Row) -> Section:
    rows = tuple(
        (share(reason["of_messages"]), reason["kind"], reason["retry"], reason["error_key"], reason["advice"])
        for reason in report["reasons"]
    )
    return Section("Reasons", (), ("messages", "kind", "retry", "reason", "advice"), rows)


def _parts(title: str, name: str, parts: list[Row], every: int = 0) -> Section:
    rows = tuple(
        (
            part["name"] or "-", share(part["sent"]), share(part["failed"]), share(part["bounced"]),
            f"{part['uncertain']:,}", f"{part['open']:,}",
        )
        for part in parts
    )  # fmt: skip
    note = f"the {len(parts)} largest of {every:,}" if every > len(parts) else ""
    return Section(title, (), (name, "sent", "failed", "bounced of sent", "uncertain", "open"), rows, note)


def _pace(report: Row, zone: tzinfo) -> Section:
    pace, rates = report["pace"], report["rates"]
    reached = f"{pace['sent_per_hour']:,.1f} an hour" if pace["sent_per_hour"] else ""
    if reached and pace["wanted_per_hour"]:
        reached += f", where the pacing means {pace['wanted_per_hour']:,.1f}"
    pairs = [
        ("pacing", pace["pacing"]),
        ("reached", reached),
        ("planned", _between(pace, zone)),
        ("on time", share(rates["on_time"]) if rates["on_time"]["of"] else ""),
        ("later by", _late(pace)),
    ]  # fmt: skip
    return Section("Pace, planned against actual", tuple((label, text) for label, text in pairs if text))


def _between(pace: Row, zone: tzinfo) -> str:
    if pace["first_due_at"] is None:
        return ""
    return f"{local(pace['first_due_at'], zone)} to {local(pace['last_due_at'], zone)}"


def _late(pace: Row) -> str:
    if pace["mean_late_seconds"] is None:
        return ""
    return f"{_seconds(pace['mean_late_seconds'])} on average, {_seconds(pace['latest_by_seconds'])} at most"


def _timeline(report: Row, zone: tzinfo) -> Section:
    told = report["timeline"]
    form = "%Y-%m-%d" if told["unit"] == "day" else "%Y-%m-%d %H:%M"
    rows = tuple(
        (
            datetime.fromtimestamp(part["at"] / SECOND, UTC).astimezone(zone).strftime(form),
            f"{part['sent']:,}", f"{part['failed']:,}", f"{part['other']:,}",
        )
        for part in told["parts"]
    )  # fmt: skip
    return Section(f"Attempts by {told['unit']}", (), (told["unit"], "sent", "failed", "other"), rows)


def _uncertain(report: Row, zone: tzinfo) -> Section:
    rows = tuple(
        (str(job["id"]), job["address"] or "-", local(job["updated_at"], zone), job["error"])
        for job in report["uncertain"]
    )
    every = report["counts"]["uncertain"]
    note = f"the first {len(rows)} of {every:,}; " if every > len(rows) else ""
    return Section(
        "Uncertain: sent or not?", (), ("job", "recipient", "since", "what is known"), rows,
        f"{note}decide: paceline campaign resolve {report['campaign']} JOB --sent" if rows else "",
    )  # fmt: skip


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return span(round(seconds) * SECOND) if seconds >= 1 else "less than a second"
