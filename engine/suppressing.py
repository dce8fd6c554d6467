"""What suppresses a person: an answer about their address by its class, and their own wish by a token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.account_base import AccountBase
from engine.inbound.tokens import Token
from engine.outcomes import Action, Outcome
from storage.model import DAY, JobState

RESTS = 90 * DAY
"""How long an address whose mailbox is disabled or full is left alone: people come back to both."""
_REASONS = {
    Action.SUPPRESS.value: ("dead", 0),
    Action.SUPPRESS_90D.value: ("disabled", RESTS),
    Action.SOFT.value: ("full", RESTS),
}


def suppressed_by(outcome: Outcome, state: JobState) -> tuple[str, int]:
    """The reason under which an answer suppresses its address and for how long (us; 0: for ever); ("", 0) where it does
    not. Only a message that failed for good does: a full mailbox is tried again first."""
    return _REASONS.get(outcome.action, ("", 0)) if state is JobState.FAILED else ("", 0)


def scope_of(
    settings: Mapping[str, Any], account: AccountBase | None, list_name: str, token: Token | None = None
) -> str:
    """What a reader leaves: "" for everything, or their campaign's list alone where the campaign, or else its account,
    says `unsubscribe_scope = "list"`. A token that was made for a list of another name leaves everything: the wish is
    honoured further than asked rather than not at all."""
    mail = account.mail if account is not None else None
    scope = settings.get("unsubscribe_scope") or (mail.unsubscribe_scope if mail is not None else "all")
    if scope != "list" or (token is not None and token.list_mark and not token.names_list(list_name)):
        return ""
    return list_name
