"""Files become columns and numbered rows; a file that cannot says where, why and what to do."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from engine.intake.records import Limits, TableError
from engine.intake.tables import TableRow, open_table


def write(folder: Path, content: str | bytes, name: str = "people.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def workbook(folder: Path, rows: list[list[Any]], name: str = "people.xlsx") -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    book.save(folder / name)
    return folder / name


def rows(path: Path, **options: Any) -> list[TableRow]:
    with open_table(path, **options) as table:
        return list(table.rows())


def refusal(path: Path, **options: Any) -> TableError:
    with pytest.raises(TableError) as caught:
        rows(path, **options)
    assert caught.value.hint
    assert caught.value.message.startswith(path.name)
    return caught.value


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    text = 'email,name\na@x.example,"Lee, Ann; esq."\nb@x.example,Bob\n'
    quoted = text.replace("email,name", f"email{delimiter}name").replace("example,", f"example{delimiter}")
    with open_table(write(tmp_path, quoted)) as table:
        assert (table.format, table.delimiter, table.columns) == ("csv", delimiter, ("email", "name"))
        assert next(table.rows()).cells == {"email": "a@x.example", "name": "Lee, Ann; esq."}


def test_decimal_commas_do_not_pass_for_a_delimiter(tmp_path: Path) -> None:
    with open_table(write(tmp_path, "email;price, net;sum\na@x.example;1,5;2,5\nb@x.example;3,5;4,5\n")) as table:
        assert table.columns == ("email", "price, net", "sum")


def test_a_file_of_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    assert rows(write(tmp_path, "email\na@x.example\n", "list.txt"))[0].cells == {"email": "a@x.example"}


def test_a_given_delimiter_is_used(tmp_path: Path) -> None:
    with open_table(write(tmp_path, "a,b\tc\n1,2\t3\n"), delimiter="tab") as table:
        assert table.columns == ("a,b", "c")


@pytest.mark.parametrize("delimiter", ["", "::", '"', "\n"])
def test_an_impossible_delimiter_is_refused(tmp_path: Path, delimiter: str) -> None:
    refusal(write(tmp_path, "a,b\n1,2\n"), delimiter=delimiter)


@pytest.mark.parametrize(
    ("codec", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-32", "utf-32"),
        ("cp1252", "cp1252"),
    ],
)
def test_the_encoding_is_found(tmp_path: Path, codec: str, found: str) -> None:
    path = write(tmp_path, "email,name\r\na@x.example,Jörg\r\n".encode(codec))
    with open_table(path) as table:
        assert (table.encoding, table.columns) == (found, ("email", "name"))
        assert next(table.rows()).cells["name"] == "Jörg"


def test_big_endian_utf_16_with_a_mark_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xfe\xff" + "email\na@x.example\n".encode("utf-16-be"))
    assert rows(path)[0].cells == {"email": "a@x.example"}


def test_a_mark_is_not_part_of_the_first_column_when_the_encoding_is_given(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xff\xfe" + "email\na@x.example\n".encode("utf-16-le"))
    assert rows(path, encoding="utf-16-le")[0].cells == {"email": "a@x.example"}
    path = write(tmp_path, "\ufeffemail\na@x.example\n")
    assert rows(path, encoding="utf8")[0].cells == {"email": "a@x.example"}


def test_windows_bytes_far_down_a_file_are_still_found(tmp_path: Path) -> None:
    path = write(tmp_path, b"email,name\n" + b"a@x.example,Ann\n" * 80_000 + b"b@x.example,J\xf6rg\n")
    with open_table(path) as table:
        assert table.encoding == "cp1252"


def test_bytes_that_windows_does_not_know_are_read_as_latin_1(tmp_path: Path) -> None:
    with open_table(write(tmp_path, b"email,name\na@x.example,J\xf6rg\x81\n")) as table:
        assert table.encoding == "latin-1"


def test_a_broken_byte_in_a_utf_8_file_is_refused_and_not_read_as_latin_1(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, "email,name\r\na@x.example,Jörg Ünal\r\n".encode() + b"b@x.example,\xff\r\n"))
    assert error.row == 3
    assert "encoding" in error.hint


def test_an_encoding_that_does_not_fit_names_the_row(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, b"email,name\na@x.example,Ann\nb@x.example,J\xf6rg\n"), encoding="utf-8")
    assert error.row == 3
    assert "utf-8" in error.message


@pytest.mark.parametrize("name", ["klingon", "hex", ""])
def test_an_unknown_encoding_is_refused(tmp_path: Path, name: str) -> None:
    assert "not known" in refusal(write(tmp_path, "a,b\n1,2\n"), encoding=name).message


def test_rows_carry_the_line_on_which_an_editor_shows_them(tmp_path: Path) -> None:
    path = write(tmp_path, '\nemail,note\n\na@x.example,"two\r\nlines"\n,\nb@x.example,x\n')
    assert [(row.number, row.cells["email"]) for row in rows(path)] == [(4, "a@x.example"), (7, "b@x.example")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_counts(tmp_path: Path, end: str) -> None:
    path = write(tmp_path, end.join(["email,name", "a@x.example,Ann", "b@x.example,Bob"]))
    assert [row.number for row in rows(path)] == [2, 3]


def test_quoted_line_breaks_and_escape_codes_stay_in_their_cell(tmp_path: Path) -> None:
    path = write(tmp_path, 'email,note\na@x.example,"hi\r\nBcc: b@x.example\x1b[2J"\n')
    assert rows(path)[0].cells["note"] == "hi\r\nBcc: b@x.example\x1b[2J"


def test_missing_cells_are_empty(tmp_path: Path) -> None:
    assert rows(write(tmp_path, "email,a,b\na@x.example\n"))[0].cells == {"email": "a@x.example", "a": "", "b": ""}


def test_too_many_cells_are_a_problem_of_that_row_alone(tmp_path: Path) -> None:
    bad, good = rows(write(tmp_path, "email,name\na@x.example,Lee, Ann\nb@x.example,Bob\n"))
    assert "3 cells" in bad.problem
    assert (bad.number, bad.cells["name"]) == (2, "Lee")
    assert not good.problem


def test_trailing_empty_cells_do_no_harm(tmp_path: Path) -> None:
    assert not rows(write(tmp_path, "email,name,,\na@x.example,Ann,,\n"))[0].problem


@pytest.mark.parametrize("size", [40_000, 1_000_000])
def test_a_giant_cell_is_a_problem_of_that_row_alone(tmp_path: Path, size: int) -> None:
    bad, good = rows(write(tmp_path, f"email,name\na@x.example,{'x' * size}\nb@x.example,Bob\n"))
    assert "characters" in bad.problem
    assert max(map(len, bad.cells.values())) <= Limits().max_cell
    assert (good.number, good.problem) == (3, "")


def test_a_quote_that_is_not_doubled_is_a_problem_of_that_row_alone(tmp_path: Path) -> None:
    bad, good = rows(write(tmp_path, 'email,name\na@x.example,"Ann "Lee" x"\nb@x.example,Bob\n'))
    assert "not doubled" in bad.problem
    assert (good.number, good.problem) == (3, "")


def test_a_quote_in_the_middle_of_a_bare_cell_is_text(tmp_path: Path) -> None:
    assert rows(write(tmp_path, 'email,size\na@x.example,5" pipe\n'))[0].cells["size"] == '5" pipe'


@pytest.mark.parametrize(
    "tail",
    ['b@x.example,"Bob\nc@x.example,Cid\n', 'b@x.example,"Bob\nc@x.example,"Cid"\n', 'b@x.example,"' + "x\n" * 99_999],
    ids=["to the end", "to the next quote", "too far"],
)
def test_an_unclosed_quote_stops_the_file_at_its_row(tmp_path: Path, tail: str) -> None:
    error = refusal(write(tmp_path, "email,name\na@x.example,Ann\n" + tail))
    assert error.row == 3
    assert "quotation mark" in error.message


def test_nul_bytes_name_their_row(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, b"email,name\na@x.example,Ann\nb@x.example,\0\n"))
    assert error.row == 3
    assert "NUL" in error.message


def test_a_line_without_end_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = write(tmp_path, "email,name\na@x.example," + "x" * 30_000_000)
    tracemalloc.start()
    try:
        error = refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.row == 2
    assert peak < 25_000_000


def test_rows_can_be_read_again(tmp_path: Path) -> None:
    with open_table(write(tmp_path, "email\na@x.example\nb@x.example\n")) as table:
        next(table.rows())
        assert len(list(table.rows())) == 2


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("\n \n", "no text"),
        ("email,name\n", "no rows"),
        ("email,name\n,\n\n", "no rows"),
        ("email,name,email\na,b,c\n", "twice"),
        ("email, email \na,b\n", "twice"),
        ("email,,name\na,b,c\n", "column 2 has no name"),
        ('email,"na"me\na,b\n', "not doubled"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(tmp_path: Path, text: str, word: str) -> None:
    assert word in refusal(write(tmp_path, text)).message


def test_a_doubled_column_is_named(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, "\nemail,email\na,b\n"))
    assert (error.row, error.field) == (2, "email")


def test_a_missing_file_a_folder_and_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.csv").message
    assert "a folder" in refusal(tmp_path).message
    error = refusal(write(tmp_path, "email\n", "people.ods"))
    assert ".ods" in error.message
    assert ".xlsx" in error.hint


def test_too_many_rows_or_columns_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "email,name\na@x.example,A\nb@x.example,B\nc@x.example,C\n")
    error = refusal(path, limits=Limits(max_rows=2))
    assert (error.row, "more than 2 rows" in error.message) == (4, True)
    assert "2 columns" in refusal(path, limits=Limits(max_columns=1)).message


def test_a_workbook_shows_what_a_person_sees(tmp_path: Path) -> None:
    day, moment = dt.date(2026, 5, 1), dt.datetime.fromisoformat("2026-05-01T09:30")
    header = ["email", "n", "phone", "price", "tiny", "day", "moment", "time", "yes", "none"]
    values = ["a@x.example", 12.0, 491701234567, 0.1 + 0.2, 0.0000001, day, moment, dt.time(9, 5), True, None]
    with open_table(workbook(tmp_path, [header, values])) as table:
        assert (table.format, table.columns, table.sheet) == ("xlsx", tuple(header), "Sheet")
        (row,) = table.rows()
    shown = ["12", "491701234567", "0.3", "0.0000001", "2026-05-01", "2026-05-01 09:30:00", "09:05:00", "TRUE", ""]
    assert list(row.cells.values()) == ["a@x.example", *shown]


def test_workbook_rows_carry_the_numbers_of_the_spreadsheet(tmp_path: Path) -> None:
    path = workbook(tmp_path, [[], [], [None, "email"], [], [None, "a@x.example"], [], [None, "b@x.example"]])
    assert [(row.number, row.cells["email"]) for row in rows(path)] == [(5, "a@x.example"), (7, "b@x.example")]


def test_the_first_visible_sheet_is_read_or_the_named_one(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    hidden = book.active
    assert hidden is not None
    hidden.append(["secret"])
    hidden.sheet_state = "hidden"
    for title in ("Clients", "Leads"):
        sheet = book.create_sheet(title)
        sheet.append(["email"])
        sheet.append([f"{title}@x.example"])
    book.save(path := tmp_path / "people.xlsx")
    assert rows(path)[0].cells == {"email": "Clients@x.example"}
    assert rows(path, sheet="Leads")[0].cells == {"email": "Leads@x.example"}
    error = refusal(path, sheet="Nobody")
    assert "Clients, Leads" in error.hint


def test_an_empty_sheet_or_one_with_only_a_header_is_refused(tmp_path: Path) -> None:
    assert "is empty" in refusal(workbook(tmp_path, [])).message
    assert "no rows" in refusal(workbook(tmp_path, [["email"]])).message


def test_a_protected_workbook_says_so(tmp_path: Path) -> None:
    body = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 99
    assert "password" in refusal(write(tmp_path, body, "people.xlsx")).message


def test_an_old_workbook_named_xlsx_says_so(tmp_path: Path) -> None:
    body = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
    assert ".xls" in refusal(write(tmp_path, body, "people.xlsx")).message


def test_text_named_xlsx_and_a_workbook_named_csv_say_so(tmp_path: Path) -> None:
    assert ".csv" in refusal(write(tmp_path, "email\na@x.example\n", "people.xlsx")).hint
    assert ".xlsx" in refusal(workbook(tmp_path, [["email"]], "people.xlsx").rename(tmp_path / "p.csv")).hint


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.95])
def test_a_cut_workbook_is_called_damaged(tmp_path: Path, cut: float) -> None:
    whole = workbook(tmp_path, [["email"], ["a@x.example"]]).read_bytes()
    assert "damaged" in refusal(write(tmp_path, whole[: int(len(whole) * cut)], "cut.xlsx")).message


def test_a_flipped_byte_never_ends_in_a_crash(tmp_path: Path) -> None:
    whole = workbook(tmp_path, [["email"], ["a@x.example"]]).read_bytes()
    for place in range(4, len(whole), 97):
        path = write(tmp_path, whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :], "flip.xlsx")
        with contextlib.suppress(TableError):
            rows(path)


def test_a_zip_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(path := tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "not an Excel workbook" in refusal(path).message


def repack(path: Path, part: str, body: bytes) -> Path:
    """The workbook with one part replaced (or added)."""
    packed = path.with_name("repacked.xlsx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name != part:
                new.writestr(name, old.read(name))
        new.writestr(part, body)
    return packed


def test_a_zip_bomb_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = repack(workbook(tmp_path, [["email"], ["a@x.example"]]), "xl/media/a.bin", b"\0" * (20 << 20))
    monkeypatch.setattr("python_calamine.CalamineWorkbook", None)
    assert "times its size" in refusal(path).message
    assert "1 MiB" in refusal(path, limits=Limits(max_expanded=1 << 20)).message


def test_a_zip_bomb_that_lies_about_its_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 20 << 20
    path = repack(workbook(tmp_path, [["email"], ["a@x.example"]]), "xl/media/a.bin", b"\0" * size)
    lied = path.read_bytes().replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    monkeypatch.setattr("python_calamine.CalamineWorkbook", None)
    assert "times its size" in refusal(write(tmp_path, lied, "lie.xlsx")).message


SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)


@pytest.mark.parametrize(
    "data",
    [
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1000000"><c r="XFD1000000"><v>1</v></c></row>',
        "<row>" + "<c><v>1</v></c>" * 9_000 + "</row>" + "<row><c><v>1</v></c></row>" * 2_000,
    ],
    ids=["addressed", "counted"],
)
def test_cells_far_apart_are_refused_before_they_fill_the_memory(
    tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = workbook(tmp_path, [["email"], ["a@x.example"]])
    path = repack(book, "xl/worksheets/sheet1.xml", SHEET.format(data).encode())
    monkeypatch.setattr("python_calamine.CalamineWorkbook", None)
    assert "spans" in refusal(path).message


def test_json_lines_are_rows_of_text(tmp_path: Path) -> None:
    first = '{"email": "a@x.example", "n": 12.0, "big": 12345678901234567890, "ok": true, "none": null}'
    path = write(tmp_path, first + '\n\n{"more": "x", "email": "b@x.example"}\n', "people.jsonl")
    with open_table(path) as table:
        assert table.format == "jsonl"
        assert table.columns == ("email", "n", "big", "ok", "none", "more")
        one, two = table.rows()
    assert list(one.cells.values()) == ["a@x.example", "12", "12345678901234567890", "true", "", ""]
    assert (two.number, two.cells["more"], two.cells["n"]) == (3, "x", "")


@pytest.mark.parametrize(
    ("line", "field", "word"),
    [
        ('{"email": ["a"]}', "email", "list or an object"),
        ('{"email": {"a": 1}}', "email", "list or an object"),
        ('{"email": "a\\u0000"}', "email", "NUL"),
        ('{"email": "a\\ud800"}', "email", "surrogate"),
        ('{"email": "a", "email": "b"}', "", "twice"),
        ('{"email": "a"', "", "not a JSON object"),
        ('["a"]', "", "not a JSON object"),
        ('{"email": NaN}', "", "range"),
        ('{"email": 1e999}', "", "range"),
        ("[" * 100_000, "", "JSON object"),
    ],
)
def test_a_bad_json_line_is_a_problem_of_that_row_alone(tmp_path: Path, line: str, field: str, word: str) -> None:
    path = write(tmp_path, '{"email": "ok@x.example"}\n' + line + '\n{"email": "b@x.example"}\n', "p.jsonl")
    good, bad, other = rows(path)
    assert (good.problem, other.problem, other.number) == ("", "", 3)
    assert (bad.number, bad.field) == (2, field)
    assert word in bad.problem or "deeply" in bad.problem
    json.dumps(bad.cells, ensure_ascii=False).encode()


def test_a_json_array_is_no_json_lines_file(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, '[\n"a",\n"b"\n]\n', "p.jsonl"))
    assert "no line holds a JSON object" in error.message


def test_too_many_json_keys_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "".join(json.dumps({f"k{n}": 1}) + "\n" for n in range(300)), "p.jsonl")
    assert "columns" in refusal(path).message


def test_a_json_key_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, '{"email": "a@x.example", "\\ud800": 1}\n', "p.jsonl")
    assert "column 2" in refusal(path).message


def test_a_longer_file_costs_no_more_memory(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = write(tmp_path, "email,note\n" + f"a@x.example,{'x' * 1_000}\n" * count)
        tracemalloc.start()
        try:
            with open_table(path, delimiter=",", encoding="cp1252") as table:
                for _ in table.rows():
                    pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(20_000) < peak(5_000) + 500_000


def test_one_long_string_named_by_many_cells_is_refused_before_it_is_copied_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = workbook(tmp_path, [["email"], ["a@x.example"]])
    cells = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>1</v></c></row>' for n in range(1, 30_001))
    path = repack(book, "xl/worksheets/sheet1.xml", SHEET.format(cells).encode())
    strings = f"<sst><si><t>short</t></si><si><r><t>{'x' * 30_000}</t></r></si></sst>"
    path = repack(path.rename(tmp_path / "once.xlsx"), "xl/sharedStrings.xml", strings.encode())
    monkeypatch.setattr("python_calamine.CalamineWorkbook", None)
    assert "unpacks to more than 512 MiB" in refusal(path).message
