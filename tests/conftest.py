"""What every test stands on: no setting of the person who runs them, and the same examples every time."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from storage import migrate
from tests.support import fresh
from tui.format import Times, set_times


def _belongs_to_the_person(name: str) -> bool:
    # pytest-textual-snapshot hands its folder to its workers in TEXTUAL_SNAPSHOT_TEMPDIR.
    return name == "NO_COLOR" or (
        name.startswith(("PACELINE_", "TEXTUAL_")) and not name.startswith("TEXTUAL_SNAPSHOT_")
    )


for _name in filter(_belongs_to_the_person, list(os.environ)):
    os.environ.pop(_name)

settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _clean_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that sets one of these sets it for itself alone."""
    for name in list(os.environ):
        if _belongs_to_the_person(name):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _times_in_utc() -> Iterator[None]:
    """How times are told is one setting of the process, which commands run within it set too."""
    yield
    set_times(Times.UTC)


@pytest.fixture(autouse=True)
def copied_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new store is a copy of one that the migrations made; overridden where the migrations are judged."""
    monkeypatch.setattr(migrate, "apply", fresh.apply)
