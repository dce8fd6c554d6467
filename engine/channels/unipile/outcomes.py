"""What an answer of Unipile means: `type -> class -> action`, by the status where it names none. Pure functions.

The table is written out for operators in `docs/linkedin.md`; the types are those of the service's v1 reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.channels.unipile.answers import NoReplyError, Reply
from engine.classify import route_failure, uncertain
from engine.outcomes import MAX_WAIT, Action, Outcome
from engine.reasons import bounded, normalise_reason
from storage.model import DAY, OutcomeClass

SLOW_AT: Final = 90
"""Percent of the provider's own limit from which the queue slows down."""
STOP_AT: Final = 95
"""From here on the queue rests for a day."""
CONNECTED_KEY: Final = "already connected"
INVITED_KEY: Final = "already invited"
OTHER_PERSON_KEY: Final = "another person's profile"


class Deed(StrEnum):
    """What was asked for; its value is the phase in which an outcome says that it happened."""

    LOOK_UP = "lookup"
    INVITE = "content"
    LIST = "list"
    LOG_IN = "auth"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one type means. `key`: the words that take the place of the type. `wait` in microseconds."""

    cls: OutcomeClass
    action: Action = Action.NONE
    wait: int = 0
    key: str = ""


_LIMIT = Rule(OutcomeClass.ACCOUNT, Action.COOL_DAY)
_LOOK = Rule(OutcomeClass.ACCOUNT, Action.NEEDS_ATTENTION)
_LOCKED = Rule(OutcomeClass.ACCOUNT, Action.RESTRICTED)
_NOT_YET = Rule(OutcomeClass.TRANSIENT, Action.POSTPONE, DAY)
_NOBODY = Rule(OutcomeClass.PERMANENT)
_SET_UP = Rule(OutcomeClass.CONFIGURATION, Action.HOLD_PAUSE)
_TEXT = Rule(OutcomeClass.CONTENT, Action.HOLD_PAUSE)
_AWAY = Rule(OutcomeClass.ROUTE, Action.COOL)
_UNSURE = Rule(OutcomeClass.UNCERTAIN)
"""Of an invitation: it may have been sent. Of any other question: it may be asked again, see `_rule`."""

_RULES: Final[dict[Rule, tuple[str, ...]]] = {
    Rule(OutcomeClass.NEEDLESS, key=INVITED_KEY): ("already_invited_recently", "action_already_performed"),
    Rule(OutcomeClass.NEEDLESS, Action.CONNECTED, key=CONNECTED_KEY): ("already_connected",),
    _NOT_YET: ("cannot_resend_yet", "cannot_resend_within_24hrs", "no_connection_with_recipient"),
    _LIMIT: ("limit_exceeded", "too_many_requests"),
    _LOOK: (
        "connection_limit_reached", "disconnected_account", "expired_credentials", "invalid_credentials",
        "missing_credentials", "checkpoint_error", "wrong_account", "multiple_sessions", "disconnected_feature",
        "insufficient_privileges", "insufficient_permissions", "account_mismatch", "session_mismatch",
        "unknown_authentication_context", "action_required", "captcha_not_supported", "expired_link",
    ),
    _LOCKED: ("account_restricted",),
    _NOBODY: (
        "invalid_recipient", "user_unreachable", "blocked_recipient", "resource_not_found",
        "invalid_resource_identifier", "cannot_invite_attendee", "recipient_rejected", "resource_access_restricted",
    ),
    _SET_UP: (
        "insufficient_credits", "not_allowed_inmail", "feature_not_subscribed", "subscription_required",
        "feature_not_implemented", "invalid_account", "account_configuration_error",
    ),
    _TEXT: (
        "too_many_characters", "invalid_parameters", "content_too_large", "malformed_request", "missing_parameters",
        "unescaped_characters", "invalid_message",
    ),
    _AWAY: ("no_client_session", "no_channel", "no_handler"),
    _UNSURE: ("unexpected_error", "provider_error", "network_down", "service_unavailable", "request_timeout"),
}  # fmt: skip
_BY_TYPE: Final = {name: rule for rule, names in _RULES.items() for name in names}
_BY_STATUS: Final = {400: _TEXT, 401: _LOOK, 403: _SET_UP, 404: _NOBODY, 413: _TEXT, 429: _LIMIT, 501: _SET_UP}
_KNOWN_KEYS: Final = tuple(f" {name.replace('_', ' ')}" for name in _RULES[_NOBODY])
_PASSING: Final = ("unexpected_error", "provider_error", "request_timeout")
"""The provider's own trouble with one question, which an answer about another person need not share."""

_REMEDY: Final = {
    "connection_limit_reached": "the account has as many open invitations as LinkedIn allows: withdraw old ones there",
}


