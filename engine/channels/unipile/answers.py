"""An answer of an HTTP service, or that there was none. No network here: whoever reads an outcome needs none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
