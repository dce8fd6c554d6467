"""The five questions that Paceline asks Unipile, and the parts of its answers that count."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

from engine.channels.unipile.answers import NoReplyError, Reply
from engine.channels.unipile.outcomes import Deed, classify, classify_invited, classify_silence
from engine.channels.unipile.transport import Transport
from engine.classify import route_failure
from engine.intake.profiles import ProfileError, parse_profile
from engine.outcomes import Action, Outcome
from storage.model import SECOND, OutcomeClass

PAGE: Final = 100
"""People on one page of a list; the service's own bound is 250."""
MOST_PAGES: Final = 50
FIRST_DEGREE: Final = "FIRST_DEGREE"
_LOCKED_OUT: Final = ("CREDENTIALS", "PERMISSIONS", "DELETED")
"""States that only a person ends. ERROR and STOPPED are about fetching messages: they keep nobody from inviting."""


@dataclass(frozen=True, slots=True)
class UnipileSettings:
    """How to reach one account. `base_url` has no path; `account_id` is Unipile's name for the connected LinkedIn
    account; `api_key` is called in a thread for every session. Timeouts in seconds: `connect_timeout` until connected,
    `reply_timeout` for a whole answer. `look_ups` profiles may be looked up in `look_up_period` (us)."""

    base_url: str
    account_id: str
    api_key: Callable[[], str]
    connect_timeout: float = 30.0
    reply_timeout: float = 120.0
    look_ups: int = 80
    look_up_period: int = 86_400 * SECOND

    @property
    def server(self) -> str:
        """The service's host, for people."""
        return urlsplit(self.base_url).hostname or self.base_url


@dataclass(frozen=True, slots=True)
class Person:
    """What a look-up says of a profile, in the service's words ("" where it says nothing)."""

    provider_id: str
    name: str
    distance: str
    invitation: str
    invitation_status: str


@dataclass(frozen=True, slots=True)
class SentInvitation:
    """One invitation that waits for its answer. `at` in microseconds UTC (0: not told): LinkedIn tells it in rough
    words ("2 days ago"), which Unipile counts back from the moment of asking."""

    id: str
    provider_id: str
    profile: str
    at: int


@dataclass(frozen=True, slots=True)
class Relation:
    """Somebody the account is connected with; `at` as in `SentInvitation`."""

    provider_id: str
    profile: str
    at: int


