"""`paceline campaign export --into`: the operator's own sheet comes back as it was, with three columns more."""

from __future__ import annotations

import csv
import io
import stat
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Font

from engine.intake.recipients import file_digest
from engine.intake.tables import open_table
from tests.cli.conftest import Home
from tests.console.world import SENT, UNKNOWN, World
from tui.exporting import own_csv
from tui.exporting.own_columns import COLUMNS, Said

OURS = ",".join(COLUMNS)
PEOPLE = "email,name\nada@example.com,Ada\nben@example.org,Ben\ncleo@example.net,Cleo\n"


@pytest.fixture
def sent(empty: Home) -> Home:
    """`spring`, imported from `spring.csv`: Ada's message was sent, Ben's failed, Cleo's is to come."""
    sheet = empty.write("spring.csv", PEOPLE)
    world = World(empty.folder)
    world.call("campaign.new", name="spring", account="smtp-eu-1", subject="Hi", text="Hi", pacing={
        "mode": "steady", "rate": "1/min", "jitter": 0}, seed=7)  # fmt: skip
    world.close()
    assert empty("recipients", "import", sheet, "-c", "spring").code == 0
    world = World(empty.folder)
    world.call("campaign.live", name="spring")
    world.call("campaign.start", name="spring")
    world.send("smtp-eu-1", [SENT, UNKNOWN], step=60_000_000)
    world.close()
    return empty


def into(home: Home, sheet: Path, *more: object, target: str = "copy") -> Path:
    """The copy of a sheet."""
    copy = home.folder / f"{target}{sheet.suffix}"
    done = home("campaign", "export", "spring", "--into", sheet, "--to", copy, *more)
    assert done.code == 0, done.err
    return copy


def test_the_status_stands_beside_every_person(sent: Home) -> None:
    lines = into(sent, sent.folder / "spring.csv").read_text().splitlines()
    assert lines[0] == f"email,name,{OURS}"
    assert [line.split(",")[:3] for line in lines[1:]] == [
        ["ada@example.com", "Ada", "sent"],
        ["ben@example.org", "Ben", "failed"],
        ["cleo@example.net", "Cleo", "pending"],
    ]
    assert "5.1.1" in lines[2].split(",")[4]
    assert lines[1].split(",")[3].endswith("Z") and lines[1].split(",")[4] == ""


HOSTILE = (
    'Name ; "E-mail" ;Note;\r\n'
    '"Ada; ""the first"" "; ada@example.com ;=1+1;\r\n'
    "\r\n"
    '  spaced ;BEN@example.org;"two\r\nlines";\r\n'
    "short;cleo@example.net\n"
    "nobody;zoe@example.com;x;\r\n"
    ";;;\r\n"
    "last;ada@example.com;no line end;"
)


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", b"\xef\xbb\xbf"),
        ("cp1252", b""),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
    ],
)
def test_everything_else_stays_byte_for_byte(sent: Home, encoding: str, mark: bytes) -> None:
    text = HOSTILE.replace("nobody", "Jürgen €")
    sheet = sent.write("own.csv", mark + text.encode(encoding))
    before = sheet.read_bytes()
    copy = into(sent, sheet).read_bytes()
    assert sheet.read_bytes() == before
    assert copy.startswith(mark)
    found = copy[len(mark) :].decode(encoding)
    assert found.split("\r\n")[0] == f'Name ; "E-mail" ;Note;{";".join(COLUMNS)}'
    # Without what we added it is the source: our cells stand behind the third delimiter.
    for said in ("sent", "failed", "pending"):
        assert f";{said};20" in found
    assert '"Ada; ""the first"" "; ada@example.com ;=1+1;sent;' in found
    assert '  spaced ;BEN@example.org;"two\r\nlines";failed;' in found
    assert "short;cleo@example.net;;pending;" in found
    assert "Jürgen €;zoe@example.com;x;\r\n;;;\r\n" in found
    assert found.count("\r\n") == text.count("\r\n") and found.count("\n") == text.count("\n")


