"""Accounts as the configuration describes them: who sends, through what, and within which limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from engine.account_base import AccountBase, LocalPath, MailAccount, Seconds, Text
from engine.secrets import Secret, SecretRef
from engine.tables import is_loopback, whole
from engine.unipile_account import PRESETS as LINKEDIN_PRESETS
from engine.unipile_account import UnipileAccount, usual_preset
from engine.webhook_account import WebhookAccount
from storage.model import SECOND

if TYPE_CHECKING:
    from engine.channels.smtp import SmtpSettings

PRESETS: Final[dict[str, dict[str, Any]]] = {
    "gmail": {"host": "smtp.gmail.com", "port": 587, "tls": "starttls", "daily_cap": 400, "concurrency": 5},
    "workspace": {"host": "smtp.gmail.com", "port": 587, "tls": "starttls", "daily_cap": 1_500, "concurrency": 15},
    "yahoo": {
        "host": "smtp.mail.yahoo.com",
        "port": 465,
        "tls": "implicit",
        "messages_per_connection": 20,
    },
    "cold": {"daily_cap": 30},
    **LINKEDIN_PRESETS,
}
"""What a provider allows, with room to spare; a key that the account sets itself wins."""

_PORTS: Final = {"implicit": 465, "starttls": 587, "opportunistic": 25, "none": 25}


class SmtpAccount(MailAccount):
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
        if self.password is not None and self.tls in ("none", "opportunistic") and not is_loopback(self.host):
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
    def secrets(self) -> tuple[SecretRef, ...]:
        return (self.password,) if self.password is not None else ()

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


class OutboxAccount(MailAccount):
    """`channel = "outbox"`: every message becomes one `.eml` file in `folder`; nothing leaves the machine."""

    channel: Literal["outbox"]
    folder: LocalPath

    @property
    def target(self) -> str:
        """Where messages go, for people: the folder."""
        return str(self.folder)


Account = SmtpAccount | OutboxAccount | UnipileAccount | WebhookAccount
AnyAccount = Annotated[Account, Field(discriminator="channel")]


def with_figures(table: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """An account's table as it counts: its own keys over its preset's, over the plain keys of `[defaults]`. The pace of
    a LinkedIn account comes from its preset alone: that of everybody else would lock it."""
    kinds: dict[object, type[AccountBase]] = {
        "smtp": SmtpAccount,
        "outbox": OutboxAccount,
        "unipile": UnipileAccount,
        "webhook": WebhookAccount,
    }
    kind = kinds.get(table.get("channel")) if isinstance(table.get("channel"), str) else None
    if kind is None:
        return table
    name = table.get("preset")
    left_out = {"retry", "cooling"}
    if kind is UnipileAccount:
        name = name if name in LINKEDIN_PRESETS else usual_preset(table)
        left_out |= {"concurrency", "min_gap"}
    preset = PRESETS.get(name, {}) if isinstance(name, str) else {}
    plain = {key: value for key, value in defaults.items() if key not in left_out}
    inherited = {key: value for key, value in {**plain, **preset}.items() if key in kind.model_fields}
    return {**inherited, **table}
