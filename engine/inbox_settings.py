"""`[inbox.NAME]` of the configuration: a mailbox that bounces and replies come to, read by IMAP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PrivateAttr, model_validator

from engine.account_base import LocalPath, Text
from engine.secrets import Secret, SecretRef
from engine.tables import Table, duration, is_loopback, whole
from storage.model import MINUTE

if TYPE_CHECKING:
    from engine.inbound.imap import ImapSettings

_PORTS = {"implicit": 993, "starttls": 143, "none": 143}
Every = Annotated[int, duration("1m", "24h")]


class InboxTable(Table):
    """One mailbox. `every` (us) is how often the engine looks; nothing is marked as read unless `mark_read` says so.

    `tls`: `implicit` speaks TLS from the first byte, `starttls` requires it, `none` only reaches this machine.
    """

    host: Annotated[Text, Field(min_length=1)]
    username: Annotated[Text, Field(min_length=1)]
    password: SecretRef
    port: Annotated[int, whole(1, 65_535)] | None = None
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    folder: Annotated[Text, Field(min_length=1, max_length=200)] = "INBOX"
    every: Every = 5 * MINUTE
    mark_read: bool = False
    ca_file: LocalPath | None = None

    _name: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _password_stays_private(self) -> InboxTable:
        if self.tls == "none" and not is_loopback(self.host):
            raise ValueError('tls = "none" would send the password in clear: use "implicit" or "starttls"')
        return self

    @property
    def name(self) -> str:
        return self._name

    def settings(self) -> ImapSettings:
        """What a reading needs; the password stays a reference, read at every login."""
        from engine.inbound.imap import ImapSettings  # not needed to read a configuration

        return ImapSettings(
            self.host,
            self.port if self.port is not None else _PORTS[self.tls],
            self.username,
            Secret(self.password, f"inbox {self.name}"),
            self.folder,
            self.tls,
            str(self.ca_file or ""),
        )
