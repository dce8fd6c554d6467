"""Cold campaigns: who writes to strangers says who they are and how to be left alone. Start and preflight ask here."""

from __future__ import annotations

import html
import re

from engine.account_base import AccountBase
from storage.errors import RefusedError
from storage.nouns import Campaign, Step

_TAG = re.compile(r"<[^>]*>")


def is_cold(campaign: Campaign, account: AccountBase) -> bool:
    """Its people did not ask for it: the campaign says so (`cold = true`), or its account's preset does."""
    return bool(campaign.settings.get("cold")) or account.preset == "cold"


def identity_of(campaign: Campaign, account: AccountBase) -> str:
    """The line that names the sender, with a postal address; the campaign's own wins."""
    own = account.mail.identity if account.mail is not None else ""
    return str(campaign.settings.get("identity") or own).strip()


def lacks(campaign: Campaign, account: AccountBase) -> list[str]:
    """What a cold campaign must have and has not, each as the setting that gives it; [] when nothing is missing."""
    missing: list[str] = []
    mail = account.mail
    if mail is None:
        return missing
    if not str(campaign.settings.get("from_name") or mail.from_name).strip():
        missing.append("from_name (the sender's name)")
    if not identity_of(campaign, account):
        missing.append("identity (one line with the sender's name and postal address)")
    if not mail.unsubscribe_url and not mail.unsubscribe_mailto:
        missing.append("unsubscribe_url or unsubscribe_mailto (how a reader leaves)")
    return missing


def refusal(campaign: Campaign, account: AccountBase) -> RefusedError | None:
    """Why a cold campaign may not be started; None when it may, or is not cold."""
    missing = lacks(campaign, account) if is_cold(campaign, account) else []
    if not missing:
        return None
    return RefusedError(
        f"a cold campaign needs {' and '.join(missing)}",
        hint=f"set it in [accounts.{account.name}] of the configuration, then: paceline engine reload",
    )


def names_itself(step: Step, identity: str) -> bool:
    """Whether every part of the message holds the words of `identity`, whatever stands between them."""
    wanted = _words(identity)
    parts = [step.text] * bool(step.text.strip())
    parts += [html.unescape(_TAG.sub(" ", step.html))] * bool(step.html.strip())
    return all(f" {wanted} " in f" {_words(part)} " for part in parts)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
