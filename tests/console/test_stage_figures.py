"""Figures of a pipeline's stages in words, whatever its author has counted."""

from __future__ import annotations

import pytest

from storage.model import MINUTE, SECOND
from storage.pipeline_facts import counters
from storage.stages import figures_of
from tui.screens.pipeline_rows import pipeline_items
from tui.screens.stage_ladder import funnel_words, stage_rows, with_funnel


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
    [row] = with_funnel([row])
    lines = ["".join(text for text, _ in item.line(80)) for item in pipeline_items([row], 2)[1:2]]
    assert "found 10, left 4" in lines[0]


def test_a_funnel_keeps_the_names_of_its_steps_as_long_as_there_is_room() -> None:
    run = {"funnel": [("discovered", 150), ("high_priority", 75), ("uncontacted", 75), ("queued", 50)]}
    assert funnel_words(run, 80) == "discovered 150 > high priority 75 > uncontacted 75 > queued 50"
    assert funnel_words(run, 50) == "discovered 150 > high priority 75 > queued 50"
    assert funnel_words(run, 20) == "150 > 75 > 50"


def test_a_stage_reads_alike_where_there_is_much_room_and_where_there_is_one_line() -> None:
    stage = {
        "position": 2, "name": "rank", "state": "done", "counters": {"scored": 120}, "note": "by criteria",
        "flag": "40 to 100 are usual", "started_at": 1, "finished_at": 30 * SECOND,
    }  # fmt: skip
    [(_, [short])] = stage_rows([stage], MINUTE, 100, whole=False)
    [(_, [first, flag])] = stage_rows([stage], MINUTE, 100)
    left = ["".join(text for text, _ in line[:3]) for line in (short, first)]
    assert left[0] == left[1]
    assert left[0].startswith("   2 rank       + done ")
    assert short[3][0].rstrip() == "! 40 to 100 are usual; scored 120; by criteria"
    assert (first[3][0], flag[0][0].strip()) == ("scored 120; by criteria", "! 40 to 100 are usual")