def test_a_second_export_brings_the_columns_up_to_date(sent: Home) -> None:
    old = f"{COLUMNS[0]},email,{COLUMNS[2]},name\n"
    sheet = sent.write("again.csv", f'{old}stale,ada@example.com,"was, here",Ada\nkept,zoe@example.com,why,Zoe\n')
    lines = into(sent, sheet).read_text().splitlines()
    assert lines[0] == f"{COLUMNS[0]},email,{COLUMNS[2]},name,{COLUMNS[1]}"
    assert lines[1].startswith("sent,ada@example.com,,Ada,20")
    assert lines[2] == "kept,zoe@example.com,why,Zoe"
    twice = into(sent, sent.folder / "copy.csv", target="twice")
    assert twice.read_bytes() == (sent.folder / "copy.csv").read_bytes()


def test_who_is_not_found_is_told(sent: Home) -> None:
    sheet = sent.write("more.csv", "mail\nada@example.com\nzoe@example.com\nnot an address\n")
    done = sent("campaign", "export", "spring", "--into", sheet)
    assert "1 of 3 rows" in done.out
    assert "2 rows name nobody of spring (column mail)" in done.err
    assert "row 3: zoe@example.com" in done.err
    assert (sent.folder / "more.status.csv").exists()
    told = sent("campaign", "export", "spring", "--into", sheet, "--overwrite", "--json").json
    assert (told["rows"], told["found"], told["unknown"], told["unreadable"]) == (3, 1, 2, 0)


def test_rows_wider_than_the_header_stay_as_they_are(sent: Home) -> None:
    sheet = sent.write("wide.csv", "email\nada@example.com,a,b\nben@example.org,,\n")
    done = sent("campaign", "export", "spring", "--into", sheet, "--json")
    assert (done.json["found"], done.json["unreadable"]) == (1, 1)
    lines = (sent.folder / "wide.status.csv").read_text().splitlines()
    assert lines[1] == "ada@example.com,a,b"
    assert lines[2].startswith("ben@example.org,failed,")


def test_the_column_of_this_campaigns_addresses_is_found(sent: Home) -> None:
    sheet = sent.write("two.csv", "email,Kunde\nboss@example.com,ada@example.com\nboss@example.com,ben@example.org\n")
    assert sent("campaign", "export", "spring", "--into", sheet, "--json").json["column"] == "Kunde"
    named = sent("campaign", "export", "spring", "--into", sheet, "--column", "email", "--overwrite", "--json")
    assert (named.json["column"], named.json["found"]) == ("email", 0)
    assert sent("campaign", "export", "spring", "--into", sheet, "--column", "no", "--overwrite").code == 2
    other = sent.write("other.csv", "a,b\n1,2\n")
    assert sent("campaign", "export", "spring", "--into", other).code == 2


def test_in_the_file_that_was_imported_a_row_is_its_person_whatever_the_address_is_now(sent: Home) -> None:
    done = sent("recipients", "edit", "cleo@example.net", "-c", "spring", "--address", "chloe@example.net", "--yes")
    assert done.code == 0, done.err
    assert (
        into(sent, sent.folder / "spring.csv").read_text().splitlines()[3].startswith("cleo@example.net,Cleo,pending")
    )
    another = sent.write("another.csv", PEOPLE + "\n")
    assert into(sent, another, target="b").read_text().splitlines()[3] == "cleo@example.net,Cleo"


def test_the_source_is_written_only_in_place_and_after_a_backup(sent: Home) -> None:
    sheet = sent.folder / "spring.csv"
    sheet.chmod(0o640)
    before = sheet.read_bytes()
    assert sent("campaign", "export", "spring", "--into", sheet, "--to", sheet, "--overwrite").code == 4
    link = sent.folder / "link.csv"
    link.symlink_to(sheet)
    done = sent("campaign", "export", "spring", "--into", link, "--in-place", "--json")
    assert done.code == 0, done.err
    assert Path(done.json["backup"]).read_bytes() == before
    assert link.is_symlink()
    assert sheet.read_text().startswith(f"email,name,{OURS}\nada@example.com,Ada,sent,")
    assert stat.S_IMODE(sheet.stat().st_mode) == 0o640


