"""An answer of an HTTP service, or that there was none. No network here: whoever reads an outcome needs none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from storage.model import SECOND


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `status`, its JSON object ({}: it was none), the whole `text` without any secret, the header
    Retry-After as `wait` (us, 0: none)."""

    status: int
    data: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    wait: int = 0


class NoReplyError(Exception):
    """Nothing that could be read came back; the text is a sentence for the operator. `begun`: some of the request may
    have reached the other side."""

    def __init__(self, text: str, *, begun: bool) -> None:
        super().__init__(text)
        self.begun = begun


def retry_after(value: str, date: str = "") -> int:
    """The header Retry-After (RFC 9110 section 10.2.3) in microseconds: a number of seconds, or a date, which counts
    from the answer's own `date` so that no clock needs to be right. 0 for none and for what cannot be read."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(int(value[:12]), 10**9) * SECOND
    until, said = _at(value), _at(date)
    if until is None or said is None:
        return 0
    return max(0, until - said)


def _at(value: str) -> int | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp()) * SECOND
