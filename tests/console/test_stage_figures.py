"""Figures of a pipeline's stages in words, whatever its author has counted."""

from __future__ import annotations

import pytest

from storage.pipeline_facts import counters
from storage.stages import figures_of
from tui.screens.pipeline_rows import pipeline_items


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"queued_today": 0, "remaining": 1_250}, "queued today 0, remaining 1,250"),
        ({"share": 0.5, "source": "a.csv", "none": None}, "share 0.5, source a.csv, none None"),
        ({}, ""),
        (None, ""),
    ],
)
def test_counters_in_words(given: dict[str, object] | None, said: str) -> None:
    assert figures_of(given) == said


def test_only_whole_numbers_are_a_funnel_and_the_rest_breaks_no_line() -> None:
    stages = [
        {"name": "first", "state": "done", "counters": {"found": 10, "by": "hand"}},
        {"name": "second", "state": "done", "counters": {"by": "hand", "left": 4}},
        {"name": "third", "state": "done", "counters": {"by": "hand"}},
    ]
    assert counters({"stages": stages}) == {"found": 10, "left": 4}
    row = {
        "id": 1, "kind": "odd", "state": "completed", "flag": "", "last_error": "", "started_at": 1, "due_at": 1,
        "ran": 1, "origin": "manual", "stages": stages,
    }  # fmt: skip
    lines = ["".join(text for text, _ in item.line(80)) for item in pipeline_items([row], 2)[1:2]]
    assert "left 4" in lines[0]
