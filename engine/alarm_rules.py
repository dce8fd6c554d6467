"""When something is wrong enough to stop, to slow down or to tell: thresholds, and each as a pure question.

The figures are those of docs/outcomes.md, "Alarms"; all can be set (`[alarms]`, and for one account).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.channels.unipile.outcomes import knows_refusal
from engine.outcomes import Action
from engine.planning.durations import format_duration
from engine.reply_rules import find_rule
from storage.model import DAY, HOUR, OutcomeClass

if TYPE_CHECKING:
    # Whoever reads the configuration needs no store.
    from engine.planning.windows import Window
    from storage.alarms import Answer
    from storage.reputation import Reputation


@dataclass(frozen=True, slots=True)
class AlarmRules:
    """Shares of 1; `period` and `behind` in microseconds. Bounces and complaints are counted over `period`."""

    bounce_share: float = 0.05
    bounce_least: int = 100
    complaint_share: float = 0.001
    complaint_least: int = 1_000
    complaints: int = 3
    unknown_in_a_row: int = 10
    content_errors: int = 3
    transient_share: float = 0.25
    transient_of: int = 50
    behind: int = HOUR
    period: int = 7 * DAY

    def bounces(self, of: Reputation) -> str:
        """Why too many came back; "" while they did not."""
        if of.tried < self.bounce_least or of.bounced < self.bounce_share * of.tried:
            return ""
        return (
            f"{_percent(of.bounced, of.tried)} bounces ({of.bounced:,} of {of.tried:,}), "
            f"limit {_share(self.bounce_share)}"
        )

    def complained(self, of: Reputation) -> str:
        """Why too many complained; "" while they did not."""
        if of.complained >= self.complaints:
            return f"{of.complained:,} complaints about {of.tried:,} messages, limit {self.complaints:,}"
        if not of.complained or of.tried < self.complaint_least or of.complained < self.complaint_share * of.tried:
            return ""
        return (
            f"{_percent(of.complained, of.tried)} complaints ({of.complained:,} of {of.tried:,}), "
            f"limit {_share(self.complaint_share)}"
        )


def is_unknown(answer: Answer) -> bool:
    """Whether this was a refusal for good that no rule knows: read anew from its reason, which the rules keep."""
    if answer.outcome != OutcomeClass.PERMANENT:
        return False
    if answer.code < 500:
        # SMTP refuses for good with 5xx only (RFC 5321 section 4.2.1): this came by HTTP.
        return not knows_refusal(answer.error_key)
    rule = find_rule(str(answer.code), answer.enhanced, answer.error_key)
    return rule is None or rule.action is Action.UNKNOWN


class LastAnswers:
    """The last answers of one queue about its messages: what is in a row, and how many of the last say "not now".

    What concerns the queue itself (its account, the way to the server) is told by its state and counts nowhere."""

    def __init__(self, of: int) -> None:
        self._transient: deque[bool] = deque(maxlen=of)
        self.in_a_row = 0
        """Refusals in a row that no rule knows."""

    def load(self, answers: Iterable[Answer], *, unknown_since: int, transient_since: int) -> None:
        """Begin with what the store remembers (oldest first; the times in us)."""
        for answer in answers:
            cls = OutcomeClass(answer.outcome)
            if answer.at > unknown_since:
                self._note_row(cls, is_unknown(answer))
            if answer.at > transient_since:
                self._note_share(cls)

    def note(self, cls: OutcomeClass, *, unknown: bool) -> None:
        """One more answer."""
        self._note_row(cls, unknown)
        self._note_share(cls)

    def _note_row(self, cls: OutcomeClass, unknown: bool) -> None:
        if cls not in _ABOUT_THE_QUEUE:
            self.in_a_row = self.in_a_row + 1 if unknown else 0

    def _note_share(self, cls: OutcomeClass) -> None:
        if cls not in _ABOUT_THE_QUEUE:
            self._transient.append(cls is OutcomeClass.TRANSIENT)

    def too_many_transient(self, rules: AlarmRules) -> str:
        """Why the queue should slow down; "" while it should not. Having said so, it counts anew."""
        n, of = sum(self._transient), len(self._transient)
        if of < rules.transient_of or n < rules.transient_share * of:
            return ""
        self._transient.clear()
        return f'{_percent(n, of)} of {of} answers "not now", limit {_share(rules.transient_share)}'


_ABOUT_THE_QUEUE = (OutcomeClass.ACCOUNT, OutcomeClass.ROUTE)


def is_behind(due_at: int, now: int, windows: list[Window], rules: AlarmRules) -> bool:
    """Whether what was due at `due_at` (us) has missed a whole window: each of these opened after it and closed again.
    Without a window: whether it waits longer than `rules.behind`."""
    if not windows:
        return now - due_at > rules.behind
    return all(_missed(window, due_at, now) for window in windows)


def _missed(window: Window, due_at: int, now: int) -> bool:
    span = window.span(due_at)
    if span is not None and span[0] < due_at:
        # It fell due in the middle of this one: the next is the first that it could have had whole.
        span = window.span(span[1])
    return span is not None and span[1] <= now


def behind_words(campaign: str, windows: list[Window], rules: AlarmRules) -> str:
    """What is told of a queue that is behind its plan, true for as long as it is."""
    missed = "has missed a whole window" if windows else f"waits longer than {format_duration(rules.behind)}"
    return f"behind its plan: a message of {campaign} {missed}"


def _percent(n: int, of: int) -> str:
    return f"{100 * n / of:.1f}%" if 100 * n >= of else f"{100 * n / of:.2f}%"


def _share(share: float) -> str:
    return f"{100 * share:g}%"
