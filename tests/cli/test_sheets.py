"""What a CSV cell may hold."""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.intake.rejects import Rejected, RejectsWriter
from engine.sheets import csv_cell
from tui.exporting.writer import Format, write_rows


def is_control(c: str) -> bool:
    return unicodedata.category(c) == "Cc" or unicodedata.bidirectional(c) in ("LRO", "RLO", "LRE", "RLE", "PDF")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", "\uff1d1"])
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
    assert not ({c for c in file.getvalue().removesuffix("\r\n") if is_control(c)} - {"\t", "\n"})


@pytest.mark.parametrize("text", ["Ada\rBob", "Ada\r\nBob", "Ada\nBob"])
def test_a_line_end_never_goes_back_over_what_was_written(text: str) -> None:
    assert csv_cell(text) == "Ada\nBob"


@pytest.mark.parametrize("mark", "\x1b\x9b\x07\x08\x00\u202e\u2066\u2028")
def test_every_file_that_is_written_escapes_alike(tmp_path: Path, mark: str) -> None:
    """An export, the operator's own sheet, a workbook, and what was rejected."""
    said, harmless = f"=Ada{mark}Lovelace", "=Ada?Lovelace"
    write_rows(tmp_path / "table.csv", [{"name": said}], Format.CSV)
    with RejectsWriter(tmp_path / "rejects.csv") as rejects:
        rejects.write(Rejected(2, "Bad.", "", {"name": said}))
    for name in ("table.csv", "rejects.csv"):
        with (tmp_path / name).open(encoding="utf-8-sig", newline="") as file:
            assert next(csv.DictReader(file))["name"] == f"'{harmless}"
    write_rows(tmp_path / "table.xlsx", [{"name": said}], Format.XLSX)
    assert openpyxl.load_workbook(tmp_path / "table.xlsx").active["A2"].value == harmless
