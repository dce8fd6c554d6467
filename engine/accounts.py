"""Accounts as the configuration describes them: who sends, through what, and within which limits."""

from __future__ import annotations

import ipaddress
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
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
from engine.intake.addresses import AddressError, parse_address
from engine.planning.caps import Cap, Ramp, parse_cap, parse_rate
from engine.planning.limits import Limits
from engine.retry import CoolingLadder, RetryPolicy
from engine.secrets import Secret, SecretRef
from engine.tables import Table, duration, over, whole
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from engine.channels.smtp import SmtpSettings

PRESETS: Final[dict[str, dict[str, Any]]] = {
    "gmail": {"host": "smtp.gmail.com", "port": 587, "tls": "starttls", "daily_cap": 400, "concurrency": 5},
    "workspace": {"host": "smtp.gmail.com", "port": 587, "tls": "starttls", "daily_cap": 1_500},
    "yahoo": {
        "host": "smtp.mail.yahoo.com",
        "port": 465,
        "tls": "implicit",
        "messages_per_connection": 20,
    },
    "cold": {"daily_cap": 30},
}
"""What a provider allows, with room to spare; a key that the account sets itself wins."""

_PORTS: Final = {"implicit": 465, "starttls": 587, "opportunistic": 25, "none": 25}
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
    also of the calendar ("500/day calendar") in `zone` (None: the file's); `preset` names the figures it began with.
    `identity` is the line that names the sender with a postal address; `dkim_selector` names the key that signs, for
    preflight."""

    preset: Literal["gmail", "workspace", "yahoo", "cold"] | None = None
    from_address: Address
    from_name: Text = ""
    reply_to: Address | None = None
    unsubscribe_url: Annotated[str, AfterValidator(_https)] | None = None
    unsubscribe_mailto: Address | None = None
    identity: Text = ""
    dkim_selector: Annotated[str, AfterValidator(_selector)] = ""
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


class SmtpAccount(AccountBase):
    """`channel = "smtp"`: one login at one server. Timeouts in microseconds.

    `tls`: `starttls` requires it, `implicit` speaks TLS from the first byte, `opportunistic` takes what is offered,
    `none` stays in clear. A login is refused where a password could travel in clear, except on this machine.
    """

    channel: Literal["smtp"]
    host: Annotated[Text, Field(min_length=1)]
    tls: Literal["none", "starttls", "opportunistic", "implicit"] = "starttls"
    port: Annotated[int, whole(1, 65_535)] | None = None
    username: Text | None = None
    password: SecretRef | None = None
    ca_file: LocalPath | None = None
    local_hostname: Text | None = None
    messages_per_connection: Annotated[int, whole(1, 10_000)] = 100
    connect_timeout: Seconds = 30 * SECOND
    command_timeout: Seconds = 60 * SECOND
    reply_timeout: Seconds = 600 * SECOND

    @model_validator(mode="after")
    def _login_is_whole_and_safe(self) -> SmtpAccount:
        if (self.username is None) != (self.password is None):
            missing = "password" if self.password is None else "username"
            raise ValueError(f"a login needs both username and password: {missing} is missing")
        if self.password is not None and self.tls in ("none", "opportunistic") and not _is_loopback(self.host):
            raise ValueError(
                f'tls = "{self.tls}" could send the password in clear: use "starttls" or "implicit", '
                "or leave the login out"
            )
        return self

    @property
    def target(self) -> str:
        """Where messages go, for people: the server's name."""
        return self.host

    @property
    def server_port(self) -> int:
        """`port`, or what the TLS mode usually has: implicit 465, starttls 587, else 25."""
        return self.port if self.port is not None else _PORTS[self.tls]

    @property
    def secret(self) -> Secret | None:
        """Reads the password when a connection needs it (blocking); None without a login."""
        return Secret(self.password, self.name) if self.password is not None else None

    def settings(self) -> SmtpSettings:
        """What the SMTP channel needs; the password stays a reference, read at every login."""
        from engine.channels.smtp import SmtpSettings  # not needed to read a configuration, and slow to import

        return SmtpSettings(
            host=self.host,
            port=self.server_port,
            tls=self.tls,
            username=self.username or "",
            password=self.secret,
            local_hostname=self.local_hostname or "",
            connect_timeout=self.connect_timeout / SECOND,
            command_timeout=self.command_timeout / SECOND,
            reply_timeout=self.reply_timeout / SECOND,
            messages_per_connection=self.messages_per_connection,
            ca_file=str(self.ca_file or ""),
        )


class OutboxAccount(AccountBase):
    """`channel = "outbox"`: every message becomes one `.eml` file in `folder`; nothing leaves the machine."""

    channel: Literal["outbox"]
    folder: LocalPath

    @property
    def target(self) -> str:
        """Where messages go, for people: the folder."""
        return str(self.folder)


Account = SmtpAccount | OutboxAccount
AnyAccount = Annotated[Account, Field(discriminator="channel")]


def with_figures(table: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """An account's table as it counts: its own keys over its preset's, over the plain keys of `[defaults]`."""
    kinds: dict[object, type[AccountBase]] = {"smtp": SmtpAccount, "outbox": OutboxAccount}
    kind = kinds.get(table.get("channel")) if isinstance(table.get("channel"), str) else None
    if kind is None:
        return table
    preset = PRESETS.get(table["preset"], {}) if isinstance(table.get("preset"), str) else {}
    plain = {key: value for key, value in defaults.items() if key not in ("retry", "cooling")}
    inherited = {key: value for key, value in {**plain, **preset}.items() if key in kind.model_fields}
    return {**inherited, **table}


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
