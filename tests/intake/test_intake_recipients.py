"""Rows become recipients: mapping, duplicates, groups, rejects, and counts that always add up."""

from __future__ import annotations

import csv
import hashlib
import json
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.intake.mapping import field_name, guess_mapping
from engine.intake.recipients import MAX_RECIPIENT, RecipientReader, file_digest
from engine.intake.rejects import Duplicate, Rejected, RejectsWriter
from engine.intake.tables import Table, open_table
from storage.errors import UsageError
from storage.nouns import RecipientRow


def table(folder: Path, rows: Sequence[Sequence[str]], name: str = "people.csv") -> Table:
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return open_table(folder / name)


PEOPLE = [["email", "item"], ["A@x.example", "1"], ["b@x.example", "2"], ["a@X.example", "3"], ["bad", "4"]]


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("First Name", "first_name"),
        ("firstName", "first_name"),
        ("Prénom", "prenom"),
        ("  Größe (cm) ", "grosse_cm"),
        ("Имя", "имя"),
        ("Номер заказа", "номер_заказа"),
        ("メールアドレス", "メールアドレス"),
        ("2nd line", "field_2nd_line"),
        ("class", "field_class"),
        ("if", "field_if"),
        ("rows", "field_rows"),
        ("__x__", "x"),
        ("\x1b[2J\u202eabc", "field_2_j_abc"),
        ("***", ""),
    ],
)
def test_a_column_title_becomes_a_template_name(column: str, field: str) -> None:
    assert field_name(column) == field
    assert field_name(field) == field


@pytest.mark.parametrize(
    "title",
    [
        "email", "E-Mail", "EMAIL ADDRESS", "Mail", "e_mail", "Adresse", "Adresse e-mail", "Courriel", "Correo",
        "Correo electrónico", "E-Mail-Adresse", "Sähköposti", "Почта", "メールアドレス", "emailAddress", "address",
    ],
)  # fmt: skip
def test_the_address_column_is_recognised(title: str) -> None:
    assert guess_mapping(["Name", title])[title] == "email"


def test_a_clear_title_wins_over_a_vague_one() -> None:
    assert guess_mapping(["Adresse", "E-Mail"]) == {"Adresse": "adresse", "E-Mail": "email"}


def test_known_titles_become_the_usual_fields_and_others_keep_their_name() -> None:
    guessed = guess_mapping(["Mail", "Vorname", "Nachname", "Firma", "Lieblings-Farbe", "***"])
    assert list(guessed.values()) == ["email", "first_name", "last_name", "company", "lieblings_farbe", "column_6"]


@given(st.lists(st.text(max_size=12) | st.sampled_from(["email", "Mail", "email_2", "rows", "***"]), unique=True))
def test_every_column_gets_a_field_of_its_own(columns: list[str]) -> None:
    guessed = guess_mapping(columns)
    assert list(guessed) == columns
    assert len(set(guessed.values())) == len(columns)
    assert all(field.isidentifier() and field != "rows" for field in guessed.values())


def test_a_mapping_of_the_operator_wins_over_the_guess(tmp_path: Path) -> None:
    people = table(tmp_path, [["email", "Privat", "x"], ["a@x.example", "b@x.example", "1"]])
    reader = RecipientReader(people, {"privat": "email", "x": "size"})
    (row,) = reader
    assert (row.row, row.address) == (2, "b@x.example")
    assert row.fields == {"email_2": "a@x.example", "email": "b@x.example", "size": "1"}


def test_the_address_column_can_be_named(tmp_path: Path) -> None:
    people = table(tmp_path, [["Kontakt"], ["a@x.example"]])
    assert [row.address for row in RecipientReader(people, email_column="Kontakt")] == ["a@x.example"]


