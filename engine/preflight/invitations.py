"""What would go wrong with LinkedIn invitations, beyond what every campaign is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from engine.preflight.findings import Finding, ok, warns
from engine.preflight.subject import Subject
from engine.unipile_account import UnipileAccount

FREE_NOTES: Final = 5
"""Notes a month that LinkedIn lets a free account send; it refuses the rest without saying so beforehand."""


def notes(subject: Subject) -> Iterable[Finding]:
    """Whether so many notes can be sent: nothing tells how many of a month's are left."""
    account = subject.account
    # A further step goes to as many as the first one, at most.
    n = subject.share if subject.sends_first else subject.people.to_send
    if not isinstance(account, UnipileAccount) or account.plan != "free":
        return
    if not any(step.text.strip() for step in subject.steps):
        return
    who = f"{subject.whose}a free LinkedIn account may send {FREE_NOTES} notes a month"
    message = f"{who}, and {n:,} invitations carry one"
    fix = f'empty the text: paceline campaign edit {subject.name}; or plan = "paid" in {subject.in_settings}'
    if n > FREE_NOTES:
        yield warns("notes", message, fix)


def hours(subject: Subject) -> Iterable[Finding]:
    """Whether invitations leave at hours at which a person might send them."""
    if not isinstance(subject.account, UnipileAccount) or not subject.steps:
        return
    if subject.windows:
        yield ok("hours", f"{subject.whose}invitations leave within a window")
    else:
        fix = f'window = "mon-fri 09:00-17:00" in {subject.in_settings}'
        yield warns("hours", f"{subject.whose}invitations leave at any hour: LinkedIn notices who never sleeps", fix)
