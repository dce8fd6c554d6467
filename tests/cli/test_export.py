"""`paceline export`: whole tables in three formats, read back by other programs than the one that wrote them."""

from __future__ import annotations

import csv
import io
import json
import stat
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from storage.model import MINUTE, SECOND
from storage.reader import Reader
from tests.cli.conftest import Home
from tests.console.world import World, busy
from tui.exporting import workbook
from tui.exporting.tables import TABLES
from tui.exporting.writer import Format, write_rows


@pytest.fixture
def full(empty: Home) -> Home:
    """A store with six campaigns, and one of every outcome."""
    world: World = busy(empty.folder)
    world.close()
    return empty


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_workbook(path: Path) -> list[list[Any]]:
    book = openpyxl.load_workbook(path, read_only=True)
    rows = [list(row) for sheet in book for row in sheet.iter_rows(values_only=True)]
    book.close()
    return rows


def counted(home: Home, table: str) -> int:
    with Reader(home.database) as reader:
        return int(reader.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"])


@pytest.mark.parametrize("table", [*TABLES])
def test_every_table_says_the_same_in_every_format(full: Home, table: str) -> None:
    targets = {format: full.folder / f"out.{format}" for format in Format}
    told = {}
    for format, target in targets.items():
        done = full("export", table, "--to", target, "--json")
        assert done.code == 0, done.err
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        told[format] = done.json["rows"]
    lines, cells = read_lines(targets[Format.JSONL]), read_csv(targets[Format.CSV])
    header, *rows = read_workbook(targets[Format.XLSX])
    assert set(told.values()) == {len(lines)} == {len(cells)} == {len(rows)}
    assert len(lines) == (counted(full, table) if table != "failures" else 5)
    assert not cells or header == list(cells[0])
    for line, by_name, row in zip(lines, cells, rows, strict=True):
        wanted = {**line, **line.get("fields", {})}
        for name, value in zip(header, row, strict=True):
            assert _read(value, wanted[name]) == wanted[name] or (value is None and wanted[name] == "")
            assert _read(by_name[name].removeprefix("'"), wanted[name]) == wanted[name]


def _read(cell: Any, like: Any) -> Any:
    """A cell's text as the value that it was."""
    if isinstance(cell, str) and not isinstance(like, str):
        return json.loads(cell) if cell else None
    return cell


def test_times_are_iso_text_with_a_zone_and_lose_nothing(full: Home) -> None:
    target = full.folder / "attempts.jsonl"
    full("export", "attempts", "--to", target)
    with Reader(full.database) as reader:
        first = reader.rows("SELECT intent_at, duration FROM attempts ORDER BY id LIMIT 1")[0]
    row = read_lines(target)[0]
    assert row["intent_at"].endswith("Z")
    assert row["intent_at"][:19] == _utc(first["intent_at"])
    assert row["duration"] == first["duration"]


def _utc(us: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(us / SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize(
    ("table", "options", "kept"),
    [
        ("jobs", ("--filter", "state:failed"), lambda row: row["state"] == "failed"),
        ("jobs", ("-c", "spring-sale"), lambda row: row["campaign"] == "spring-sale"),
        ("attempts", ("--filter", "state:failed", "-c", "spring-sale"), lambda row: row["outcome"] == "permanent"),
        ("campaigns", ("--filter", "name:s*"), lambda row: row["campaign"].startswith("s")),
        ("failures", ("--filter", "kind:hard"), lambda row: row["kind"] == "hard"),
        ("recipients", ("-c", "winback", "--filter", "state:sent"), lambda row: row["status"] == "completed"),
        ("events", ("-c", "winback"), lambda row: row["campaign"] == "winback"),
        ("batches", ("-c", "winback"), lambda row: row["campaign"] == "winback"),
        ("executions", ("-c", "winback"), lambda row: row["campaign"] == "winback"),
        ("alarms", ("-c", "winback"), lambda row: row["campaign"] == "winback"),
    ],
)
def test_a_filter_and_a_campaign_narrow_a_table(full: Home, table: str, options: tuple[str, ...], kept: Any) -> None:
    every, some = full.folder / "every.jsonl", full.folder / "some.jsonl"
    full("export", table, "--to", every)
    assert full("export", table, "--to", some, *options).code == 0
    rows = read_lines(some)
    assert all(map(kept, rows))
    if table not in ("alarms", "campaigns"):
        assert 0 < len(rows) < len(read_lines(every))


def test_a_filter_that_does_not_parse_writes_nothing(full: Home) -> None:
    target = full.folder / "x.csv"
    for table, text, code in (("jobs", "state:nonsense", 5), ("campaigns", "try:>3", 5), ("events", "state:failed", 2)):
        assert full("export", table, "--to", target, "--filter", text).code == code
    assert full("export", "queues", "--to", target, "-c", "winback").code == 2
    assert full("export", "jobs", "--to", target, "-c", "nowhere").code == 2
    assert not target.exists()


def test_an_existing_file_stays_and_other_endings_are_refused(full: Home) -> None:
    target = full.write("kept.csv", "mine")
    assert full("export", "jobs", "--to", target).code == 4
    assert target.read_text() == "mine"
    assert full("export", "jobs", "--to", target, "--overwrite").code == 0
    assert len(read_csv(target)) == counted(full, "jobs")
    assert full("export", "jobs", "--to", full.folder / "x.pdf").code == 2
    assert full("export", "jobs", "--to", full.folder / "x.pdf", "--format", "csv").code == 0
    assert full("export", "jobs", "--to", full.folder / "no" / "x.csv").code == 2


def test_stdout_takes_csv_and_json_lines(full: Home) -> None:
    done = full("export", "queues", "--to", "-")
    assert [row["queue"] for row in csv.DictReader(io.StringIO(done.out))] == ["smtp-eu-1", "smtp-eu-2"]
    lines = full("export", "queues", "--to", "-", "--format", "jsonl").lines
    assert [row["queue"] for row in lines] == ["smtp-eu-1", "smtp-eu-2"]
    assert full("export", "queues", "--to", "-", "--format", "xlsx").code == 2
    assert full("export", "queues", "--to", "-", "--json").code == 2


def test_an_empty_table_has_its_header(home: Home) -> None:
    target = home.folder / "none.csv"
    assert home("export", "jobs", "--to", target).code == 0
    assert target.read_text(encoding="utf-8-sig").startswith("id,kind,campaign,")


def test_campaign_export_is_the_recipients_table_of_one_campaign(full: Home) -> None:
    short, long = full.folder / "short.csv", full.folder / "long.csv"
    assert full("campaign", "export", "winback", "--to", short).code == 0
    assert full("export", "recipients", "-c", "winback", "--to", long).code == 0
    assert short.read_bytes() == long.read_bytes()


def test_a_field_named_as_our_column_keeps_its_name(drafted: Home) -> None:
    drafted.write("named.csv", "email,status,due_at\nfay@example.com,gold,12\n")
    drafted("recipients", "import", drafted.folder / "named.csv", "-c", "spring")
    target = drafted.folder / "out.csv"
    drafted("campaign", "export", "spring", "--to", target)
    fay = read_csv(target)[-1]
    assert (fay["status"], fay["due_at"], fay["paceline_status"]) == ("gold", "12", "draft")


def test_no_cell_of_a_workbook_is_a_formula_a_link_or_a_number_that_was_text(tmp_path: Path) -> None:
    hostile = ["=1+1", "+1", "@SUM(A1)", "https://example.com", "007", "\x1b[2J", "\ud800", "x" * 40_000]
    target = tmp_path / "x.xlsx"
    write_rows(target, [{"a": text} for text in hostile], Format.XLSX)
    book = openpyxl.load_workbook(target)
    cells = [row[0] for row in book.active.iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} == {"s"}
    assert [cell.value for cell in cells[:6]] == [*hostile[:5], "?[2J"]
    assert not any(cell.hyperlink for cell in cells)
    assert len(cells[-1].value) == workbook.CHARACTERS
    assert cells[-1].value.endswith("[cut]")
    assert list(tmp_path.iterdir()) == [target]


def test_a_large_number_of_a_workbook_is_text(tmp_path: Path) -> None:
    target = tmp_path / "x.xlsx"
    write_rows(target, [{"a": 2**60, "b": 12, "c": True, "d": None}], Format.XLSX)
    assert read_workbook(target)[1] == [str(2**60), 12, True, None]


def test_rows_beyond_a_worksheet_stand_on_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "ROWS", 4)
    target = tmp_path / "x.xlsx"
    assert write_rows(target, ({"n": n} for n in range(7)), Format.XLSX) == 7
    assert read_workbook(target) == [["n"], [0], [1], [2], ["n"], [3], [4], [5], ["n"], [6]]


@pytest.mark.parametrize("ending", [*Format])
def test_what_fails_half_way_leaves_nothing_behind(tmp_path: Path, ending: Format) -> None:
    def rows() -> Any:
        yield {"n": 1}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_rows(tmp_path / f"x.{ending}", rows(), ending)
    assert list(tmp_path.iterdir()) == []


def test_rows_that_come_while_it_is_written_do_not_belong_to_it(tmp_path: Path) -> None:
    from storage import table_pages
    from storage.jobs_page import Query

    world = World(tmp_path)
    world.campaign("first", 5)
    with Reader(world.database) as reader:
        jobs = table_pages.jobs(reader, Query())
        seen = [next(jobs)["id"]]
        world.clock.at += MINUTE
        world.campaign("second", 5)
        seen += [row["id"] for row in jobs]
    world.close()
    assert seen == [1, 2, 3, 4, 5]
