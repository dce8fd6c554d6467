"""What a service's answer means: a page of items, or why it is none. Pure."""

from __future__ import annotations

from typing import Any, Final

from engine.channels.waits import http_date, retry_after
from engine.channels.webhook.wire import Answer
from engine.intake.jsonlines import DECODER
from storage.errors import PacelineError

_NEVER: Final = 1 << 62


class SourceError(PacelineError):
    """The service gave no usable answer. `passing`: another run may have more luck, not before `wait` (us, 0: any time)
    where the service named one."""

    code = "source"

    def __init__(self, message: str, *, hint: str, passing: bool = False, wait: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.passing = passing
        self.wait = wait


def page_of(answer: Answer, where: str, number: int) -> tuple[list[object], object]:
    """The items of page `number`, and what it says of the next; `where` is the service, for people. Raises
    SourceError."""
    if answer.status != 200:
        raise _refused(answer, where)
    if answer.header("content-encoding").lower() not in ("", "identity"):
        raise unusable(where, number, "it is compressed although nobody asked for that")
    try:
        found: Any = DECODER.decode(answer.body.decode("utf-8-sig"))
    except RecursionError:
        raise unusable(where, number, "it is nested too deeply") from None
    except ValueError as error:
        # Of a UnicodeDecodeError, which holds the bytes, nothing is repeated.
        reason = "it is not UTF-8" if isinstance(error, UnicodeError) else f"it is no JSON ({error})"
        raise unusable(where, number, reason[:300]) from None
    following = None
    if isinstance(found, dict):
        found, following = found.get("items"), found.get("next")
    if not isinstance(found, list):
        raise unusable(where, number, 'it is neither a list nor an object with "items"')
    return found, following


def unusable(where: str, number: int, reason: str) -> SourceError:
    """The error for page `number`, which came whole and is not what was agreed."""
    hint = 'The answer must be a JSON list of objects, or {"items": [...], "next": ADDRESS}.'
    return SourceError(f"{where}: page {number} cannot be used: {reason}.", hint=hint)


def _refused(answer: Answer, where: str) -> SourceError:
    """What a status other than 200 means, and what to do about it."""
    status = answer.status
    said = http_date(answer.header("date"))
    # A date counts from the answer's own, so that no clock needs to be right.
    wait = retry_after(answer.header("retry-after"), _NEVER if said is None else said)
    passing = status in (408, 425, 429) or status >= 500
    if 300 <= status < 400:
        hint = "A redirect is not followed: write the address that it leads to."
    elif status in (401, 403):
        hint = "Check the token, and what it may read."
    elif status == 404:
        hint = "Check the address."
    elif passing:
        hint = "Run it again later."
    else:
        hint = "Ask whoever runs the service what it expects."
    return SourceError(f"{where} answered {status}.", hint=hint, passing=passing, wait=wait)
