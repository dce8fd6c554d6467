"""Importing people: rows add up, nothing is half-written, every mistake is a sentence."""

from __future__ import annotations

import csv
import json
import stat

import pytest

from storage.reader import Reader
from tests.cli.conftest import Home

BAD_FILES = {
    "missing": (None, "there is no such file"),
    "empty": (b"", "the file is empty"),
    "only a header": (b"email,first_name\n", "has a header but no rows"),
    "twice the same column": (b"email,name,name\na@example.com,x,y\n", "names this column twice"),
    "no address column": (b"first,last\nAda,Abel\n", "No column of the file looks like e-mail addresses"),
    "binary": (b"\x00\x01\x02\x03" * 50, "NUL"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_cannot_be_read_ends_in_a_sentence_and_changes_nothing(drafted: Home, kind: str) -> None:
    content, words = BAD_FILES[kind]
    if content is not None:
        drafted.write("bad.csv", content)
    done = drafted("recipients", "import", drafted.folder / "bad.csv", "-c", "spring")
    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err
    shown = drafted("campaign", "show", "spring", "--json").json
    assert (shown["recipients"], len(shown["imports"])) == (3, 1)
    assert not (drafted.folder / "bad.csv.rejects.csv").exists()


def test_a_wrong_encoding_names_the_row_and_the_remedy(drafted: Home) -> None:
    drafted.write("latin.csv", "email,first_name\na@example.com,Andr\u00e9\n".encode("latin-1"))
    done = drafted("recipients", "import", drafted.folder / "latin.csv", "-c", "spring", "--encoding", "utf-8")
    assert done.code == 2
    assert "row 2" in done.err
    assert "--encoding" in done.err


def test_a_file_that_breaks_off_half_way_leaves_nothing_behind(drafted: Home) -> None:
    rows = "".join(f"p{i}@example.com,P{i}\n" for i in range(1500))
    drafted.write("broken.csv", f'email,first_name\nbad,Bad\n{rows}x@example.com,"never closed\n')
    done = drafted("recipients", "import", drafted.folder / "broken.csv", "-c", "spring")
    assert done.code == 2
    assert "row 1503" in done.err
    assert drafted("campaign", "show", "spring", "--json").json["recipients"] == 3
    assert sorted(p.name for p in drafted.folder.iterdir() if "rejects" in p.name) == []


def test_an_unknown_column_lists_those_that_exist(drafted: Home) -> None:
    done = drafted("recipients", "import", drafted.folder / "people.csv", "-c", "spring", "--map", "Mail=email")
    assert done.code == 2
    assert "There is no column 'Mail'" in done.err
    assert "email, first_name, company" in done.err


def test_an_unknown_campaign_is_a_sentence(home: Home) -> None:
    done = home("recipients", "import", home.folder / "people.csv", "-c", "winter")
    assert done.code == 2
    assert "there is no campaign 'winter'" in done.err.lower() or "winter" in done.err


MIXED = (
    "E-Mail;First Name\n"
    "dora@example.com;Dora\n"
    "not an address;Ed\n"
    "DORA@example.com;Dora again\n"
    "ada@example.com;Ada is there\n"
    "fay@example.com;=1+1\n"
)


def test_every_row_ends_as_imported_rejected_or_duplicate_and_they_add_up(drafted: Home) -> None:
    source = drafted.write("mixed.csv", MIXED)
    done = drafted("recipients", "import", source, "-c", "spring", "--json")
    sums = done.json
    assert done.code == 0
    assert (sums["rows"], sums["imported"], sums["rejected"], sums["duplicate"]) == (5, 2, 1, 2)
    assert sums["mapping"] == {"E-Mail": "email", "First Name": "first_name"}
    assert (sums["encoding"], sums["delimiter"], sums["format"]) == ("utf-8", ";", "csv")
    rejects = drafted.folder / "mixed.csv.rejects.csv"
    assert sums["rejects"] == str(rejects)
    assert str(rejects) in done.err
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600
    with rejects.open(encoding="utf-8-sig", newline="") as file:
        rows = {row["reject_row"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"3", "4", "5"}
    assert rows["5"]["reject_reason"] == "The address ada@example.com is already a recipient."
    assert rows["5"]["First Name"] == "Ada is there"


def test_the_rejects_go_where_they_are_told_and_never_over_a_file(drafted: Home) -> None:
    source = drafted.write("mixed.csv", MIXED)
    there = drafted.write("mine.csv", "precious")
    done = drafted("recipients", "import", source, "-c", "spring", "--rejects", there)
    assert done.code == 2
    assert there.read_text() == "precious"
    assert drafted("campaign", "show", "spring", "--json").json["recipients"] == 3
    other = drafted.folder / "other.csv"
    assert drafted("recipients", "import", source, "-c", "spring", "--rejects", other).code == 0
    assert other.exists()


def test_an_import_of_nobody_is_flagged(drafted: Home) -> None:
    done = drafted("recipients", "import", drafted.folder / "people.csv", "-c", "spring")
    assert done.code == 1
    assert "nobody was imported" in done.err
    assert "3 rows = 0 imported + 0 rejected + 3 duplicate" in done.out


def test_a_dry_run_changes_nothing_and_shows_what_would_be(drafted: Home) -> None:
    source = drafted.write("mixed.csv", MIXED)
    before = drafted.database.read_bytes()
    done = drafted("recipients", "import", source, "-c", "spring", "--dry-run")
    assert done.code == 0
    assert "5 rows = 2 would be imported + 1 rejected + 2 duplicate" in done.out
    assert "dora@example.com" in done.out
    assert drafted.database.read_bytes() == before
    assert not (drafted.folder / "mixed.csv.rejects.csv").exists()


def test_a_file_with_several_rows_of_one_address_is_told_how_to_keep_them_all(drafted: Home) -> None:
    source = drafted.write("orders.csv", "email,item\nx@example.com,tea\nx@example.com,cup\n")
    assert "--group-by address" in drafted("recipients", "import", source, "-c", "spring", "--dry-run").err
    known = drafted.write("known.csv", "email,item\nada@example.com,tea\nz@example.com,cup\n")
    assert "--group-by" not in drafted("recipients", "import", known, "-c", "spring", "--dry-run").err


def test_rows_of_one_address_become_one_message(drafted: Home) -> None:
    source = drafted.write("orders.csv", "email,item\nx@example.com,tea\ny@example.com,rug\nx@example.com,cup\n")
    done = drafted("recipients", "import", source, "-c", "spring", "--group-by", "address", "--json")
    assert (done.json["rows"], done.json["imported"], done.json["grouped"]) == (3, 2, 1)


def test_grouped_rows_of_somebody_known_are_all_duplicates(drafted: Home) -> None:
    source = drafted.write("orders.csv", "email,item\nada@example.com,tea\nada@example.com,cup\nz@example.com,rug\n")
    done = drafted("recipients", "import", source, "-c", "spring", "--group-by", "address", "--json")
    sums = done.json
    assert (sums["rows"], sums["imported"], sums["duplicate"], sums["grouped"]) == (3, 1, 2, 0)


def test_large_rows_are_sent_in_requests_that_fit(drafted: Home) -> None:
    wide = "\u00e9" * 30_000
    rows = "".join(f"w{i}@example.com,{wide},{wide}\n" for i in range(30))
    source = drafted.write("wide.csv", f"email,first_name,notes\n{rows}")
    assert drafted("recipients", "import", source, "-c", "spring").code == 0
    assert drafted("campaign", "show", "spring", "--json").json["recipients"] == 33


def test_a_hundred_thousand_rows_are_imported_in_slices(drafted: Home) -> None:
    rows = "".join(f"user{i}@example.com,First{i},Company {i % 100}\n" for i in range(100_000))
    source = drafted.write("big.csv", f"email,first_name,company\n{rows}")
    done = drafted("recipients", "import", source, "-c", "spring", "--json")
    assert done.json["imported"] == 100_000


def fields_of(home: Home, address: str) -> dict[str, str]:
    with Reader(home.database) as reader:
        (row,) = reader.rows("SELECT address, fields FROM recipients WHERE row_number = 2")
    assert row["address"] == address
    return dict(json.loads(row["fields"]))


def test_an_address_and_fields_of_a_draft_are_corrected(drafted: Home) -> None:
    done = drafted(
        "recipients", "edit", "ADA@example.com", "-c", "spring", "--address", "ada@example.org",
        "--set", "first_name=Ada Lovelace", "--set", "company=", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert (done.json["was"], done.json["address"]) == ("ada@example.com", "ada@example.org")
    assert done.json["fields"] == ["first_name", "company"]
    assert fields_of(drafted, "ada@example.org") == {
        "email": "ada@example.org", "first_name": "Ada Lovelace", "company": "",
    }  # fmt: skip
    event = drafted("events", "--json", "--limit", "1").lines[-1]
    assert event["text"].startswith("tester changed the address of ada@example.com to ada@example.org")


WRONG_EDITS = {
    "nothing": ((), 2, "nothing was given to change"),
    "no address": (("--address", "ada at example"), 2, "The address holds a space"),
    "somebody else's": (("--address", "BEN@example.org"), 2, "already a recipient of this campaign"),
    "no field": (("--set", "frist_name=Ada"), 2, "there are: company, first_name"),
    "no value": (("--set", "first_name"), 2, "not FIELD=VALUE"),
    "the address as a field": (("--set", "email=x@example.org"), 2, "give the new one with --address"),
}


@pytest.mark.parametrize("kind", WRONG_EDITS)
def test_a_correction_that_is_none_is_a_sentence_and_changes_nothing(drafted: Home, kind: str) -> None:
    options, code, words = WRONG_EDITS[kind]
    before = drafted("campaign", "recipients", "spring", "--json").out
    done = drafted("recipients", "edit", "ada@example.com", "-c", "spring", *options)
    assert (done.code, words in done.err) == (code, True), done.err
    assert drafted("campaign", "recipients", "spring", "--json").out == before


def test_somebody_who_is_not_in_the_campaign_is_not_found(drafted: Home) -> None:
    done = drafted("recipients", "edit", "zoe@example.com", "-c", "spring", "--address", "z@example.com")
    assert done.code == 2
    assert "zoe@example.com is not in this campaign" in done.err


def test_a_retry_of_nothing_ends_with_one(drafted: Home) -> None:
    done = drafted("recipients", "edit", "ada@example.com", "-c", "spring", "--set", "company=Elm", "--retry")
    assert done.code == 1
    assert "nothing to retry: not started yet" in done.out


def test_what_was_sent_keeps_its_address(drafted: Home) -> None:
    assert drafted("campaign", "live", "spring").code == 0
    assert drafted("campaign", "start", "spring").code == 0
    assert drafted("engine", "run", "--until-idle").code == 0
    done = drafted("recipients", "edit", "ada@example.com", "-c", "spring", "--address", "ada@example.org")
    assert done.code == 4
    assert "its address does not change" in done.err
