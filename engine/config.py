"""`paceline.toml`: reading and checking it, starting one, adding an account to it.

Nothing here is runtime state: pause, cooling and live tuning stand in the database.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from engine.account_base import Defaults, Text, ZoneName
from engine.accounts import Account, AnyAccount, with_figures
from engine.alarm_settings import AlarmsTable
from engine.config_errors import key_lines, sentences
from engine.console_settings import ConsoleSettings, is_production
from engine.inbox_settings import InboxTable
from engine.intake.addresses import AddressError, parse_address
from engine.job_settings import JobsTable, RetentionTable, from_environment
from storage.errors import NotFoundError, RefusedError, UsageError

__all__ = [
    "EXAMPLE",
    "Account",
    "Config",
    "Defaults",
    "Safety",
    "add_account",
    "allow_listed",
    "init_config",
    "load_config",
]

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_RESERVED = frozenset({"default"})
"""The queue of background jobs: an account of that name would share its limits."""
_TEST_DOMAINS = frozenset({"example", "test", "invalid"})
"""Nobody's mail goes there (RFC 2606)."""

EXAMPLE = """\
# Paceline: who sends, and within which limits. docs/configuration.md explains every key.
# What runs at the moment (pauses, live tuning) stands in the database, not here.

environment = "dev"          # shown in the console's first row; "production" gets a red bar
zone = "UTC"                 # an IANA zone such as "Europe/Berlin"

# A campaign that is not yet live reaches only these addresses (and outbox accounts).
[safety]
allow = []                   # for example ["me@example.com", "*@example.org"]

# What every account gets unless it says otherwise.
[defaults]
concurrency = 10

# A refusal that may pass is tried again after these delays, then after the last one.
[defaults.retry]
delays = ["5m", "30m", "2h", "6h", "12h", "24h"]
give_up = "3d"
jitter = 0.1

# A server in trouble is left alone for this long, then asked with one message.
[defaults.cooling]
steps = ["1m", "5m", "15m", "60m"]

# Writes every message as a file beside this one: nothing leaves the machine.
[accounts.outbox]
channel = "outbox"
folder = "outbox"
from_name = "Example Sender"
from_address = "sender@example.com"

# A real server. Remove the # signs, put the password where the reference points, then
# try it with: paceline account test main
#
# [accounts.main]
# channel = "smtp"
# preset = "workspace"       # gmail, workspace, yahoo or cold: host and limits of the provider
# username = "you@example.com"
# password = { env = "SMTP_PASSWORD" }    # or { file = ... }, { keyring = ... }, { command = [...] }
# from_name = "Your Name"
# from_address = "you@example.com"
# daily_cap = 1000           # in any 24 hours; the lowest ceiling wins
"""


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("an account's name has letters, digits, - and _ only (at most 63)")
    if value in _RESERVED:
        raise ValueError("this name belongs to the queue of background jobs: choose another")
    return value


def _pattern(value: str) -> str:
    local, at, domain = value.strip().rpartition("@")
    if not (local and at and domain) or re.search(r"[\s@]", local + domain):
        raise ValueError('must be an address or a pattern such as "*@example.org"')
    labels = domain.split(".")
    fixed = labels[-1:] if labels[-1] in _TEST_DOMAINS else labels[-2:]
    if "*" in "".join(fixed):
        raise ValueError('would allow strangers: end with a whole domain, such as "*@*.example.org"')
    return value.strip()


class Safety(BaseModel):
    """`[safety]`: whom a campaign may reach before it is live. `*` stands for any text on one side of the @."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    allow: tuple[Annotated[str, AfterValidator(_pattern)], ...] = ()


class Config(BaseModel):
    """The whole file, checked. `path` is where it was read, `warnings` are sentences for the operator."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    environment: Annotated[Text, Field(min_length=1, max_length=20)] = "dev"
    zone: ZoneName = "UTC"
    defaults: Defaults = Defaults()
    safety: Safety = Safety()
    alarms: AlarmsTable = AlarmsTable()
    console: ConsoleSettings = ConsoleSettings()
    accounts: dict[Annotated[str, AfterValidator(_name)], AnyAccount] = Field(default_factory=dict)
    inbox: dict[Annotated[str, AfterValidator(_name)], InboxTable] = Field(default_factory=dict)
    jobs: JobsTable = JobsTable()
    retention: RetentionTable = RetentionTable()

    _path: Path = PrivateAttr(default=Path("paceline.toml"))
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, tree: Any) -> Any:
        accounts, defaults = tree.get("accounts"), tree.get("defaults", {})
        # Checked even where nothing of it is written: its folder counts from the file's.
        tree = {"jobs": {}, **tree}
        if not isinstance(accounts, dict) or not isinstance(defaults, dict):
            return tree
        merged = {
            name: with_figures(table, defaults) if isinstance(table, dict) else table
            for name, table in accounts.items()
        }
        return {**tree, "accounts": merged}

    @model_validator(mode="after")
    def _tell_names(self) -> Config:
        for name, account in self.accounts.items():
            account._name = name
            try:
                account.limits(self.zone)
            except UsageError as error:
                raise ValueError(f"accounts.{name}: {error.message}") from None
        for name, mailbox in self.inbox.items():
            mailbox._name = name
        for name in self.jobs.queues:
            if name in self.accounts or not _NAME.fullmatch(name):
                why = "is an account's name" if name in self.accounts else "is no name: letters, digits, - and _ only"
                raise ValueError(f"jobs.queues.{name}: {why}")
        known = self.jobs.queue_names()
        for kind, table in self.jobs.kinds.items():
            if table.queue is not None and table.queue not in known:
                raise ValueError(f"jobs.kinds.{kind}.queue: there is no queue {table.queue!r} in [jobs.queues]")
        return self

    @property
    def path(self) -> Path:
        return self._path

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._warnings

    @property
    def tz(self) -> ZoneInfo:
        """`zone` as an object for local wall time."""
        return ZoneInfo(self.zone)

    @property
    def is_production(self) -> bool:
        return is_production(self.environment)

    def account(self, name: str) -> Account:
        """The account of that name. Raises NotFoundError, which lists the names that exist."""
        hint = "paceline account list" if self.accounts else "paceline account add"
        return _named("account", name, self.accounts, hint)

    def mailbox(self, name: str) -> InboxTable:
        """The mailbox of that name. Raises NotFoundError, which lists the names that exist."""
        return _named("mailbox", name, self.inbox, "write an [inbox.NAME] table: docs/bounces.md")