class ServiceError(Exception):
    """The service refused, or was not reached; `outcome` says what that means. Never class UNCERTAIN."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class UnipileClient:
    """One conversation as one account. `key` is the service's access key; it stands in no error text. `tls` holds the
    authorities that are trusted."""

    def __init__(self, settings: UnipileSettings, key: str, tls: ssl.SSLContext) -> None:
        self._account_id = settings.account_id
        self.server = settings.server
        self._transport = Transport(
            settings.base_url,
            {"X-API-KEY": key, "accept": "application/json"},
            secret=key,
            tls=tls,
            connect_timeout=settings.connect_timeout,
            timeout=settings.reply_timeout,
        )

    async def check_account(self) -> None:
        """Whether key and account are good and the account is connected. Raises ServiceError."""
        reply = await self._get(f"/api/v1/accounts/{quote(self._account_id, safe='')}", Deed.LOG_IN)
        sources = reply.data.get("sources")
        states = [source.get("status") for source in _objects(sources if isinstance(sources, list) else [])]
        if bad := next((state for state in states if state in _LOCKED_OUT), ""):
            text = f"the account is not connected to LinkedIn ({bad}): connect it again at Unipile"
            raise ServiceError(
                Outcome(
                    OutcomeClass.ACCOUNT,
                    reply.status,
                    "",
                    text,
                    Deed.LOG_IN.value,
                    "account not connected",
                    Action.NEEDS_ATTENTION.value,
                    server=self.server,
                )
            )

    async def get_profile(self, profile: str) -> Person:
        """Look one person up by public name or internal identifier; LinkedIn is not told. Raises ServiceError."""
        reply = await self._get(f"/api/v1/users/{quote(profile, safe='')}", Deed.LOOK_UP)
        data = reply.data
        if not (provider_id := _text(data, "provider_id")):
            raise self._odd("the service named no identifier for this profile", Deed.LOOK_UP)
        invitation = data.get("invitation")
        invitation = invitation if isinstance(invitation, dict) else {}
        connected = data.get("is_relationship") is True
        return Person(
            provider_id,
            " ".join(part for name in ("first_name", "last_name") if (part := _text(data, name))),
            FIRST_DEGREE if connected else _text(data, "network_distance"),
            _text(invitation, "type"),
            _text(invitation, "status"),
        )

    async def invite(self, provider_id: str, message: str) -> Outcome:
        """Invite one person; "" sends no note. Never raises for the other side's behaviour."""
        body = {"account_id": self._account_id, "provider_id": provider_id}
        if message:
            body["message"] = message
        try:
            reply = await self._transport.ask("POST", "/api/v1/users/invite", body=body)
        except NoReplyError as error:
            return classify_silence(error, Deed.INVITE, server=self.server)
        return classify_invited(reply, server=self.server)

    async def sent_invitations(self) -> AsyncGenerator[SentInvitation, None]:
        """The invitations that wait for an answer, the latest first. Raises ServiceError."""
        async for item in self._pages("/api/v1/users/invite/sent"):
            yield SentInvitation(
                _text(item, "id"),
                _text(item, "invited_user_id"),
                _profile(item, "invited_user_public_id"),
                _moment(item.get("parsed_datetime")),
            )

    async def relations(self) -> AsyncGenerator[Relation, None]:
        """Who the account is connected with, the latest first. Raises ServiceError."""
        async for item in self._pages("/api/v1/users/relations"):
            yield Relation(
                _text(item, "member_id"), _profile(item, "public_identifier"), _moment(item.get("created_at"))
            )

    async def close(self) -> None:
        await self._transport.close()

    async def _pages(self, path: str) -> AsyncGenerator[Mapping[str, Any], None]:
        cursor = ""
        for _ in range(MOST_PAGES):
            reply = await self._get(path, Deed.LIST, {"limit": str(PAGE), **({"cursor": cursor} if cursor else {})})
            items = reply.data.get("items")
            if not isinstance(items, list):
                raise self._odd("the service's list has no items", Deed.LIST)
            for item in _objects(items):
                yield item
            before, cursor = cursor, _text(reply.data, "cursor")
            if not items or not cursor or cursor == before:
                return

    async def _get(self, path: str, deed: Deed, query: Mapping[str, str] | None = None) -> Reply:
        asked = dict(query or {})
        if deed is not Deed.LOG_IN:
            asked["account_id"] = self._account_id
        try:
            reply = await self._transport.ask("GET", path, query=asked)
        except NoReplyError as error:
            raise ServiceError(classify_silence(error, deed, server=self.server)) from None
        if not 200 <= reply.status <= 299:
            raise ServiceError(classify(reply, deed, server=self.server))
        if not reply.data:
            raise self._odd("the service's answer cannot be read", deed)
        return reply

    def _odd(self, words: str, deed: Deed) -> ServiceError:
        return ServiceError(route_failure(words, phase=deed.value, server=self.server))


def _objects(items: list[Any]) -> Iterator[Mapping[str, Any]]:
    return (item for item in items if isinstance(item, dict))


def _text(data: Mapping[str, Any], name: str) -> str:
    """A text of an answer, at most 300 characters; "" for anything else."""
    value = data.get(name)
    return value.strip()[:300] if isinstance(value, str) else ""


def _profile(data: Mapping[str, Any], name: str) -> str:
    """A public name in the form in which profiles are compared; "" for none."""
    try:
        return parse_profile(_text(data, name))
    except ProfileError:
        return ""


def _moment(value: object) -> int:
    """An ISO 8601 time, or milliseconds since 1970, in microseconds UTC; 0 when it cannot be read."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 10**14:
        return int(value) * 1_000
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * SECOND
        except (ValueError, OverflowError, OSError):
            return 0
    return 0
