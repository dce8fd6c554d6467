"""People who are known by their LinkedIn profile, and profiles beside e-mail addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.intake.keys import key_of
from engine.intake.recipients import RecipientReader
from engine.intake.rejects import Duplicate, Rejected
from engine.intake.tables import open_table
from storage.errors import UsageError
from storage.nouns import RecipientRow


def items(folder: Path, text: str, **more: Any) -> list[RecipientRow | Rejected | Duplicate]:
    path = folder / "people.csv"
    path.write_text(text, "utf-8")
    with open_table(path) as table:
        return list(RecipientReader(table, **more).items())


@pytest.mark.parametrize(
    "title", ["profile", "LinkedIn", "linkedin_url", "LinkedIn URL", "LinkedIn Profile", "Profile URL"]
)
def test_a_profile_needs_no_address_where_people_are_known_by_it(tmp_path: Path, title: str) -> None:
    found = items(tmp_path, f"First Name,{title}\nAna,https://www.linkedin.com/in/Ana-Lopez/?x=1\n", by_profile=True)
    (person,) = found
    assert isinstance(person, RecipientRow)
    assert (person.profile, person.address, person.key) == ("ana-lopez", *["linkedin.com/in/ana-lopez"] * 2)
    assert person.fields["first_name"] == "Ana" and "email" not in person.fields


def test_an_address_beside_the_profile_is_taken_for_later_mails(tmp_path: Path) -> None:
    (person,) = items(tmp_path, "email,profile\nAna@X.example,ana-lopez\n", by_profile=True)
    assert isinstance(person, RecipientRow)
    assert (person.address, person.key, person.profile) == ("Ana@X.example", "ana@x.example", "ana-lopez")


def test_each_row_ends_somewhere_and_says_why(tmp_path: Path) -> None:
    company = ",https://linkedin.com/company/acme"
    rows = ("email,profile", ",ana-lopez", company, "not an address,bob-smith", ",in/ana-lopez/", "x@y.example,")
    text = "".join(f"{row}\n" for row in rows)
    found = items(tmp_path, text, by_profile=True)
    assert [type(item).__name__ for item in found] == ["RecipientRow", "Rejected", "Rejected", "Duplicate", "Rejected"]
    reasons = [item.reason for item in found if isinstance(item, Rejected)]
    assert "company" in reasons[0] and reasons[2] == "no profile is given"


def test_the_same_profile_under_two_addresses_is_one_person_there(tmp_path: Path) -> None:
    found = items(tmp_path, "email,profile\na@x.example,ana-lopez\nb@x.example,Ana-Lopez\n", by_profile=True)
    assert [type(item).__name__ for item in found] == ["RecipientRow", "Duplicate"]


def test_without_a_column_of_profiles_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No column of the file looks like LinkedIn profiles"):
        items(tmp_path, "email,first_name\na@x.example,Ana\n", by_profile=True)


def test_a_mail_campaign_takes_profiles_along_and_loses_nobody_over_them(tmp_path: Path) -> None:
    text = (
        "email,profile\na@x.example,https://linkedin.com/in/ana\nb@x.example,Investor\n"
        "c@x.example,https://linkedin.com/in/ana\nd@x.example,https://linkedin.com/company/acme\n"
    )
    found = items(tmp_path, text)
    assert [(one.address, one.profile) for one in found if isinstance(one, RecipientRow)] == [
        ("a@x.example", "ana"), ("b@x.example", ""), ("c@x.example", ""), ("d@x.example", ""),
    ]  # fmt: skip
    assert [one.fields["profile"] for one in found if isinstance(one, RecipientRow)][1] == "Investor"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Ana@X.example", "ana@x.example"),
        ("linkedin.com/in/ana-lopez", "linkedin.com/in/ana-lopez"),
        ("https://de.linkedin.com/in/Ana-Lopez/?trk=1", "linkedin.com/in/ana-lopez"),
    ],
)
def test_a_person_is_named_by_an_address_of_either_kind(text: str, key: str) -> None:
    assert key_of(text) == key
