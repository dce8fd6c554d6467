"""Mails for the parser: those that real servers wrote (`mails/`), and short ones written in a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.inbound.model import Inbound, Raw
from engine.inbound.reading import read

MAILS = Path(__file__).parent / "mails"
ARRIVED = 1_795_500_000_000_000
"""2026-11-24, after all of them were written."""


def told(mail: str | bytes) -> tuple[Inbound, ...]:
    """The events of a mail; lines of a text end as they do in the test."""
    data = mail if isinstance(mail, bytes) else mail.encode()
    return read(Raw(data, ARRIVED, "test"))


def one(mail: str | bytes) -> Inbound:
    """The one event of a mail that tells of one."""
    events = told(mail)
    assert len(events) == 1
    return events[0]


@pytest.fixture
def kept() -> Callable[[str], tuple[Inbound, ...]]:
    """Reads a mail of the folder `mails`."""
    return lambda name: told((MAILS / f"{name}.eml").read_bytes())
