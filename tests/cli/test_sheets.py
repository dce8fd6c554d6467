"""What a CSV cell may hold."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.sheets import csv_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_begins_like_a_formula_is_text(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


def test_a_formula_behind_a_control_character_is_no_formula_either() -> None:
    assert not csv_cell("\x1b=1").startswith("=")


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, ""), (3, "3"), ([1, "ü"], '[1, "ü"]'), ("two\nlines", "two\nlines"), ("ünï 👩‍👧", "ünï 👩‍👧")],
)
def test_other_values_stay_what_they_are(value: object, cell: str) -> None:
    assert csv_cell(value) == cell


@given(st.text())
def test_no_control_character_reaches_the_file(text: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerow([csv_cell(text)])
    kept = {"\t", "\n", "\r"}
    assert not [c for c in file.getvalue() if (c < " " or "\x7f" <= c <= "\x9f") and c not in kept]
