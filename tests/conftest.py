"""What every test stands on: no setting of the person who runs them, and the same examples every time."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

for _name in [name for name in os.environ if name.startswith(("PACELINE_", "TEXTUAL_"))] + ["NO_COLOR"]:
    os.environ.pop(_name, None)

settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _clean_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that sets one of these sets it for itself alone."""
    for name in list(os.environ):
        if name.startswith(("PACELINE_", "TEXTUAL_")) or name == "NO_COLOR":
            monkeypatch.delenv(name)
