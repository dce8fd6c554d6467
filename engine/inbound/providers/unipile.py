"""Unipile: `new_relation` (an invitation was accepted, up to eight hours late) and `message_received`."""

from __future__ import annotations

from collections.abc import Iterator

from engine.inbound.model import Inbound, Kind, Raw
from engine.inbound.providers.fields import Payload, event, text


def knows(payload: Payload) -> bool:
    return "account_id" in payload and text(payload, "event") != ""


def read(payload: Payload, raw: Raw) -> Iterator[Inbound]:
    """The one event of a payload; a message that the account sent itself is no reply."""
    word = text(payload, "event")
    account = text(payload, "account_id")
    if word == "new_relation":
        profile = text(payload, "user_public_identifier") or _slug(text(payload, "user_profile_url"))
        yield event(
            Kind.ACCEPTED, raw, at=text(payload, "timestamp"), addresses=(profile, text(payload, "user_provider_id")),
            action=word, account=account, name=text(payload, "user_full_name"),
        )  # fmt: skip
        return
    if word == "message_received":
        sender = text(payload, "sender", "attendee_provider_id")
        own = payload.get("is_sender") in (True, 1, "true") or sender == text(payload, "account_info", "user_id")
        yield event(
            Kind.UNKNOWN if own and sender else Kind.REPLY, raw, at=text(payload, "timestamp"),
            addresses=(_slug(text(payload, "sender", "attendee_profile_url")), sender), action=word,
            body=text(payload, "message", limit=100_000), account=account,
            name=text(payload, "sender", "attendee_name"),
        )  # fmt: skip
        return
    yield event(Kind.UNKNOWN, raw, at=text(payload, "timestamp"), action=word, account=account)


def _slug(url: str) -> str:
    """The last part of a profile's address."""
    return url.partition("?")[0].rstrip("/").rpartition("/")[2]
