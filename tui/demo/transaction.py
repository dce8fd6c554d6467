"""One mail transaction as the demo's relay sees it, and the hook that sees it with the relay."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r\n[ \t]+)?([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID_WITHIN: Final = 64 * 1024


@dataclass(slots=True)
class Transaction:
    """One mail transaction as the relay sees it. `number` counts the MAIL commands of all connections from 1
    (0: none yet); `send` writes to the client at once; `content` is complete (dots unstuffed) from phase
    `dot` on."""

    connection: int
    send: Callable[[bytes], Awaitable[None]]
    number: int = 0
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    content: bytes = b""

    @property
    def message_id(self) -> str:
        found = _MESSAGE_ID.search(self.content, 0, _MESSAGE_ID_WITHIN)
        return found[1].decode("utf-8", "replace").strip() if found else ""


class Hangup(Exception):  # noqa: N818 - not an error: the wish to end the connection
    """Raised by a hook to cut the connection, by the relay to end it; `abrupt` drops what is not yet sent."""

    def __init__(self, *, abrupt: bool = True) -> None:
        super().__init__()
        self.abrupt = abrupt


Hook = Callable[[str, Transaction, bytes], Awaitable[bytes]]
"""`await hook(phase, transaction, reply)` -> what to send in place of `reply` (b"": nothing), or raises
Hangup.

Phases: `banner`, `ehlo`, `starttls`, `auth`, `mail`, `rcpt`, `data` (its 354), `content` (the first content
bytes are here, no reply is due), `dot` (all content is here, nothing recorded), `accepted` (recorded in the
ledger, its 250 not yet sent), `rset`, `noop`, `quit`, `other`. The relay goes on as if the reply sent had
been its own.
"""
