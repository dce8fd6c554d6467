"""Rows of a file become prospects: which columns are read, and what is kept out and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.intake.recipients import MAX_RECIPIENT
from engine.intake.records import TableError
from engine.intake.rejects import Duplicate, Rejected
from engine.intake.tables import TableRow
from engine.prospects.prospect import LARGEST, parse_size
from engine.prospects.rows import Bounds, Found, Gathering
from engine.prospects.source import FileSource, read_prospects
from storage.errors import UsageError

HEADER = "Company,Industry,Employees,Region,Email,First name,Job title\n"


async def read(folder: Path, text: str, name: str = "prospects.csv", **more: Any) -> Found:
    path = folder / name
    path.write_text(text, "utf-8")
    return await read_prospects(FileSource(path), **more)


def gathered(*rows: TableRow, columns: tuple[str, ...] = ("email", "size"), **bounds: int) -> Found:
    gathering = Gathering(columns, {}, Bounds(**bounds))
    for row in rows:
        if not gathering.take(row):
            break
    return gathering.found()


async def test_a_row_is_read_with_everything_it_tells(tmp_path: Path) -> None:
    row = ' Alder Ltd ,Construction,"1,200",US-CA,Ada@Alder.Example,Ada,Owner\n'
    found = await read(tmp_path, HEADER + row)
    (one,) = found.prospects
    assert (one.row, one.company, one.industry, one.size, one.region) == (2, "Alder Ltd", "Construction", 1200, "US-CA")
    assert (one.address, one.key, one.first_name, one.last_name) == (
        "Ada@Alder.Example",
        "ada@alder.example",
        "Ada",
        "",
    )
    assert one.fields == {"job_title": "Owner"}
    assert one.values() == {
        "email": "Ada@Alder.Example", "first_name": "Ada", "last_name": "", "company": "Alder Ltd",
        "industry": "Construction", "size": "1200", "region": "US-CA", "job_title": "Owner",
    }  # fmt: skip
    assert (found.rows, found.rejects, found.cut) == (1, (), "")


async def test_a_file_of_json_lines_and_a_workbook_say_the_same(tmp_path: Path) -> None:
    item = {"company": "Alder", "sector": "Retail", "headcount": 12, "country": "CA", "e-mail": "a@b.example"}
    lines = await read(tmp_path, json.dumps(item) + "\n", "prospects.jsonl")
    book = openpyxl.Workbook()
    book.create_sheet("leads").append(list(item))
    book["leads"].append(list(item.values()))
    book.save(tmp_path / "prospects.xlsx")
    sheet = await read_prospects(FileSource(tmp_path / "prospects.xlsx", "leads"))
    (one,), (other,) = lines.prospects, sheet.prospects
    assert one.values() == other.values()
    assert (one.industry, one.size, one.region, one.address) == ("Retail", 12, "CA", "a@b.example")


async def test_what_a_row_does_not_tell_is_empty_and_no_fault(tmp_path: Path) -> None:
    found = await read(tmp_path, HEADER + "Alder,,,,,,\n")
    (one,) = found.prospects
    assert (one.address, one.key, one.industry, one.size, one.region) == ("", "", "", None, "")


async def test_rows_that_cannot_be_read_are_kept_with_row_field_and_reason(tmp_path: Path) -> None:
    rows = (
        "A,Retail,many,US,a@x.example,A,\n"
        "B,Retail,12,US,b at x.example,B,\n"
        "C,Retail,12,US,c@x.example,C,\n"
        "D,Retail,12,US,C@X.example,D,\n"
        "E,Retail,12,US,e@x.example,E,Owner,too,much\n"
    )
    found = await read(tmp_path, HEADER + rows)
    assert [one.address for one in found.prospects] == ["c@x.example"]
    size, address, twice, wide = found.rejects
    assert isinstance(size, Rejected) and (size.row, size.field) == (2, "Employees") and "51-200" in size.reason
    assert isinstance(address, Rejected) and (address.row, address.field) == (3, "Email")
    assert isinstance(twice, Duplicate) and (twice.row, twice.first_row, twice.address) == (5, 4, "C@X.example")
    assert isinstance(wide, Rejected) and wide.row == 6 and "9 cells" in wide.reason
    assert found.rows == 5
    assert size.cells["Company"] == "A", "the row itself is kept, to be handed back"


async def test_columns_say_what_titles_do_not(tmp_path: Path) -> None:
    text = "Firma,Feld,Leute,Wo,An,size\nAlder,Retail,12,CA,a@b.example,XL\n"
    columns = {"Feld": "industry", "Leute": "size", "Wo": "region", "an": "email"}
    (one,) = (await read(tmp_path, text, columns=columns)).prospects
    assert (one.company, one.industry, one.size, one.region, one.address) == (
        "Alder",
        "Retail",
        12,
        "CA",
        "a@b.example",
    )
    assert one.fields == {"size_2": "XL"}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "No column of the source looks like e-mail addresses"),
        ({"Nobody": "email"}, "There is no column 'Nobody'"),
        ({"Firma": "email", "Leute": "e mail"}, "cannot be the name of a field"),
    ],
)
async def test_columns_that_do_not_fit_are_refused(tmp_path: Path, columns: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        await read(tmp_path, "Firma,Leute\nAlder,12\n", columns=columns)
    assert caught.value.hint


async def test_a_column_that_is_named_in_another_case_is_not_guessed_as_well(tmp_path: Path) -> None:
    text = "email,Employees,Industry\na@b.example,US,12\n"
    (one,) = (await read(tmp_path, text, columns={"employees": "region", "INDUSTRY": "size"})).prospects
    assert (one.region, one.size, one.industry) == ("US", 12, "")


async def test_the_best_title_is_the_size_and_the_others_are_carried_along(tmp_path: Path) -> None:
    text = "email,company_size,employees,country,state\na@b.example,5,12,US,CA\n"
    (one,) = (await read(tmp_path, text)).prospects
    assert (one.size, one.region) == (12, "US")
    assert one.fields == {"company_size": "5", "state": "CA"}


async def test_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no such file"):
        await read_prospects(FileSource(tmp_path / "nowhere.csv"))


async def test_no_more_rows_are_read_than_a_run_may_take(tmp_path: Path) -> None:
    text = "email\n" + "".join(f"p{number}@x.example\n" for number in range(5))
    found = await read(tmp_path, text, bounds=Bounds(rows=3))
    assert (len(found.prospects), found.rows) == (3, 3)
    assert found.cut == "The source holds more than 3 rows; the rest was not read."
    assert (await read(tmp_path, text, bounds=Bounds(rows=5))).cut == ""


def test_no_more_text_is_kept_than_a_run_may_hold() -> None:
    rows = [TableRow(number, {"email": f"p{number}@x.example", "note": "x" * 30_000}) for number in range(100)]
    found = gathered(*rows, columns=("email", "note"), characters=1 << 20)
    assert 30 < found.rows < 40
    assert found.cut == f"The first {found.rows} rows fill 1 MB; the rest was not read."


def test_a_huge_cell_and_a_huge_row_are_rejected() -> None:
    columns = tuple(f"c{number}" for number in range(9))
    wide = {"email": "a@x.example", **dict.fromkeys(columns, "x" * 16_000)}
    found = gathered(
        TableRow(1, {"email": "a@x.example", "c0": "x" * 40_000}), TableRow(2, wide), columns=("email", *columns)
    )
    one, two = found.rejects
    assert isinstance(one, Rejected) and (one.field, one.row) == ("c0", 1)
    assert isinstance(two, Rejected) and f"{MAX_RECIPIENT:,}" in two.reason


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", None), ("  ", None), ("120", 120), ("1,200", 1200), ("1.200", 1200), ("1 200", 1200), ("1\u00a0200", 1200),
        ("51-200", 125), ("11 \u2013 50", 30), ("51 to 200", 125), ("1,001-5,000", 3000), ("10,001+", 10001), ("0", 0),
    ],
)  # fmt: skip
def test_a_size_is_read_as_people_write_it(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["many", "-5", "12.5", "1,20", "200-51", "1e5", "12 people", "٣", "999,999,999", "1-"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


@given(st.text(max_size=30) | st.from_regex(r"[0-9,.+ -]{1,20}", fullmatch=True))
def test_any_cell_is_a_size_within_bounds_or_a_sentence(text: str) -> None:
    said = ""
    try:
        size = parse_size(text)
    except ValueError as error:
        size, said = None, str(error)
    assert size is None or 0 <= size <= LARGEST
    assert said.endswith(".") if said else (size is None) == (not text.strip())


CELLS = st.dictionaries(st.sampled_from(["email", "size", "Sector", "note"]), st.text(max_size=20), max_size=4)


@given(st.lists(CELLS, max_size=20), st.integers(1, 30))
def test_every_row_that_was_taken_ends_somewhere(rows: list[dict[str, str]], most: int) -> None:
    found = gathered(
        *(TableRow(number, cells) for number, cells in enumerate(rows, 1)),
        columns=("email", "size", "Sector", "note"),
        rows=most,
    )
    assert found.rows == len(found.prospects) + len(found.rejects) == min(len(rows), most)
    assert bool(found.cut) == (len(rows) > most)
    numbers = sorted([one.row for one in found.prospects] + [one.row for one in found.rejects])
    assert numbers == list(range(1, found.rows + 1))
    keys = [one.key for one in found.prospects if one.key]
    assert len(keys) == len(set(keys))