@pytest.mark.parametrize(
    ("mapping", "word"),
    [
        ({"nope": "email"}, "no column 'nope'"),
        ({"a": "size", "b": "size"}, "both mapped"),
        ({"a": "First Name"}, "cannot be the name"),
        ({"a": "rows"}, "cannot be the name"),
        ({"a": ""}, "cannot be the name"),
        ({"a": "size", "A": "weight"}, "mapped onto both"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(tmp_path: Path, mapping: dict[str, str], word: str) -> None:
    people = table(tmp_path, [["email", "a", "b"], ["a@x.example", "1", "2"]])
    with pytest.raises(UsageError, match=word) as caught:
        RecipientReader(people, mapping)
    assert caught.value.hint


def test_an_unknown_column_lists_the_columns_that_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        RecipientReader(table(tmp_path, PEOPLE), {"nope": "x"})
    assert "email, item" in caught.value.hint


def test_a_file_without_addresses_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        RecipientReader(table(tmp_path, [["who", "what"], ["a@x.example", "1"]]))
    assert "who, what" in caught.value.hint
    assert "--map COLUMN=email" in caught.value.hint


def test_each_row_has_one_outcome(tmp_path: Path) -> None:
    reader = RecipientReader(table(tmp_path, PEOPLE))
    first, second, again, bad = reader.items()
    assert first == RecipientRow(2, "A@x.example", "a@x.example", {"email": "A@x.example", "item": "1"})
    assert isinstance(second, RecipientRow)
    assert again == Duplicate(4, "a@X.example", 2, {"email": "a@X.example", "item": "3"})
    assert isinstance(bad, Rejected)
    assert (bad.row, bad.field, bad.cells["item"]) == (5, "email", "4")
    assert (reader.counts.rows, reader.counts.imported, reader.counts.rejected, reader.counts.duplicate) == (4, 2, 1, 1)
    assert reader.problems == [again, bad]


def test_iterating_gives_the_recipients_and_hands_the_rest_over(tmp_path: Path) -> None:
    seen: list[Rejected | Duplicate] = []
    reader = RecipientReader(table(tmp_path, PEOPLE), on_problem=seen.append)
    assert [row.row for row in reader] == [2, 3]
    assert [problem.row for problem in seen] == [4, 5]


def test_a_row_with_too_many_cells_is_rejected(tmp_path: Path) -> None:
    (bad,) = RecipientReader(table(tmp_path, [["email"], ["a@x.example", "x"]])).items()
    assert isinstance(bad, Rejected)
    assert "2 cells" in bad.reason


def test_an_address_that_is_a_recipient_already_is_a_duplicate(tmp_path: Path) -> None:
    reader = RecipientReader(table(tmp_path, PEOPLE), known_keys={"b@x.example"}.__contains__)
    known = next(item for item in reader.items() if isinstance(item, Duplicate))
    assert (known.row, known.first_row) == (3, 0)
    assert "already a recipient" in known.reason


def test_merge_fields_lose_outer_blanks_only(tmp_path: Path) -> None:
    people = table(tmp_path, [["email", "name"], [" a@x.example ", " Ann\r\nLee\x1b[0m "]])
    (row,) = RecipientReader(people)
    assert row.fields == {"email": "a@x.example", "name": "Ann\r\nLee\x1b[0m"}


def test_a_recipient_too_large_for_the_socket_is_rejected(tmp_path: Path) -> None:
    width = MAX_RECIPIENT // 30_000 + 1
    header = ["email", *(f"c{n}" for n in range(width))]
    (bad,) = RecipientReader(table(tmp_path, [header, ["a@x.example", *["x" * 30_000] * width]])).items()
    assert isinstance(bad, Rejected)
    assert "characters" in bad.reason


def test_rows_of_one_address_become_one_recipient_with_a_list(tmp_path: Path) -> None:
    reader = RecipientReader(table(tmp_path, PEOPLE), group_by="address")
    first, second = reader
    assert (first.row, first.address, first.fields["item"]) == (2, "A@x.example", "1")
    assert [row["item"] for row in first.fields["rows"]] == ["1", "3"]
    assert [row["item"] for row in second.fields["rows"]] == ["2"]
    assert (reader.counts.imported, reader.counts.grouped, reader.counts.rejected) == (2, 1, 1)


def test_grouping_by_anything_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be grouped"):
        RecipientReader(table(tmp_path, PEOPLE), group_by="item")


def test_a_group_that_grows_too_large_rejects_its_further_rows(tmp_path: Path) -> None:
    people = table(tmp_path, [["email", "x"], *[["a@x.example", "y" * 30_000]] * 9])
    reader = RecipientReader(people, group_by="email")
    (row,) = reader
    assert len(json.dumps(row.fields)) < 1_000_000
    assert reader.counts.grouped + reader.counts.rejected == 8
    assert reader.counts.rejected > 0


CELLS = st.text(max_size=6) | st.sampled_from(["a@x.example", "A@X.example", "b@x.example", "c,d@x.example", "", "\n"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=12), grouped=st.booleans())
def test_the_counts_always_add_up(tmp_path: Path, rows: list[list[str]], grouped: bool) -> None:
    rows = [[cell.replace("\0", "").encode("utf-8", "ignore").decode() for cell in row] for row in rows]
    people = table(tmp_path, [["email", "name", "note"], ["z@x.example", "", ""], *rows])
    reader = RecipientReader(people, group_by="address" if grouped else None, known_keys={"b@x.example"}.__contains__)
    items = list(reader.items())
    counts = reader.counts
    assert counts.rows == counts.imported + counts.rejected + counts.duplicate + counts.grouped
    assert counts.rows == len(list(people.rows()))
    kept = [item for item in items if isinstance(item, RecipientRow)]
    assert len({item.key for item in kept}) == len(kept) == counts.imported
    assert counts.rejected == sum(isinstance(item, Rejected) for item in items)
    assert counts.duplicate == sum(isinstance(item, Duplicate) for item in items)
    if grouped:
        assert sum(len(item.fields["rows"]) for item in kept) == counts.imported + counts.grouped


def test_rejects_and_duplicates_are_written_with_row_and_reason(tmp_path: Path) -> None:
    with RejectsWriter(tmp_path / "rejects.csv") as writer:
        list(RecipientReader(table(tmp_path, PEOPLE), on_problem=writer.write))
    again, bad = open_table(tmp_path / "rejects.csv").rows()
    assert again.cells["reject_row"] == "4"
    assert "row 2" in again.cells["reject_reason"]
    assert (bad.cells["reject_row"], bad.cells["reject_field"]) == ("5", "email")
    assert (bad.cells["email"], bad.cells["item"]) == ("bad", "4")
    assert writer.written == 2


def test_no_file_is_made_when_nothing_is_rejected(tmp_path: Path) -> None:
    with RejectsWriter(tmp_path / "rejects.csv"):
        pass
    assert not (tmp_path / "rejects.csv").exists()


def test_the_rejects_file_belongs_to_its_owner_alone_and_is_whole_after_every_row(tmp_path: Path) -> None:
    writer = RejectsWriter(path := tmp_path / "rejects.csv")
    writer.write(Rejected(2, "Bad.", "email", {"email": "x\r\ny"}))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(list(open_table(path).rows())) == 1
    writer.close()


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\nx"])
def test_formulas_are_disarmed_in_cells_and_titles(tmp_path: Path, cell: str) -> None:
    with RejectsWriter(tmp_path / "rejects.csv") as writer:
        writer.write(Rejected(2, "Bad.", cell, {"email": cell, "=x": ""}))
    with (tmp_path / "rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        header, row = csv.reader(file)
    assert header[-1] == "'=x"
    assert row[2:4] == [f"'{cell}"] * 2


def test_an_existing_file_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    path.write_text("precious")
    with pytest.raises(UsageError, match="exists already"):
        RejectsWriter(path)
    with RejectsWriter(path, overwrite=True) as writer:
        assert path.read_text() == "precious"
        writer.write(Rejected(2, "Bad.", "", {"email": "x"}))
    assert "precious" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_rejects_file_in_no_folder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        RejectsWriter(tmp_path / "none" / "rejects.csv")


def test_a_corrected_rejects_file_can_be_imported_and_rejected_again(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    with RejectsWriter(first) as writer:
        list(RecipientReader(table(tmp_path, PEOPLE), on_problem=writer.write))
    with RejectsWriter(second) as writer:
        reader = RecipientReader(open_table(first), on_problem=writer.write)
        assert [row.address for row in reader] == ["a@X.example"]
    assert open_table(second).columns == open_table(first).columns


@pytest.mark.parametrize("name", ["null", "zero"])
def test_what_has_no_end_has_no_digest(name: str) -> None:
    with pytest.raises(UsageError, match="not a regular file"):
        file_digest(Path("/dev") / name)


def test_the_digest_is_the_sha_256_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 300_000)
    assert file_digest(tmp_path / "a") == hashlib.sha256(b"x" * 300_000).hexdigest()
    with pytest.raises(UsageError, match="cannot be read"):
        file_digest(tmp_path / "none")
