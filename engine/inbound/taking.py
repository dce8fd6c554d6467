"""From what was read to what the store takes in: whose token it is, whom it concerns, and what is suppressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.accounts import Account
from engine.inbound.model import Inbound, Kind
from engine.inbound.replies import bounce_outcome
from engine.inbound.tokens import Token, read_token
from engine.intake.addresses import AddressError, parse_address
from engine.suppressing import scope_of, suppressed_by
from storage.inbox import Effect, Returned
from storage.model import JobState
from storage.store import Store
from storage.suppression_pages import reader_of


async def take_in(
    store: Store, accounts: Mapping[str, Account], source: str, found: Sequence[tuple[Inbound, bytes]]
) -> list[Effect]:
    """Apply events, each with the bytes it was read from; one answer each, in order. What is known already changes
    nothing. `accounts` say how far a wish to leave goes."""
    secret = await store.token_secret()
    items = []
    for event, raw in found:
        token = read_token(secret, event.token) if event.token else None
        leaves = token is not None and event.kind is Kind.UNSUBSCRIBE
        scope = await _scope(store, accounts, token) if token is not None and leaves else ""
        items.append(returned(event, source, token, scope, raw))
    return await store.take_returned(items)


async def _scope(store: Store, accounts: Mapping[str, Account], token: Token) -> str:
    person = await store.read(lambda reader: reader_of(reader, token.recipient_id))
    if person is None:
        return ""
    return scope_of(person["settings"], accounts.get(person["account"]), person["list"], token)


def returned(event: Inbound, source: str, token: Token | None = None, scope: str = "", raw: bytes = b"") -> Returned:
    """An event as the store takes it: identifiers in their brackets, addresses by the form they are compared by."""
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
        scope=scope,
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
            return suppressed_by(bounce_outcome(event), JobState.FAILED)
    return "", 0


def _key(address: str) -> str:
    try:
        return parse_address(address).key
    except AddressError:
        return address.lower()
