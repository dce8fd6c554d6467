"""What a reply means and what is to be done: `reply -> class -> action`, as pure functions.

The tables are written out for operators in `docs/outcomes.md`.
"""

from __future__ import annotations

import re

from engine.outcomes import MAX_WAIT, Action, Outcome
from engine.reasons import bounded, masked, normalise_reason
from engine.reply_rules import find_rule
from storage.model import DAY, HOUR, MINUTE, SECOND, OutcomeClass

SESSION_PHASES = ("connect", "tls", "auth")
"""Before any message is offered: such a reply concerns the queue and never a person."""
_AT_START = re.compile(r"\s*(?:\d{3}[ -])?#?([245]\.\d{1,3}\.\d{1,3})(?![.\d])")
_IN_BRACKETS = re.compile(r"[(\[#]\s*#?([245]\.\d{1,3}\.\d{1,3})(?![.\d])")
_WAIT = re.compile(
    r"\b(?:again|retry(?:ing)?|retry-after|wait|back|resend|greylisted|deferred|delayed)\b[^\d\n/=?]{0,40}?"
    r"(\d{1,6})\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)?\b(?![.:]\d)"
)
_UNIT = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}


def classify_smtp(code: int, text: str, *, phase: str, server: str = "") -> Outcome:
    """Say what an SMTP reply means, by the table of `docs/outcomes.md`.

    `code` is the three-digit reply code, `text` the reply without it (lines joined by newlines), `phase` as in
    `Outcome`. Never raises, whatever the other side said. Only a 25x reply in phase `content` is accepted: any
    other 1xx-3xx there is uncertain, and before the content a route fault, for the conversation is out of step
    (RFC 5321 section 4.2.1). An explicit 4xx or 5xx after the content is definite (section 4.2.5). MAIL names no
    recipient, so a refusal there never counts against a person; nor does one while the session opens.
    """
    kept = bounded(text)
    if not 400 <= code <= 599:
        return _unexpected(code, kept, phase, server)
    enhanced = _enhanced(code, kept)
    rule = find_rule(str(code), enhanced, masked(kept))
    cls, action = (rule.cls, rule.action) if rule else (OutcomeClass.PERMANENT, Action.UNKNOWN)
    if phase in SESSION_PHASES:
        cls, action = _at_session(code, cls, action, phase)
    elif phase == "mail" and cls is OutcomeClass.PERMANENT:
        cls, action = OutcomeClass.CONFIGURATION, Action.HOLD_PAUSE
    elif phase == "mail" and cls is OutcomeClass.TRANSIENT:
        cls, action = OutcomeClass.ACCOUNT, Action.COOL
    wait = _wait(kept) if cls in (OutcomeClass.TRANSIENT, OutcomeClass.ACCOUNT, OutcomeClass.ROUTE) else 0
    key = normalise_reason(code, enhanced, kept)
    return Outcome(cls, code, enhanced, kept, phase, key, action.value, wait, server)


def route_failure(error: str, *, phase: str, server: str = "") -> Outcome:
    """No definite reply before the content: DNS, connect, TLS, timeout, a cut. Safe to repeat; the queue cools."""
    kept = bounded(error)
    key = normalise_reason(0, "", kept)
    return Outcome(OutcomeClass.ROUTE, 0, "", kept, phase, key, Action.COOL.value, 0, server)


def uncertain(text: str, *, server: str = "") -> Outcome:
    """No reply once the first content byte was handed over: the message may have left. Nothing retries it."""
    kept = bounded(text)
    return Outcome(OutcomeClass.UNCERTAIN, 0, "", kept, "content", normalise_reason(0, "", kept), server=server)


def _unexpected(code: int, text: str, phase: str, server: str) -> Outcome:
    if phase == "content" and 250 <= code <= 259:
        return Outcome(OutcomeClass.ACCEPTED, code, _enhanced(code, text), text, phase, server=server)
    key = f"{code} unexpected reply" if 100 <= code <= 999 else normalise_reason(0, "", text)
    if phase == "content":
        return Outcome(OutcomeClass.UNCERTAIN, code, "", text, phase, key, server=server)
    return Outcome(OutcomeClass.ROUTE, code, "", text, phase, key, Action.COOL.value, 0, server)


def _at_session(code: int, cls: OutcomeClass, action: Action, phase: str) -> tuple[OutcomeClass, Action]:
    ours = cls is OutcomeClass.ACCOUNT
    login_refused = phase == "auth" and code >= 500 and not ours
    if action is Action.RESTRICTED:
        return OutcomeClass.ACCOUNT, Action.RESTRICTED
    if action is Action.NEEDS_ATTENTION or cls is OutcomeClass.CONFIGURATION or login_refused:
        return OutcomeClass.ACCOUNT, Action.NEEDS_ATTENTION
    if ours and not (phase == "tls" and code == 454):
        return cls, action
    return OutcomeClass.ROUTE, Action.COOL


def _enhanced(code: int, text: str) -> str:
    """The RFC 3463 code of a reply, "" without one; its class must be the reply's own (RFC 2034 section 4)."""
    found = _AT_START.match(text) or _IN_BRACKETS.search(text)
    return found[1] if found and found[1][0] == str(code)[0] else ""


def _wait(text: str) -> int:
    found = _WAIT.search(text.lower())
    if found is None:
        return 0
    return min(int(found[1]) * _UNIT[(found[2] or "s")[0]], MAX_WAIT)
