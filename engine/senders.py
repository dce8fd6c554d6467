"""Who a campaign's messages come from by each of its accounts, as a person who approves sees it and the gate compares.

What travels with every message is meant: names and addresses, how its reader leaves, whom an invitation is from, where
a request goes. By which host a mail account delivers, its password and its pace are none of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from engine.accounts import Account
from engine.config import Config
from engine.unipile_account import UnipileAccount
from engine.webhook_account import WebhookAccount

OWN = ("from_name", "from_address", "reply_to")
"""What a campaign may set itself; its own value wins over the account's."""

LONGEST = 100
"""Characters of one part; what is longer ends in its digest."""


def sender_of(settings: Mapping[str, Any], account: Account) -> dict[str, str]:
    """What an account says of the sender for a campaign with these `settings`; what it leaves empty is left out."""
    if isinstance(account, UnipileAccount):
        found = {"account_id": account.account_id}
    elif isinstance(account, WebhookAccount):
        # The address may hold a secret: told apart by its digest, shown by its host.
        found = {"to": account.target, "url": _digest(account.url), "method": account.method}
    else:
        found = {name: settings.get(name) or getattr(account, name) or "" for name in OWN}
        for name in ("return_path", "unsubscribe_url", "unsubscribe_mailto"):
            found[name] = getattr(account, name) or ""
    return {"channel": account.channel} | {name: _bounded(value) for name, value in found.items() if value}


def _bounded(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[:LONGEST]}...{_digest(value)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def sender_text(settings: Mapping[str, Any], account: Account) -> str:
    """The same as one text of ASCII: equal texts are the same sender, also after they went through a screen."""
    return json.dumps(sender_of(settings, account), sort_keys=True)


def senders_of(settings: Mapping[str, Any], names: Iterable[str], config: Config) -> dict[str, str]:
    """`sender_text` by account of those of these accounts that the configuration has."""
    known = config.accounts
    return {name: sender_text(settings, known[name]) for name in names if name in known}


def in_words(text: str) -> str:
    """A sender on one line, for people."""
    told = json.loads(text)
    address = told.get("from_address")
    if not address:
        return str(told.get("account_id") or told.get("to") or told["channel"])
    name, answers = told.get("from_name"), told.get("reply_to")
    return (f"{name} <{address}>" if name else address) + (f", replies to {answers}" if answers else "")
