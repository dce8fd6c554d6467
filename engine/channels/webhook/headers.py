"""The headers of a request: what a step may add, what is ours, and how a receiver knows that it was us."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Final

from storage import __version__

SIGNATURE: Final = "X-Paceline-Signature"

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[!-~](?:[\t -~]{0,2000}[!-~])?|")
"""Visible ASCII with blanks inside (RFC 9110 section 5.5); what is older is read differently by every receiver."""
_OURS = frozenset(
    (
        # Of one hop, and not of the message (RFC 9110 section 7.6.1).
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
        *("host", "content-length", "content-type", "content-encoding", "accept-encoding", "accept", "expect"),
        *("authorization", "cookie", "idempotency-key", "user-agent", "date"),
    )
)
_OUR_FAMILIES = ("proxy-", "x-paceline-", "x-forwarded-", "forwarded")


def check_header(name: str, value: str) -> tuple[str, str]:
    """A header that a step or an account adds, unchanged. Raises ValueError with the reason."""
    lower = name.lower()
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a header's name: {name[:80]!r}")
    if lower in _OURS or lower.startswith(_OUR_FAMILIES):
        raise ValueError(f"the header {name} is written by Paceline")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the header {name} must be one line of plain ASCII, of at most 2,000 characters")
    return name, value


def signature(secret: str, body: bytes, at: int) -> str:
    """What `X-Paceline-Signature` says of `body` at `at` (seconds since 1970): `t=AT,v1=HEX`, where HEX is the
    HMAC-SHA256 of "AT." and the body. The time is signed with it, so that an old request cannot be played again."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def idempotency_key(message_id: str) -> str:
    """The value of Idempotency-Key: the Message-ID without its brackets, as a string of RFC 8941 section 3.3.3
    (draft-ietf-httpapi-idempotency-key-header). All attempts of one message carry the same."""
    bare = message_id.strip("<>").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{bare}"'


def request_headers(
    *, host: str, body: bytes, message_id: str, extra: Iterable[tuple[str, str]], secrets: Iterable[tuple[str, str]]
) -> list[tuple[bytes, bytes]]:
    """Everything that stands above the body; `secrets` are credentials and the signature."""
    own = (
        ("Host", host),
        ("User-Agent", f"Paceline/{__version__}"),
        ("Accept", "application/json"),
        # Whatever is packed can unpack to fill the memory.
        ("Accept-Encoding", "identity"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Idempotency-Key", idempotency_key(message_id)),
    )
    return [(name.encode(), value.encode()) for name, value in (*own, *extra, *secrets)]
