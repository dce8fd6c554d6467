"""From what was read to what the store takes in: whose token it is, whom it concerns, and what is suppressed."""

from __future__ import annotations

from collections.abc import Sequence

from engine.inbound.model import Inbound, Kind
from engine.inbound.replies import bounce_outcome
from engine.inbound.tokens import read_token
from engine.intake.addresses import AddressError, parse_address
from engine.outcomes import Action
from storage.inbox import Effect, Returned
from storage.model import DAY
from storage.store import Store

DISABLED_FOR = 90 * DAY
"""How long a disabled mailbox is left alone: the rule of live replies (docs/outcomes.md)."""


async def take_in(store: Store, source: str, found: Sequence[tuple[Inbound, bytes]]) -> list[Effect]:
    """Apply events, each with the bytes it was read from; one answer each, in order. What is known already changes
    nothing."""
    secret = await store.token_secret()
    return await store.take_returned([returned(event, source, secret, raw) for event, raw in found])


def returned(event: Inbound, source: str, secret: bytes, raw: bytes = b"") -> Returned:
    """An event as the store takes it: identifiers in their brackets, addresses by the form they are compared by."""
    token = read_token(secret, event.token) if event.token else None
    suppress, duration = _suppression(event)
    return Returned(
        event.digest,
        event.kind.value,
        event.at,
        source,
        message_ids=tuple(f"<{one}>" for one in event.message_ids),
        recipient_id=token.recipient_id if token else 0,
        step_id=token.step_id if token else 0,
        addresses=tuple(_key(address) for address in event.addresses if "@" in address),
        profiles=tuple(address for address in event.addresses if "@" not in address),
        code=event.code,
        enhanced=event.enhanced,
        diagnostic=event.diagnostic,
        subject=event.subject,
        text=event.text,
        suppress=suppress,
        suppress_for=duration,
        raw=raw,
    )


def _suppression(event: Inbound) -> tuple[str, int]:
    """The reason under which its address is suppressed, and for how long (us; 0: for ever): by the class of a reply,
    never by its first digit."""
    match event.kind:
        case Kind.COMPLAINT:
            return "complained", 0
        case Kind.UNSUBSCRIBE:
            return "unsubscribed", 0
        case Kind.BOUNCE:
            action = bounce_outcome(event).action
            if action == Action.SUPPRESS:
                return "dead", 0
            if action == Action.SUPPRESS_90D:
                return "disabled", DISABLED_FOR
    return "", 0


def _key(address: str) -> str:
    try:
        return parse_address(address).key
    except AddressError:
        return address.lower()
