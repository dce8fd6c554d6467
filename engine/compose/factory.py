"""What makes the messages of one step for one account, whatever the channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from engine.channels.channel import Message


class Factory(Protocol):
    """Immutable, safe to share. `engine.composer.make_factory` chooses the one of an account's channel."""

    sender: str
    """Who it comes from: an address, or an account's name."""
    fields: frozenset[str]
    """Every field name that the step uses and a recipient may bring."""
    required: frozenset[str]
    """Field names that every recipient must bring."""
    plain: bool
    """Whether `missing` finds nothing wherever every field is there: no length and no kind of value is asked for."""

    def lacks(self, address: str, profile: str) -> str:
        """What this person cannot be reached without ("" when nothing): an e-mail address, a profile."""
        ...

    def missing(self, fields: Mapping[str, object], *, address: str = "") -> tuple[str, ...]:
        """Every field that `build` would report. Raises ComposeError."""
        ...

    def build(
        self, *, address: str, fields: Mapping[str, object], message_id: str, date: int, profile: str = ""
    ) -> Message:
        """The finished message for one recipient. Raises ComposeError, MissingField."""
        ...
