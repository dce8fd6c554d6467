"""What a receiver's answer means: status, success rule and `Retry-After` become a class and an action, as pure
functions. The table is written out for operators in `docs/webhooks.md`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from engine.channels.waits import retry_after
from engine.channels.webhook.headers import idempotency_key
from engine.channels.webhook.success import SuccessRule, Verdict
from engine.channels.webhook.wire import Answer
from engine.classify import route_failure
from engine.outcomes import Action, Outcome
from engine.reasons import bounded, normalise_reason
from storage.model import OutcomeClass

WORDS: Final = 300
"""Characters kept of a receiver's own words."""
_MESSAGE_KEYS = ("message", "detail", "error_description", "error", "title", "reason", "msg", "code", "errors")
"""Where JSON answers say what is wrong, the sentence before the code (RFC 9457 has `detail` and `title`)."""

_T, _P, _A = OutcomeClass.TRANSIENT, OutcomeClass.PERMANENT, OutcomeClass.ACCOUNT
_R, _C, _S = OutcomeClass.ROUTE, OutcomeClass.CONTENT, OutcomeClass.CONFIGURATION

_STATUSES: Final[dict[int, tuple[OutcomeClass, Action]]] = {
    # Credentials, or the right to use the service at all.
    401: (_A, Action.NEEDS_ATTENTION),
    402: (_A, Action.NEEDS_ATTENTION),
    407: (_A, Action.NEEDS_ATTENTION),
    # Method, version or protocol: the set-up is wrong for everybody.
    405: (_S, Action.HOLD_PAUSE),
    426: (_S, Action.HOLD_PAUSE),
    428: (_S, Action.HOLD_PAUSE),
    501: (_S, Action.HOLD_PAUSE),
    505: (_S, Action.HOLD_PAUSE),
    # The body as such.
    406: (_C, Action.NONE),
    413: (_C, Action.NONE),
    414: (_C, Action.NONE),
    415: (_C, Action.NONE),
    431: (_C, Action.NONE),
    # Not now, for this one.
    408: (_T, Action.NONE),
    423: (_T, Action.NONE),
    425: (_T, Action.NONE),
    # Not now, for us.
    429: (_A, Action.COOL),
    503: (_A, Action.COOL),
    # It never reached the receiver (RFC 9110 15.5.20, RFC 6585 section 6).
    421: (_R, Action.COOL),
    511: (_R, Action.COOL),
}
_OF_ALL: Final[dict[int, tuple[OutcomeClass, Action]]] = {
    400: (_C, Action.NONE),
    403: (_S, Action.HOLD_PAUSE),
    404: (_S, Action.HOLD_PAUSE),
    410: (_S, Action.HOLD_PAUSE),
}
"""While this receiver has accepted nothing, these are about everybody."""
_OF_ONE: Final[dict[int, tuple[OutcomeClass, Action]]] = {410: (_P, Action.SUPPRESS)}
"""Once it has accepted something, they are about this person; what is not named is a refusal that no rule knows."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How one receiver's answers are read. `idempotent`: it honours Idempotency-Key, so that a repeat is harmless and
    what is in doubt is tried again. `redact` takes our secrets out of its words."""

    rule: SuccessRule
    idempotent: bool
    server: str
    redact: Callable[[str], str]

    def answered(self, answer: Answer, *, message_id: str, proven: bool, now: int) -> Outcome:
        """What an answer means. `proven`: this receiver has accepted a message before; `now` in microseconds UTC, for
        a `Retry-After` that names a date. Never raises, whatever was said."""
        status = answer.status
        # Redacted before it is cut: half a secret is one too.
        said = squeezed(self.redact(words_of(answer)))
        text = bounded(f"{_phrase(status)}: {said}" if said else _phrase(status))
        verdict = self.rule.judge(status, answer.body, whole=answer.whole)
        if verdict is Verdict.DONE:
            kept = squeezed(self.redact(answer.body.decode("utf-8", "replace"))) or text
            return Outcome(OutcomeClass.ACCEPTED, status, "", bounded(kept), "content", server=self.server)
        wait = retry_after(answer.header("retry-after"), now)
        if verdict is Verdict.REFUSED:
            key = normalise_reason(status, "", f"not a success: {said}", protocol="http")
            text = bounded(f"the answer is no success by {self.rule.pointer}: {said or text}")
            return Outcome(_P, status, "", text, "content", key, Action.UNKNOWN.value, 0, self.server)
        if verdict is Verdict.UNCLEAR:
            why = f"answered {status}, and {self.rule.pointer} could not be read in it"
            return self._in_doubt(why, status, said, message_id, wait)
        known = self._known(status, proven)
        if known is None:
            return self._in_doubt(f"answered {status} {_phrase(status)}", status, said, message_id, wait)
        cls, action = known
        if 300 <= status <= 399:
            text = bounded(f"{text}: it points elsewhere, which is never followed; correct the account's url")
        key = normalise_reason(status, "", said or _phrase(status), protocol="http")
        waits = wait if cls in (_T, _A, _R) else 0
        return Outcome(cls, status, "", text, "content", key, action.value, waits, self.server)

    def unanswered(self, reason: str, *, size: int, message_id: str) -> Outcome:
        """No status came back once the request (`size` bytes of body) was handed over; it may have been processed."""
        reason = squeezed(self.redact(reason))
        return self._in_doubt(f"{reason}; {size} bytes were handed over", 0, "", message_id, 0)

    def unreached(self, reason: str, *, phase: str) -> Outcome:
        """The receiver was not reached: nothing was handed over, the queue cools."""
        return route_failure(self.redact(reason), phase=phase, server=self.server)

    def _known(self, status: int, proven: bool) -> tuple[OutcomeClass, Action] | None:
        """The row of the table; None where whether it was processed is not known."""
        if status in _OF_ALL:
            return _OF_ONE.get(status, (_P, Action.UNKNOWN)) if proven else _OF_ALL[status]
        if status == 409 and self.idempotent:
            return _T, Action.NONE  # the first request of this key is still at work (its draft, section 2.6)
        if status in _STATUSES:
            return _STATUSES[status]
        if 300 <= status <= 399:
            return _S, Action.HOLD_PAUSE
        return (_P, Action.UNKNOWN) if 400 <= status <= 499 else None

    def _in_doubt(self, why: str, status: int, said: str, message_id: str, wait: int) -> Outcome:
        """Uncertain, with all that is known about it; tried again where the receiver honours the key."""
        key = normalise_reason(status, "", said or why.partition(";")[0], protocol="http")
        cls, waits = (_T, wait) if self.idempotent else (OutcomeClass.UNCERTAIN, 0)
        known = "it is tried again under" if self.idempotent else "the receiver can be asked for"
        text = f"{why}; whether it was processed is not known: {known} Idempotency-Key {idempotency_key(message_id)}"
        text = bounded(f"{text}; it said: {said}" if said else text)
        return Outcome(cls, status, "", text, "content", key, "", waits, self.server)


def words_of(answer: Answer) -> str:
    """What a receiver says in its answer, in full; "" for a page or nothing at all."""
    text = answer.body.decode("utf-8", "replace").strip()
    if text.startswith(("{", "[", '"')):
        try:
            return _message(json.loads(text))
        except (ValueError, RecursionError):
            pass
    return "" if text.startswith("<") else text


def _message(document: Any) -> str:
    """The sentence in a JSON answer; all of it where none is found."""
    found = document
    for _ in range(4):
        if isinstance(found, list) and found:
            found = found[0]
        elif isinstance(found, dict):
            named = next((found[key] for key in _MESSAGE_KEYS if found.get(key)), None)
            if named is None:
                break
            found = named
        else:
            break
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def squeezed(text: str) -> str:
    """One line of at most WORDS characters, without anything that cannot be printed."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * WORDS]).split())[:WORDS]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "an answer without a name"
