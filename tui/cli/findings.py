"""What `doctor` finds: one sentence each, how bad it is, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """`level`: ok, note, or problem (which makes the exit code 1)."""

    check: str
    level: str
    message: str
    remedy: str = ""
