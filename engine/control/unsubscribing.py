"""Readers who leave, by the tokens in their links: each is left alone at once. An invented token changes nothing."""

from __future__ import annotations

import hashlib
from collections import Counter

from pydantic import Field

from engine.control.actions import Args, Context, Result, action, audit
from engine.inbound.tokens import read_token
from engine.suppressing import scope_of
from storage.inbox import Returned
from storage.model import Actor
from storage.reader import Reader, Row
from storage.suppression_pages import reader_of, standing

MOST = 500
"""Tokens of one request."""
UNSUBSCRIBED, ALREADY, UNKNOWN = "unsubscribed", "already", "unknown"
"""What a token comes to: somebody left, had left before, or no such token was ever made here."""


class TokenArgs(Args):
    """`digest` tells the click: the SHA-256 of the line of a log, so that reading it twice counts once; "" is a wish of
    now."""

    token: str = Field(max_length=100)
    digest: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")


class UnsubscribeArgs(Args):
    items: list[TokenArgs] = Field(min_length=1, max_length=MOST)
    source: str = Field(default="", max_length=200)


@action("unsubscribe", UnsubscribeArgs)
async def unsubscribe(context: Context, args: UnsubscribeArgs, actor: Actor) -> Result:
    """Suppress whoever these tokens name, on everything or on their list, and skip what is still to be sent to them."""
    secret = await context.store.token_secret()
    told = [await _leave(context, secret, item, args.source) for item in args.items]
    counts = Counter(one["effect"] for one in told)
    if counts[UNSUBSCRIBED]:
        text = f"took in {counts[UNSUBSCRIBED]:,} unsubscribed"
        await context.store.add_event(audit("unsubscribe.read", text, actor, n=counts[UNSUBSCRIBED]))
        context.hooks.wake()
    return {
        "success": not counts[UNKNOWN],
        **{name: counts[name] for name in (UNSUBSCRIBED, ALREADY, UNKNOWN)},
        "items": told,
    }


async def _leave(context: Context, secret: bytes, item: TokenArgs, source: str) -> Result:
    token = read_token(secret, item.token)
    person = await context.store.read(lambda reader: reader_of(reader, token.recipient_id)) if token else None
    if token is None or person is None:
        return {"effect": UNKNOWN}
    account = context.config.accounts.get(person["account"])
    scope = scope_of(person["settings"], account, person["list"], token)
    now = context.clock.now()
    answer = {"address": person["address"], "campaign": person["campaign"], "list": scope}
    if await context.store.read(lambda reader: _has_left(reader, person, scope, now)):
        return {"effect": ALREADY, **answer}
    returned = Returned(
        digest=item.digest or _digest_of(item.token, now),
        kind="unsubscribe",
        at=now,
        source=source or "token",
        recipient_id=token.recipient_id,
        addresses=(person["address_key"],),
        suppress="unsubscribed",
        scope=scope,
    )
    effect = (await context.store.take_returned([returned]))[0].effect
    return {"effect": ALREADY if effect == "known already" else UNSUBSCRIBED, **answer}


def _has_left(reader: Reader, person: Row, scope: str, now: int) -> bool:
    """Whether what the wish asks for stands already: on everything, or on this list."""
    rows = standing(reader, person["address_key"], person["profile"], scope, now)
    return any(row["reason"] == "unsubscribed" and row["scope"] in ("", scope) for row in rows)


def _digest_of(token: str, now: int) -> str:
    return hashlib.sha256(f"{token.lower()} {now}".encode()).hexdigest()
