"""What counts as success: an explicit rule over status and, where it is asked for, one value of the answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

Spans = tuple[tuple[int, int], ...]

_STATUSES = re.compile(r"([2-5]\d\d)(?:-([2-5]\d\d))?")
_ARRAY_INDEX = re.compile(r"0|[1-9]\d{0,8}")
DEFAULT_STATUSES: Final[Spans] = ((200, 299),)


class Verdict(Enum):
    """What the success rule says of an answer."""

    DONE = "done"
    REFUSED = "refused"
    """The status is one of success, and the value says otherwise."""
    UNCLEAR = "unclear"
    """The status is one of success, and the value is not there to be read."""
    OTHER = "other"
    """Another status: the table of statuses decides."""


@dataclass(frozen=True, slots=True)
class SuccessRule:
    """`spans` of statuses, both ends included. `pointer` (RFC 6901) names a value of a JSON answer that must equal
    `equals`, a number, a text or a truth value; without a pointer the status alone decides."""

    spans: Spans = DEFAULT_STATUSES
    pointer: str | None = None
    equals: bool | int | float | str = True

    def judge(self, status: int, body: bytes, *, whole: bool) -> Verdict:
        """What this answer is; `whole` is False for a body that was cut."""
        if not any(low <= status <= high for low, high in self.spans):
            return Verdict.OTHER
        if self.pointer is None:
            return Verdict.DONE
        try:
            found = find(json.loads(body), self.pointer) if whole else None
        except (ValueError, LookupError, RecursionError):
            return Verdict.UNCLEAR
        if not whole:
            return Verdict.UNCLEAR
        return Verdict.DONE if _same(found, self.equals) else Verdict.REFUSED


def parse_statuses(text: str) -> tuple[int, int]:
    """`"200"` or `"200-299"` as a span. Raises ValueError with what to write."""
    found = _STATUSES.fullmatch(text.strip())
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if low > high:
        raise ValueError('must be a status from 200 to 599, such as "202", or a range such as "200-299"')
    return low, high


def check_pointer(pointer: str) -> str:
    """`pointer` unchanged. Raises ValueError unless it is one of RFC 6901 section 3."""
    if (pointer and not pointer.startswith("/")) or re.search(r"~(?![01])", pointer):
        raise ValueError('must be a JSON pointer such as "/status" or "/results/0/ok" (RFC 6901)')
    return pointer


def find(document: Any, pointer: str) -> Any:
    """The value that `pointer` names (RFC 6901 section 4). Raises LookupError where there is none."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document[key]
        elif isinstance(document, list) and _ARRAY_INDEX.fullmatch(key):
            document = document[int(key)]
        else:
            raise LookupError(key)
    return document


def _same(found: Any, wanted: bool | int | float | str) -> bool:
    """Equal in JSON's sense: 1 is 1.0, and neither is true."""
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)