def _named(what: str, name: str, tables: Mapping[str, T], hint: str) -> T:
    if (found := tables.get(name)) is not None:
        return found
    names = ", ".join(sorted(tables))
    raise NotFoundError(
        f"there is no {what} {name!r}; {f'there are: {names}' if names else 'none is configured'}", hint=hint
    )


def allow_listed(config: Config, address: str) -> bool:
    """Whether `[safety] allow` names `address`, in the form that addresses are compared by; False for no address."""
    try:
        key = parse_address(address).key
    except AddressError:
        return False
    return any(_matcher(pattern).fullmatch(key) for pattern in config.safety.allow)


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> re.Pattern[str]:
    local, _, domain = pattern.rpartition("@")
    try:
        domain = parse_address(f"x@{domain}").key.rpartition("@")[2]
    except AddressError:
        domain = domain.lower()  # a pattern itself
    key = f"{unicodedata.normalize('NFC', local.casefold())}@{domain}"
    return re.compile(re.escape(key).replace(r"\*", "[^@]*"))


def load_config(path: Path) -> Config:
    """Read and check one file; relative paths inside count from its folder.

    Raises UsageError when it is missing, unreadable, no TOML or not valid: one line a mistake, each as
    "FILE:LINE: FIELD: what must be", no secret shown. Something to worry about goes to `Config.warnings`.
    """
    text, mode = _read(path)
    config = _checked(path, _parsed(path, text), key_lines(text), str(path))
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        config._warnings = (f"{path} can be changed by other users: chmod 600 {path}",)
    return config


def init_config(path: Path) -> None:
    """Write the commented example, 0600, with one outbox account. Raises RefusedError when `path` exists."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise RefusedError(f"{path} exists and stays as it is", hint="edit it, or name another file") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {_reason(error)}", hint="check the folder") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(EXAMPLE)


def add_account(path: Path, name: str, values: dict[str, Any]) -> None:
    """Append `[accounts.NAME]` with `values` (as in the file: "30s", {"env": "X"}; None is left out).

    Comments and order stay. The whole file is checked before it is replaced in one step, and keeps its mode.
    Raises UsageError for a file or values that are not valid, RefusedError for a name that is taken and for a
    file that somebody else changed meanwhile.
    """
    path = path.resolve()
    if name in load_config(path).accounts:
        raise RefusedError(f"account {name!r} exists in {path}", hint="choose another name, or edit the file")
    text, mode = _read(path)
    # Appended as text, so that not one byte of what stands there changes.
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    changed = text + gap + _block(name, values)
    try:
        tree = _parsed(path, changed)
    except UsageError:
        raise UsageError(
            f"{path} has its accounts on one line, which cannot grow", hint="write each as an [accounts.NAME] table"
        ) from None
    _checked(path, tree, {}, "")
    if _read(path)[0] != text:
        raise RefusedError(f"{path} was changed meanwhile", hint="run the command again")
    _replace(path, changed, mode)


def _block(name: str, values: dict[str, Any]) -> str:
    import tomlkit  # only this command writes TOML

    def filled(table: Any, entries: dict[str, Any]) -> Any:
        for key, value in entries.items():
            if value is not None:
                table[key] = filled(tomlkit.inline_table(), value) if isinstance(value, dict) else value
        return table

    accounts = tomlkit.table(is_super_table=True)
    accounts.append(tomlkit.key(name), filled(tomlkit.table(), values))
    return tomlkit.dumps({"accounts": accounts})


def _read(path: Path) -> tuple[str, int]:
    try:
        with path.open("rb") as file:
            return file.read().decode("utf-8-sig"), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist", hint="paceline init") from None
    except UnicodeDecodeError as error:
        line = bytes(error.object)[: error.start].count(b"\n") + 1
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {_reason(error)}", hint="check the path and its owner") from None
    raise UsageError(f"{path}:{line}: the file is not UTF-8 text", hint="save it as UTF-8")


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error), re.DOTALL)
        what = place[1] if place else str(error)
        line = place[2] if place and place[2] else len(text.splitlines()) or 1
        column = f"column {place[3]}: " if place and place[3] else ""
    raise UsageError(f"{path}:{line}: {column}not TOML: {what}", hint='text stands in quotes: key = "value"')


def _checked(path: Path, tree: dict[str, Any], written: dict[tuple[str, ...], int], file: str) -> Config:
    try:
        tree = from_environment(tree, os.environ)
        config = Config.model_validate(tree, context={"folder": path.absolute().parent})
    except ValidationError as error:
        found = sentences(error, written, file)
    else:
        config._path = path
        return config
    raise UsageError("\n".join(found), hint="docs/configuration.md lists every key")


def _replace(path: Path, text: str, mode: int) -> None:
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {_reason(error)}", hint="check the folder") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown reason").lower()
