"""Sequences on the command line: campaign.toml with steps, their list, and changes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine import sequences
from storage.reader import Reader
from tests.cli.conftest import Home
from tui.cli import campaign_steps

PLAN = """
name = "spring"
accounts = ["outbox", "second"]
subject = "Hello {{ first_name }}"
text = "first.txt"
recipients = "people.csv"
stop_on = ["reply", "bounce"]
overlap = "skip"

[[steps]]
wait = "3 business days"
conditions = ["no_reply"]
subject = "Again, {{ first_name }}"
text = "second.txt"

[[steps]]
html = "third.html"
subject = "Last"
pacing = { mode = "steady", rate = "30/h" }
"""
SECOND = '\n[accounts.second]\nchannel = "outbox"\nfrom_address = "two@example.com"\nfolder = "out-two"\n'


@pytest.fixture
def plan(home: Home) -> Path:
    """A folder with a campaign of three steps, two accounts, two people."""
    home.config.write_text(home.config.read_text() + SECOND)
    place = home.folder / "spring"
    place.mkdir()
    (place / "campaign.toml").write_text(PLAN)
    (place / "first.txt").write_text("Hi {{ first_name }}")
    (place / "second.txt").write_text("Still there, {{ company }}?")
    (place / "third.html").write_text("<p>Bye {{ first_name }}</p>")
    (place / "people.csv").write_text("email,first_name,company\nana@example.org,Ana,ACME\nbo@example.org,Bo,BOX\n")
    return place


def steps(home: Home) -> list[dict[str, Any]]:
    return list(home("campaign", "steps", "spring", "--json").json["steps"])


def test_a_file_with_steps_makes_a_draft_with_all_of_them(home: Home, plan: Path) -> None:
    done = home("campaign", "apply", plan, "--json")
    assert done.code == 0, done.err
    assert (done.json["steps"], done.json["accounts"]) == (3, ["outbox", "second"])
    assert done.json["fields"] == ["company", "first_name"]
    found = steps(home)
    assert [step["begins"] for step in found] == [
        "at the start",
        "after 3 business days, only to those who have not replied",
        "after 3d",
    ]
    assert [step["pacing"] for step in found][:2] == ["", ""]
    assert found[2]["pacing"]
    shown = home("campaign", "show", "spring")
    assert "outbox (outbox, queue ready); second" in shown.out
    assert "left out" in shown.out
    assert home("campaign", "show", "spring", "--json").json["overlap"] == "skip"


def test_every_step_is_shown_as_its_person_will_see_it(home: Home, plan: Path) -> None:
    assert home("campaign", "apply", plan).code == 0
    second = home("campaign", "preview", "spring", "--step", "2", "--json").json
    assert (second["step"], second["text"].strip()) == (2, "Still there, ACME?")
    assert dict(second["headers"])["Subject"] == "Again, Ana"
    assert home("campaign", "preview", "spring", "--step", "3", "--json").json["html_text"] == "Bye Ana"
    missing = home("campaign", "preview", "spring", "--step", "4")
    assert missing.code == 2
    assert "has 3 steps" in missing.err


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("3 business days", "soon", "step 2: wait: 'soon' is no time to wait"),
        ('"no_reply"', '"no_answer"', "step 2: there is no condition 'no_answer'"),
        ('"no_reply"', '"accepted"', "step 2: no step before it is an invitation"),
        ("second.txt", "nowhere.txt", "step 2: template"),
        ('wait = "3', 'wiat = "3', "did you mean 'wait'?"),
        ('subject = "Last"', 'subject = "Last"\nchannel = "webhook"', "step 3: the campaign has no webhook account"),
        ('overlap = "skip"', 'overlap = "maybe"', "overlap: there is no 'maybe'"),
        ('"bounce"]', '"silence"]', "stop_on: there is no 'silence'"),
        ("30/h", "30/fortnight", "step 3"),
    ],
)
def test_a_mistake_in_a_step_names_it_and_makes_nothing(home: Home, plan: Path, old: str, new: str, words: str) -> None:
    file = plan / "campaign.toml"
    assert old in PLAN
    file.write_text(PLAN.replace(old, new))
    done = home("campaign", "apply", plan)
    assert done.code == 2
    assert words in done.err
    assert home("campaign", "list", "--json").json["count"] == 0


def test_steps_are_added_changed_and_taken_out(drafted: Home) -> None:
    home = drafted
    note = home.write("again.txt", "Subject: Again\n\nStill there, {{ first_name }}?\n")
    added = home("campaign", "step", "add", "spring", "-t", note, "--wait", "2d", "--if", "no_reply")
    assert added.code == 0, added.err
    assert home("campaign", "step", "add", "spring", "-t", note, "--wait", "36h", "--at", "2").code == 0
    assert [step["wait"] for step in steps(home)] == ["", "1d12h", "2d"]
    assert home("campaign", "step", "edit", "spring", "3", "--always", "--wait", "3 business days").code == 0
    assert [(step["wait"], step["conditions"]) for step in steps(home)][2] == ("3 business days", [])
    assert home("campaign", "step", "remove", "spring", "2", "--yes").code == 0
    assert [step["wait"] for step in steps(home)] == ["", "3 business days"]
    assert home("campaign", "step", "remove", "spring", "1", "--yes").code == 2
    assert home("campaign", "step", "remove", "spring", "7", "--yes").code == 2


def test_a_step_that_somebody_has_a_message_of_cannot_be_taken_away(home: Home, plan: Path) -> None:
    (plan / "campaign.toml").write_text(PLAN.replace('wait = "3 business days"', 'wait = "0s"'))
    assert home("campaign", "apply", plan).code == 0
    assert home("campaign", "start", "spring", "--yes").code == 0
    for _ in range(2):
        assert home.program("engine", "run", "--once").code == 0
    found = steps(home)
    assert [step["sent"] for step in found][:2] == [2, 2]
    assert home("campaign", "pause", "spring").code == 0
    refused = home("campaign", "step", "remove", "spring", "2", "--yes")
    assert refused.code == 4
    assert "has messages already" in refused.err
    assert len(steps(home)) == 3


def test_a_profile_is_imported_beside_the_address(home: Home, plan: Path) -> None:
    (plan / "people.csv").write_text(
        "email,first_name,company,LinkedIn\nana@example.org,Ana,ACME,https://linkedin.com/in/Ana-Lopez/\n"
    )
    assert home("campaign", "apply", plan).code == 0
    with Reader(home.database) as reader:
        (person,) = reader.all_recipients(reader.campaign("spring")["id"])
    assert (person["address"], person["profile"]) == ("ana@example.org", "ana-lopez")


def test_the_words_of_conditions_are_those_that_the_engine_knows() -> None:
    assert tuple(sequences.CONDITIONS) == campaign_steps.CONDITIONS
