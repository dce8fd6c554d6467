"""What a reply means and what is to be done: `reply -> class -> action`, as pure functions.

The tables are written out for operators in `docs/outcomes.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.model import OutcomeClass


@dataclass(frozen=True, slots=True)
class Outcome:
    """The classified result of one attempt.

    `code` is the SMTP reply code or HTTP status (0: no reply), `enhanced` the RFC 3463 code ("5.1.1" or ""),
    `text` the server's own words (bounded, never interpreted), `phase` where it happened: `connect`, `tls`,
    `auth`, `mail`, `rcpt`, `data` (up to the 354), `content` (after the first content byte), `compose`.
    `error_key` is the normalised reason that groups failures ("" when accepted). `action` names what an account
    or configuration outcome asks for (see `Action`). `wait` is the server's "try again in N seconds" in
    microseconds, 0 when it named none.
    """

    cls: OutcomeClass
    code: int = 0
    enhanced: str = ""
    text: str = ""
    phase: str = ""
    error_key: str = ""
    action: str = ""
    wait: int = 0
    server: str = ""
