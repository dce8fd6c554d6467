"""What every account of the configuration has, whatever its channel: its limits, its window, its rules for trouble."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from engine.alarm_rules import AlarmRules
from engine.alarm_settings import AlarmsTable
from engine.inbound.tokens import MAX_TOKEN
from engine.intake.addresses import AddressError, parse_address
from engine.planning.caps import Cap, Ramp, parse_cap, parse_rate
from engine.planning.limits import Limits
from engine.retry import CoolingLadder, RetryPolicy
from engine.secrets import SecretRef
from engine.tables import Table, duration, over, whole
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    pass

_OWN_HOST = re.compile(r"https://[A-Za-z0-9.-]+(?::\d+)?[/?#]")
"""The host is constant text: no recipient's field may choose where the link leads."""
_PLACEHOLDER = re.compile(r"\{\{ *[A-Za-z_]\w* *\}\}|\{[A-Za-z_]\w*\}", re.ASCII)


def _rate(value: str) -> str:
    try:
        parse_rate(value)
    except UsageError:
        raise ValueError('must be a rate of at least one, such as "60/min" or "30/h"') from None
    return value


def _cap(value: str) -> str:
    try:
        parse_cap(value)
    except UsageError:
        raise ValueError('must be a cap such as "40/h", "500/day", "200/week" or "500/day calendar"') from None
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        raise ValueError('must be an IANA time zone such as "Europe/Berlin"') from None
    return value


def _hours(value: object) -> object:
    """Hours alone ("mon-fri 09:00-17:00") are a window's whole table."""
    return {"hours": value} if isinstance(value, str | list) else value


def _against_folder(path: Path, info: ValidationInfo) -> Path:
    """A relative path counts from the configuration's folder, wherever the command was typed."""
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path.expanduser()


def _one_line(value: str) -> str:
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
        raise ValueError("must not hold line breaks or control characters")
    return value


def _address(value: str) -> str:
    try:
        return parse_address(value).address
    except AddressError:
        raise ValueError("must be one plain e-mail address") from None


def _https(value: str) -> str:
    if not _OWN_HOST.match(value):
        raise ValueError("must be an https address with a path, such as https://example.com/leave?m={message_id}")
    if re.search(r"[\s{}]", _PLACEHOLDER.sub("", value)):
        raise ValueError("must not hold blanks or braces other than placeholders such as {message_id}")
    return value


def _return_path(value: str) -> str:
    local, at, domain = value.partition("@")
    if "{" in value or "}" in value:
        prefix, plus, tail = local.rpartition("+")
        if tail != "{token}" or not plus or not at or "{" in prefix + domain:
            raise ValueError('must be an address, or hold the token behind a plus: "bounces+{token}@example.com"')
        if len(prefix) > 63 - MAX_TOKEN:
            raise ValueError(f"must have at most {63 - MAX_TOKEN} characters before the plus")
        return f"{prefix}+{{token}}@{_address(f'{prefix}@{domain}').rpartition('@')[2]}"
    return _address(value)