def test_what_cannot_be_kept_is_refused_and_nothing_is_left(sent: Home) -> None:
    sent("campaign", "show", "spring")
    before = {path.name for path in sent.folder.iterdir()}
    lines = sent.write("x.jsonl", '{"email": "ada@example.com"}\n')
    broken = sent.write("broken.csv", 'email,n\nada@example.com,"open\nben@example.org,x\n')
    for sheet in (lines, broken, sent.folder / "missing.csv"):
        for more in ((), ("--in-place",)):
            assert sent("campaign", "export", "spring", "--into", sheet, *more).code == 2
    assert sent("campaign", "export", "spring", "--into", sent.folder / "spring.csv", "--to", "x.xlsx").code == 2
    both = ("--in-place", "--to", sent.folder / "y.csv")
    assert sent("campaign", "export", "spring", "--into", sent.folder / "spring.csv", *both).code == 2
    assert sent("campaign", "export", "spring", "--into", sent.folder / "spring.csv", "--filter", "x").code == 2
    assert sent("campaign", "export", "spring", "--column", "x", "--to", sent.folder / "x.csv").code == 2
    assert sent("campaign", "export", "spring").code == 2
    assert {path.name for path in sent.folder.iterdir()} == before | {"x.jsonl", "broken.csv"}


CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=5),
    delimiter=st.sampled_from(",;\t|"), end=st.sampled_from(["\n", "\r\n"]), quoting=st.sampled_from([0, 1]),
)  # fmt: skip
def test_whatever_the_cells_hold_only_ours_are_new(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str, end: str, quoting: int
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["email", "other"])
    writer.writerows(rows)
    folder = tmp_path_factory.mktemp("own")
    source, target = folder / "s.csv", folder / "t.csv"
    source.write_bytes(file.getvalue().encode())
    written = list(csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=delimiter))
    if not any("".join(cells).strip() for cells in written[1:]):
        return
    with open_table(source, delimiter=delimiter) as table:
        numbers = [row.number for row in table.rows()]
        said = [(number, Said("sent", "now", "=why")) for number in numbers]
        assert own_csv.write(table, target, said, file_digest(source)) == 0
    with target.open(newline="") as copy:
        found = list(csv.reader(copy, delimiter=delimiter))
    filled = ["".join(cells).strip() != "" for cells in written]
    assert [cells[:2] if full else cells for cells, full in zip(found, filled, strict=True)] == written
    assert [cells[2:] for cells, full in zip(found, filled, strict=True) if full] == [
        list(COLUMNS), *(["sent", "now", "'=why"] for _ in numbers)
    ]  # fmt: skip


@pytest.fixture
def workbook(sent: Home) -> Path:
    """A workbook with a title of its own columns beyond A, a format, a formula, a chart and a second sheet."""
    book = openpyxl.Workbook()
    cover = book.active
    cover.title, cover["A1"] = "cover", "keep me"
    cover.sheet_state = "hidden"
    sheet = book.create_sheet("people & more")
    for row, cells in enumerate(
        [["who", "email", "n"], ["Ada", "ada@example.com", 1], [None, None, None], ["Ben", "ben@example.org", 2],
         ["Zoe", "zoe@example.com", 3], ["Cleo", "cleo@example.net", "=SUM(D3:D5)"]], 2
    ):  # fmt: skip
        for column, value in enumerate(cells, 2):
            sheet.cell(row, column, value)
    sheet["B3"].font = Font(bold=True)
    sheet["E5"].font = Font(bold=True)
    chart = BarChart()
    chart.add_data(Reference(sheet, min_col=4, min_row=3, max_row=5))
    sheet.add_chart(chart, "H1")
    path = sent.folder / "own.xlsx"
    book.save(path)
    return path


