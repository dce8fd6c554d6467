"""How the demo's relay behaves: whom it greylists, refuses and delays, the same way for the same seed."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Fate(StrEnum):
    """What the relay does with a recipient."""

    ACCEPT = "accept"
    GREYLIST = "greylist"
    UNKNOWN = "unknown"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Rules:
    """How the relay behaves; the default accepts everything at once.

    `greylisted`, `unknown` and `full` are shares (0 to 1) of all recipients, drawn from `seed` and the
    address; `fates` names single addresses. `greylist_delay` and `latency` (before the reply to a content) in
    seconds. Every `busy_every`-th transaction is answered by 421 and closed (0: none). `max_size` in bytes,
    `max_text_line` in bytes without CRLF (RFC 5321 4.5.3.1.6; 0: no limit). `login` is (user, password); with
    `tls` a login is offered after STARTTLS only, or from the first byte with `implicit_tls`.
    """

    seed: int = 0
    greylisted: float = 0.0
    unknown: float = 0.0
    full: float = 0.0
    fates: Mapping[str, Fate] = field(default_factory=dict)
    greylist_delay: float = 1.0
    busy_every: int = 0
    latency: float = 0.0
    max_size: int = 10 * 1024 * 1024
    max_text_line: int = 998
    login: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False

    def fate(self, recipient: str) -> Fate:
        """The same for the same seed and recipient, whatever came before."""
        key = recipient.lower()
        if key in self.fates:
            return self.fates[key]
        digest = hashlib.blake2b(f"{self.seed}:{key}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
        drawn = int.from_bytes(digest) / 2**64
        for fate, share in (
            (Fate.UNKNOWN, self.unknown),
            (Fate.FULL, self.full),
            (Fate.GREYLIST, self.greylisted),
        ):
            if drawn < share:
                return fate
            drawn -= share
        return Fate.ACCEPT


BELIEVABLE: Final = Rules(greylisted=0.10, unknown=0.03, full=0.01, busy_every=200, latency=0.005)
"""A relay on an ordinary day."""