def _selector(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*|", value, re.ASCII):
        raise ValueError('must be a DKIM selector such as "mail2024", without the domain')
    return value


Text = Annotated[str, AfterValidator(_one_line)]
Address = Annotated[str, AfterValidator(_address)]
LocalPath = Annotated[Path, AfterValidator(_against_folder)]
Seconds = Annotated[int, duration("1s", "1h")]
Count = Annotated[int, whole(1, 1_000_000)]
Concurrency = Annotated[int, whole(1, 100)]
Gap = Annotated[int, duration("0s", "7d")]
RetryDelay = Annotated[int, duration("0s", "5d")]
ZoneName = Annotated[str, AfterValidator(_zone)]
CoolingStep = Annotated[int, duration("1s", "7d")]


class RetryTable(Table):
    """What follows a refusal that may pass. `delays` and `give_up` in microseconds, `jitter` as a share of the delay,
    `max_tries` attempts (None: only `give_up` ends it). Keys that an account leaves out come from `[defaults.retry]`.
    """

    delays: tuple[RetryDelay, ...] = Field(
        default=(5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR), min_length=1, max_length=50
    )
    give_up: RetryDelay = 3 * DAY
    jitter: float = Field(default=0.1, ge=0, le=0.5, strict=True, allow_inf_nan=False)
    max_tries: Annotated[int, whole(1, 100)] | None = None


class CoolingTable(Table):
    """How long a queue rests after trouble of its own: `steps` in microseconds, the last one repeats."""

    steps: tuple[CoolingStep, ...] = Field(
        default=(1 * MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE), min_length=1, max_length=20
    )


class WindowTable(Table):
    """When a queue may send: weekly `hours` of local wall time in `zone` (the account's own unless it says so), not on
    the public holidays of the regions in `holidays` ("DE-BY"), nor on the `closed` dates. `recipient_zone` names the
    field that holds a person's own zone."""

    hours: str | list[str]
    zone: ZoneName | None = None
    holidays: str | list[str] = Field(default_factory=list)
    closed: list[date | str] = Field(default_factory=list)
    recipient_zone: str = ""


class WarmupTable(Table):
    """The ramp of a new sender: `start` messages on its first day, `step` more (or `growth` as a share more) on every
    further day on which it sends, up to `ceiling`."""

    start: Annotated[int, whole(1, 1_000_000)] = 5
    step: Annotated[int, whole(0, 1_000_000)] = 0
    growth: float = Field(default=0, ge=0, le=1, allow_inf_nan=False)
    ceiling: Annotated[int, whole(1, 1_000_000)] = 20

    @model_validator(mode="after")
    def _one_way_up(self) -> WarmupTable:
        if bool(self.step) == bool(self.growth):
            raise ValueError("needs either step (so many more a day) or growth (0.1: 10 % more a day)")
        if self.start > self.ceiling:
            raise ValueError("start must not be above ceiling")
        return self


class Defaults(Table):
    """`[defaults]`: what an account gets when neither it nor its preset says otherwise. Times in microseconds."""

    concurrency: Concurrency = 10
    min_gap: Gap = 0
    messages_per_connection: Annotated[int, whole(1, 10_000)] = 100
    connect_timeout: Seconds = 30 * SECOND
    command_timeout: Seconds = 60 * SECOND
    reply_timeout: Seconds = 600 * SECOND
    retry: RetryTable = RetryTable()
    cooling: CoolingTable = CoolingTable()


class AccountBase(Table):
    """What every kind of account has. `min_gap` in microseconds between two starts, `domain_gap` between two to one
    recipient domain; `daily_cap` counts over any 24 hours; `rate` is text such as "60/min", `caps` are more of them,
    also of the calendar ("500/day calendar") in `zone` (None: the file's); `preset` names the figures it began with."""

    preset: str | None = None
    concurrency: Concurrency = 10
    min_gap: Gap = 0
    rate: Annotated[str, AfterValidator(_rate)] | None = None
    daily_cap: Count | None = None
    caps: tuple[Annotated[str, AfterValidator(_cap)], ...] = Field(default=(), max_length=12)
    domain_gap: Gap = 0
    zone: ZoneName | None = None
    window: Annotated[WindowTable, BeforeValidator(_hours)] | None = None
    warmup: WarmupTable | None = None
    retry: RetryTable | None = None
    cooling: CoolingTable | None = None
    alarms: AlarmsTable | None = None

    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The NAME of `[accounts.NAME]`."""
        return self._name

    @property
    def sender(self) -> str:
        """Who its messages come from, for people: an address, a profile, or its own name."""
        return self._name

    @property
    def usual_pacing(self) -> dict[str, Any]:
        """The pacing of a campaign that names none, as `Pacing.from_dict` reads it; {}: the usual blast."""
        return {}

    @property
    def mail(self) -> MailAccount | None:
        """Itself, where it sends e-mail; None otherwise."""
        return None

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """Where its passwords, keys and tokens stand; () where it needs none."""
        return ()

    @property
    def ceilings(self) -> tuple[Cap, ...]:
        """The account's caps, all of which hold at once: its rate, its daily cap over 24 rolling hours, its `caps`."""
        rate = (parse_rate(self.rate),) if self.rate else ()
        daily = (Cap(self.daily_cap, DAY),) if self.daily_cap else ()
        return rate + daily + tuple(parse_cap(text) for text in self.caps)

    def limits(self, zone: str) -> Limits:
        """What its queue may do; `zone` is the file's own, for an account without one. Raises UsageError for a window
        that cannot be read."""
        zone = self.zone or zone
        window = None
        if self.window is not None:
            from engine.planning.windows import Window  # most accounts have none

            table = self.window.model_dump()
            window = Window.from_dict(
                {**table, "zone": table["zone"] or zone, "closed": [str(day) for day in table["closed"]]}
            )
        ramp = Ramp(**self.warmup.model_dump()) if self.warmup is not None else None
        return Limits(self.concurrency, self.min_gap, self.domain_gap, self.ceilings, window, ramp, zone)

    def retry_policy(self, defaults: Defaults) -> RetryPolicy:
        """The rule for transient refusals: `[accounts.NAME.retry]` key by key over `[defaults.retry]`."""
        table = over(defaults.retry, self.retry)
        return RetryPolicy(table.delays, table.give_up, table.jitter, table.max_tries)

    def cooling_ladder(self, defaults: Defaults) -> CoolingLadder:
        """How the queue cools: `[accounts.NAME.cooling]` over `[defaults.cooling]`."""
        return CoolingLadder(over(defaults.cooling, self.cooling).steps)

    def alarm_rules(self, alarms: AlarmsTable) -> AlarmRules:
        """When its queue and campaigns stop or slow down by themselves: `[accounts.NAME.alarms]` over `[alarms]`."""
        return over(alarms, self.alarms).rules()


class MailAccount(AccountBase):
    """What every account that sends e-mail has: who writes, and how a reader leaves (`unsubscribe_scope`: everything,
    or the list that they were written to for). `identity` is the line that names the sender with a postal address;
    `dkim_selector` names the key that signs, for preflight."""

    preset: Literal["gmail", "workspace", "yahoo", "cold"] | None = None
    from_address: Address
    from_name: Text = ""
    reply_to: Address | None = None
    unsubscribe_url: Annotated[str, AfterValidator(_https)] | None = None
    unsubscribe_mailto: Address | None = None
    return_path: Annotated[str, AfterValidator(_return_path)] | None = None
    unsubscribe_scope: Literal["all", "list"] = "all"
    identity: Text = ""
    dkim_selector: Annotated[str, AfterValidator(_selector)] = ""

    @property
    def sender(self) -> str:
        return self.from_address

    @property
    def mail(self) -> MailAccount:
        return self