def test_a_workbook_keeps_formats_formulas_charts_and_other_sheets(sent: Home, workbook: Path) -> None:
    copy = into(sent, workbook)
    with zipfile.ZipFile(workbook) as old, zipfile.ZipFile(copy) as new:
        assert [entry.filename for entry in old.infolist()] == [entry.filename for entry in new.infolist()]
        changed = [name for name in old.namelist() if old.read(name) != new.read(name)]
    assert changed == ["xl/worksheets/sheet2.xml"]
    book = openpyxl.load_workbook(copy)
    sheet = book["people & more"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2, min_col=2)]
    assert rows[0] == ["who", "email", "n", *COLUMNS]
    assert rows[1][:4] == ["Ada", "ada@example.com", 1, "sent"]
    assert rows[2] == [None] * 6
    assert rows[3][:4] == ["Ben", "ben@example.org", 2, "failed"]
    assert rows[4] == ["Zoe", "zoe@example.com", 3, None, None, None]
    assert rows[5][2:4] == ["=SUM(D3:D5)", "pending"]
    assert sheet["B3"].font.bold
    assert len(sheet._charts) == 1
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_readers_that_trust_the_dimension_see_the_new_columns(sent: Home, workbook: Path) -> None:
    book = openpyxl.load_workbook(into(sent, workbook), read_only=True)
    assert book["people & more"].calculate_dimension() == "B2:G7"
    book.close()


def test_a_second_export_into_a_workbook_changes_nothing(sent: Home, workbook: Path) -> None:
    once = into(sent, workbook)
    twice = into(sent, once, target="twice")
    with zipfile.ZipFile(once) as old, zipfile.ZipFile(twice) as new:
        assert all(old.read(name) == new.read(name) for name in old.namelist())


def _sheet_xml(path: Path, xml: bytes) -> None:
    """Put another XML in the place of the second sheet's."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet2.xml"] = xml
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


MAIN = b'"http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


@pytest.mark.parametrize(
    "xml",
    [
        b"<x:worksheet xmlns:x=" + MAIN + b'><x:sheetData><x:row spans="1:1"><x:c t="inlineStr"><x:is><x:t>email</x:t>'
        b'</x:is></x:c></x:row><x:row/><x:row r="3" spans="1:9" ><x:c r="A3" t="inlineStr"><x:is><x:t>ada@example.com'
        b'</x:t></x:is></x:c><x:c r="B3" s="0"/><x:c r="E3" s="0"/></x:row ></x:sheetData></x:worksheet>',
        b"<worksheet xmlns=" + MAIN + b"><sheetData>\n <row r='1'>\n  <c r='A1' t='inlineStr'>"
        b"<is><t>email</t></is></c>\n"
        b" </row>\n <row r='3'>\n  <c r='A3' t='inlineStr'><is><t>ada@example.com</t></is></c>\n </row>\n</sheetData>"
        b"</worksheet>",
    ],
    ids=["prefixed", "spaced"],
)  # fmt: skip
def test_xml_of_other_programs_is_understood(sent: Home, workbook: Path, xml: bytes) -> None:
    _sheet_xml(workbook, xml)
    copy = into(sent, workbook)
    with zipfile.ZipFile(copy) as archive:
        assert b"spans" not in archive.read("xl/worksheets/sheet2.xml")
    with open_table(copy) as table:
        rows = list(table.rows())
    assert [(row.number, row.cells[COLUMNS[0]]) for row in rows] == [(3, "sent")]


def test_a_workbook_with_a_document_type_is_refused(sent: Home, workbook: Path) -> None:
    xml = (
        b"<!DOCTYPE worksheet [<!ENTITY a 'x'>]><worksheet xmlns="
        + MAIN
        + (
            b"><sheetData><row r='1'><c r='A1' t='inlineStr'><is><t>email</t></is></c></row><row r='2'>"
            b"<c r='A2' t='inlineStr'><is><t>ada@example.com</t></is></c></row></sheetData></worksheet>"
        )
    )
    _sheet_xml(workbook, xml)
    done = sent("campaign", "export", "spring", "--into", workbook)
    assert done.code == 2
    assert "cannot be written back" in done.err
    assert not (sent.folder / "own.status.xlsx").exists()
