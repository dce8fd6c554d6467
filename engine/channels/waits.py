"""How long an HTTP service asks to be left alone."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

from engine.outcomes import MAX_WAIT
from storage.model import SECOND


def retry_after(value: str, now: int) -> int:
    """What `Retry-After` asks for, in microseconds, at most MAX_WAIT; 0 for none (RFC 9110 section 10.2.3: seconds, or
    an HTTP date, which is compared with `now`, us)."""
    value = value.strip()
    if re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return min(int(value) * SECOND, MAX_WAIT)
    at = http_date(value)
    return 0 if at is None else min(max(0, at - now), MAX_WAIT)


def http_date(value: str) -> int | None:
    """An HTTP date (RFC 9110 section 5.6.7) in microseconds UTC; None for anything else."""
    try:
        at = parsedate_to_datetime(value)
        return int((at.replace(tzinfo=UTC) if at.tzinfo is None else at).timestamp()) * SECOND
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
