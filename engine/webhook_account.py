"""`channel = "webhook"`: an account whose messages are JSON requests to one receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from engine.account_base import AccountBase, LocalPath, Seconds
from engine.secrets import Secret, SecretRef
from engine.tables import Table
from storage.model import SECOND

if TYPE_CHECKING:
    from engine.channels.webhook.channel import WebhookSettings
    from engine.channels.webhook.endpoint import Endpoint

_AUTHORIZATION: Final = "Authorization"

# What only a webhook needs is imported where one is checked: most configurations have none.


def _url(value: str) -> str:
    from engine.channels.webhook.endpoint import parse_endpoint

    parse_endpoint(value)
    return value


def _token_header(value: str) -> str:
    from engine.channels.webhook.headers import check_header

    return value if value.lower() == "authorization" else check_header(value, "-")[0]


EndpointUrl = Annotated[str, AfterValidator(_url)]
TokenHeader = Annotated[str, AfterValidator(_token_header)]
"""The header that carries a token: Authorization, or one of the receiver's own."""


def _statuses(value: object) -> tuple[str, ...]:
    from engine.channels.webhook.success import parse_statuses

    listed = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(listed) <= 50 or any(isinstance(item, bool) or not isinstance(item, str | int) for item in listed):
        raise ValueError('must be statuses such as "200-299" or [200, 202]')
    for item in listed:
        parse_statuses(str(item))
    return tuple(str(item) for item in listed)


def _pointer(value: str) -> str:
    from engine.channels.webhook.success import check_pointer

    return check_pointer(value)


Flag = Annotated[bool, Field(strict=True)]


class SuccessTable(Table):
    """What counts as accepted: one of `statuses`, and with a `pointer` (RFC 6901) a value of the JSON answer that
    `equals`."""

    statuses: Annotated[tuple[str, ...], BeforeValidator(_statuses)] = ("200-299",)
    pointer: Annotated[str, AfterValidator(_pointer)] | None = None
    equals: bool | int | float | str = True

    @model_validator(mode="after")
    def _has_what_it_compares(self) -> SuccessTable:
        if "equals" in self.model_fields_set and self.pointer is None:
            raise ValueError('equals needs a pointer that names the value, such as pointer = "/ok"')
        return self


class Receiver(Table):
    """Whom a JSON request goes to: one `url`. Timeouts in microseconds.

    `secret` signs every body, `token` is sent in `token_header` (as a Bearer token in Authorization); both by
    reference. `allow_private` opens addresses that are not public, and plain http to them.
    """

    url: Annotated[EndpointUrl, Field(repr=False)]
    method: Literal["POST", "PUT"] = "POST"
    secret: SecretRef | None = None
    token: SecretRef | None = None
    token_header: TokenHeader = _AUTHORIZATION
    success: SuccessTable = SuccessTable()
    allow_private: Flag = False
    ca_file: LocalPath | None = None
    connect_timeout: Seconds = 30 * SECOND
    reply_timeout: Seconds = 30 * SECOND

    @model_validator(mode="after")
    def _goes_where_it_may(self) -> Self:
        from engine.channels.webhook.guard import check_url

        instead = "leave it out and sign with secret"
        check_url(self.endpoint, allow_private=self.allow_private, token=self.token is not None, instead=instead)
        return self

    @property
    def endpoint(self) -> Endpoint:
        """`url`, taken apart."""
        from engine.channels.webhook.endpoint import parse_endpoint

        return parse_endpoint(self.url)

    def reached_by(self, name: str, *, idempotent: bool = False) -> WebhookSettings:
        """What the channel needs; `name` is for messages about the secrets, which stay references, read for every
        connection. `idempotent`: the receiver honours Idempotency-Key."""
        from engine.channels.webhook.channel import WebhookSettings
        from engine.channels.webhook.success import SuccessRule, parse_statuses

        success = self.success
        spans = tuple(parse_statuses(text) for text in success.statuses)
        return WebhookSettings(
            endpoint=self.endpoint,
            method=self.method,
            secret=Secret(self.secret, name) if self.secret is not None else None,
            token=Secret(self.token, name) if self.token is not None else None,
            token_header=self.token_header,
            rule=SuccessRule(spans, success.pointer, success.equals),
            idempotent=idempotent,
            allow_private=self.allow_private,
            connect_timeout=self.connect_timeout / SECOND,
            reply_timeout=self.reply_timeout / SECOND,
            ca_file=str(self.ca_file or ""),
        )


class WebhookAccount(Receiver, AccountBase):
    """One receiver as an account. `idempotent`: it honours Idempotency-Key, so that what is in doubt may be sent
    again."""

    channel: Literal["webhook"]
    preset: None = None
    idempotent: Flag = False

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        return tuple(reference for reference in (self.token, self.secret) if reference is not None)

    @property
    def target(self) -> str:
        """Where messages go, for people: the receiver's host."""
        return self.endpoint.place

    def settings(self) -> WebhookSettings:
        """What the channel needs."""
        return self.reached_by(self.name, idempotent=self.idempotent)