def type_of(reply: Reply) -> str:
    """The error's type without its prefix ("errors/already_connected", "api/too_many_requests"); "" for none."""
    named = reply.data.get("type")
    return named.rpartition("/")[2] if isinstance(named, str) else ""


TOO_EARLY: Final = "cannot resend"
"""In the key of every refusal that says so, as it stands in the books."""


def is_too_early(error_key: str) -> bool:
    """Whether a refusal says that an invitation cannot be sent again yet, to this person or by this account."""
    return TOO_EARLY in error_key


def knows_refusal(error_key: str) -> bool:
    """Whether a refusal for good has one of the types that the table knows; read from its key, as the books keep it."""
    return error_key == OTHER_PERSON_KEY or error_key.endswith(_KNOWN_KEYS)


def classify(reply: Reply, deed: Deed, *, server: str = "") -> Outcome:
    """What an answer other than a success says, by the table of `docs/linkedin.md`. Never raises."""
    kind = type_of(reply)
    rule = _rule(kind, reply.status, deed)
    text = _words(reply, kind)
    action, wait = rule.action, rule.wait
    if reply.wait and rule.cls in (OutcomeClass.ACCOUNT, OutcomeClass.ROUTE, OutcomeClass.TRANSIENT):
        # A service that names its time knows better than a day by rule.
        action = Action.COOL if action is Action.COOL_DAY else action
        wait = max(wait, min(reply.wait, MAX_WAIT))
    key = rule.key or _key(reply.status, kind, text)
    return Outcome(rule.cls, reply.status, "", text, deed.value, key, action.value, wait, server)


def classify_silence(error: NoReplyError, deed: Deed, *, server: str = "") -> Outcome:
    """What it means that no answer came: an invitation that had begun to leave is uncertain, all else the route's."""
    if deed is Deed.INVITE and error.begun:
        return uncertain(str(error), server=server)
    phase = deed.value if error.begun else "connect"
    return route_failure(str(error), phase=phase, server=server)


def classify_invited(reply: Reply, *, server: str = "") -> Outcome:
    """What the answer to an invitation says. Only one that names an invitation is accepted; another 2xx is uncertain.
    `usage` asks the queue to slow down or to rest without taking anything from the acceptance."""
    if not 200 <= reply.status <= 299:
        return classify(reply, Deed.INVITE, server=server)
    found = reply.data.get("invitation_id")
    if not found and reply.data.get("object") != "UserInvitationSent":
        text = f"an answer without an invitation: {reply.text}"
        key = f"{reply.status} answer without an invitation"
        return Outcome(OutcomeClass.UNCERTAIN, reply.status, "", bounded(text), "content", key, server=server)
    text, action = f"invitation {found}" if found else "invited", Action.NONE
    usage = reply.data.get("usage")
    if isinstance(usage, (int, float)) and not isinstance(usage, bool):
        text += f"; {usage:g} % of LinkedIn's limit is used"
        if usage >= STOP_AT:
            text, action = f"{text}: no more for a day", Action.COOL_DAY
        elif usage >= SLOW_AT:
            action = Action.SLOW
    return Outcome(
        OutcomeClass.ACCEPTED, reply.status, "", bounded(text), "content", action=action.value, server=server
    )


def _rule(kind: str, status: int, deed: Deed) -> Rule:
    rule = _BY_TYPE.get(kind) or _BY_STATUS.get(status)
    if rule is None:
        if 400 <= status <= 499 and status != 408:
            return Rule(OutcomeClass.PERMANENT, Action.UNKNOWN)
        rule = _LOOK if 300 <= status <= 399 and deed is not Deed.INVITE else _UNSURE
    if deed is Deed.INVITE:
        return rule
    if rule is _UNSURE:
        passing = deed is Deed.LOOK_UP and (kind in _PASSING or (not kind and status in (500, 504)))
        return Rule(OutcomeClass.TRANSIENT) if passing else _AWAY
    if deed is Deed.LOG_IN and rule in (_NOBODY, _SET_UP, _TEXT):
        # Nobody was asked for: what is not found or not allowed is the account itself.
        return _LOOK
    # A look-up has no text: what is wrong with its parameters is wrong with this profile.
    return _NOBODY if rule is _TEXT else rule


def _words(reply: Reply, kind: str) -> str:
    """The service's own sentence first, then its whole answer."""
    said = [part for name in ("title", "detail") if isinstance(part := reply.data.get(name), str) and part]
    words = ": ".join([*said, _REMEDY[kind]] if kind in _REMEDY else said)
    return bounded(f"{words}\n{reply.text}" if words else reply.text or f"HTTP {reply.status}")


def _key(status: int, kind: str, text: str) -> str:
    if kind in _BY_TYPE:
        return f"{status} {kind.replace('_', ' ')}"
    return normalise_reason(status, "", kind.replace("_", " ") or text, protocol="http")
