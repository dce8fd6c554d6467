"""What would go wrong with a campaign, found before it starts. Reads only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from engine.accounts import Account, SmtpAccount
from engine.compose.errors import ComposeError
from engine.compose.message import MessageFactory
from engine.composer import make_factory
from engine.config import Config, allow_listed
from engine.control.common import estimated
from engine.planning.caps import least_time
from engine.planning.durations import format_duration
from engine.planning.pacing import Pacing, estimate
from storage.errors import PacelineError
from storage.model import DAY, SECOND
from storage.reader import Reader
from tui.cli.facts import campaign_of, step_of
from tui.cli.output import Json

FIRST = 5
"""How many people a finding names."""


@dataclass(slots=True)
class Finding:
    """One thing to know. `level` is `problem` (stops the start, or holds messages) or `note`."""

    level: str
    code: str
    message: str
    hint: str = ""
    count: int = 0
    first: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Preflight:
    """Everything found. `people` have no message yet."""

    campaign: str
    state: str
    live: bool
    people: int = 0
    pacing: str = ""
    estimate: str = ""
    completion: int | None = None
    fields: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not any(found.level == "problem" for found in self.findings)

    def problem(self, code: str, message: str, hint: str = "", **more: Any) -> None:
        self.findings.append(Finding("problem", code, message, hint, **more))

    def note(self, code: str, message: str, hint: str = "", **more: Any) -> None:
        self.findings.append(Finding("note", code, message, hint, **more))

    def to_json(self) -> Json:
        def listed(level: str) -> list[Json]:
            return [
                {"code": f.code, "message": f.message, "hint": f.hint, "count": f.count, "first": f.first}
                for f in self.findings
                if f.level == level
            ]

        return {
            "campaign": self.campaign,
            "state": self.state,
            "ok": self.ok,
            "live": self.live,
            "to_send": self.people,
            "pacing": self.pacing,
            "estimate": self.estimate,
            "estimated_completion": self.completion,
            "fields": self.fields,
            "problems": listed("problem"),
            "notes": listed("note"),
        }


def examine(reader: Reader, row: Json, config: Config, *, now: int) -> Preflight:
    """All findings about one campaign: account, templates, people, pacing, store."""
    found = Preflight(row["name"], row["state"], row["live"])
    account = _account(found, row, config)
    factory = _factory(found, row, account)
    _people(found, reader, row, config, account, factory)
    _state(found, reader, row)
    pacing = Pacing.from_dict(row["pacing"])
    found.pacing = pacing.describe()
    if account is not None and found.people:
        _time(found, row, account, pacing, now)
    return found


def _account(found: Preflight, row: Json, config: Config) -> Account | None:
    try:
        account = config.account(row["account"])
    except PacelineError as error:
        found.problem("account", error.message, f"add [accounts.{row['account']}] to the configuration again")
        return None
    if isinstance(account, SmtpAccount) and account.secret is not None:
        try:
            account.secret()
        except PacelineError as error:
            # The engine reads it where it was started: here it may be missing, there it may be set.
            found.problem("password", error.message, error.hint)
    return account


def _factory(found: Preflight, row: Json, account: Account | None) -> MessageFactory | None:
    if account is None:
        return None
    try:
        factory = make_factory(campaign_of(row), step_of(row), account)
    except PacelineError as error:
        found.problem("template", error.message, error.hint)
        return None
    found.fields = sorted(factory.fields)
    if not row["steps"][0]["subject"].strip():
        found.note("subject", "the message has no subject", "give one with --subject, or `Subject: ...` on top")
    return factory


def _people(
    found: Preflight,
    reader: Reader,
    row: Json,
    config: Config,
    account: Account | None,
    factory: MessageFactory | None,
) -> None:
    guarded = account is not None and not row["live"] and account.channel != "outbox"
    missing: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    outside: list[str] = []
    n_outside = 0
    for person in reader.all_recipients(row["id"]):
        if person["job_id"] is not None and person["state"] != "held":
            continue
        found.people += person["job_id"] is None
        where = f"{person['address']} (row {person['row_number']})"
        for reason in _lacks(factory, person):
            missing[reason] += 1
            if missing[reason] <= FIRST:
                examples.setdefault(reason, []).append(where)
        if guarded and not allow_listed(config, person["address"]):
            n_outside += 1
            if n_outside <= FIRST:
                outside.append(where)
    for reason, n in missing.most_common():
        hint = "fill it in and import again, or write a default into the template"
        found.problem("field", f"{n:,} people: {reason}", hint, count=n, first=examples[reason])
    if n_outside:
        message = f"the campaign is not live, and {n_outside:,} addresses are outside the allow-list"
        hint = f"try it with test-send, then: paceline campaign live {row['name']}"
        found.problem("not_live", message, hint, count=n_outside, first=outside)
    if not found.people and not row["total"]:
        hint = f"paceline recipients import FILE --campaign {row['name']}"
        found.problem("nobody", "there is nobody to send to", hint)
    elif not found.people:
        found.note("nobody", "everybody has a message already")


def _lacks(factory: MessageFactory | None, person: Json) -> list[str]:
    if factory is None or not factory.fields:
        return []
    try:
        return [
            f"the field {name} is missing or empty"
            for name in factory.missing(person["fields"], address=person["address"])
        ]
    except ComposeError as error:
        return [error.message]


def _state(found: Preflight, reader: Reader, row: Json) -> None:
    name = row["name"]
    if row["state"] == "paused":
        found.problem("state", f"the campaign is paused ({row['pause_reason']})", f"paceline campaign resume {name}")
    elif row["state"] == "cancelled":
        found.problem("state", "the campaign is cancelled", "make a new campaign")
    if reader.engine()["paused"]:
        found.note("engine", "the engine is paused: nothing is sent", "paceline engine resume")
    if row["queue_state"] not in ("ready", "probing"):
        reason = f": {row['queue_reason']}" if row["queue_reason"] else ""
        found.note(
            "queue",
            f"queue {row['account']} is {row['queue_state']}{reason}",
            f"paceline queue resume {row['account']}",
        )


def _time(found: Preflight, row: Json, account: Account, pacing: Pacing, now: int) -> None:
    """As a start estimates it, and which caps are what it waits for."""
    campaign = campaign_of(row)
    range_ = estimated(campaign, account, pacing, found.people, now)
    found.estimate, found.completion = range_.text, range_.last_high
    at_once = min(campaign.concurrency, account.concurrency)
    alone = estimate(pacing, found.people, start=now, seed=campaign.seed, concurrency=at_once)
    for cap in account.ceilings:
        takes = least_time(found.people, min_gap=0, caps=[cap])
        if takes > max(alone.last_high - now, SECOND):
            length = f"{takes // DAY} more days" if takes >= DAY else format_duration(takes)
            message = f"the cap {cap} of account {account.name} stretches {found.people:,} messages over {length}"
            found.note("cap", message)
