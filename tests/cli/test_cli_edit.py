"""`campaign edit`, `campaign pace`, `recipients forget` and `job sent` by command."""

from __future__ import annotations

from tests.cli.conftest import Home


def step(home: Home, name: str = "spring") -> str:
    done = home("campaign", "preview", name, "--json")
    return str(done.json["text"]).strip() + "|" + dict(done.json["headers"])["Subject"]


def test_an_edit_changes_the_parts_that_are_given_and_leaves_the_others(drafted: Home) -> None:
    home = drafted
    assert home("campaign", "edit", "spring", "--subject", "News for {{ company | default('you') }}").code == 0
    assert step(home).endswith("this is for you.|News for Alder")
    home.write("other.txt", "Hi {{ first_name }}\n")
    done = home("campaign", "edit", "spring", "-t", home.folder / "other.txt", "--json")
    assert done.json["fields"] == ["company", "first_name"]
    assert step(home) == "Hi Ada|News for Alder"


def test_a_part_can_be_dropped_but_not_the_last_one_of_a_paused_campaign(drafted: Home) -> None:
    home = drafted
    home.write("page.html", "<p>Hi {{ first_name }}</p>")
    assert home("campaign", "edit", "spring", "--html", home.folder / "page.html").code == 0
    assert home("campaign", "preview", "spring", "--json").json["html_text"] == "Hi Ada"
    assert home("campaign", "edit", "spring", "--drop", "html").code == 0
    assert home("campaign", "preview", "spring", "--json").json["html_text"] == ""
    assert home("campaign", "start", "spring", "--yes").code == 0
    assert home("campaign", "pause", "spring").code == 0
    refused = home("campaign", "edit", "spring", "--drop", "text")
    assert refused.code != 0
    assert "text" in refused.err


def test_a_mistake_in_a_template_names_file_and_line_and_changes_nothing(drafted: Home) -> None:
    home = drafted
    before = step(home)
    home.write("bad.txt", "Subject: x\n\nfine\n{{ a + 1 }}\n")
    done = home("campaign", "edit", "spring", "-t", home.folder / "bad.txt")
    assert done.code == 2
    assert "bad.txt, line 4" in done.err
    assert step(home) == before


def test_a_running_campaign_keeps_its_message_until_it_is_paused(drafted: Home) -> None:
    home = drafted
    assert home("campaign", "start", "spring", "--yes").code == 0
    done = home("campaign", "edit", "spring", "--subject", "late")
    assert done.code == 4
    assert "pause it first" in done.err


def test_a_pacing_is_changed_and_a_bare_pace_asks_how(drafted: Home) -> None:
    home = drafted
    assert home("campaign", "pace", "spring").code == 2
    assert home("campaign", "pace", "spring", "--rate", "30/h").code == 0
    assert home("campaign", "show", "spring", "--json").json["pacing"]["rate"] == "30/h"


def test_an_import_of_a_draft_is_forgotten_with_its_people(drafted: Home) -> None:
    home = drafted
    number = home("campaign", "show", "spring", "--json").json["imports"][0]["id"]
    done = home("recipients", "forget", number, "-c", "spring", "--json")
    assert done.json["removed"] == 3
    assert home("campaign", "show", "spring", "--json").json["recipients"] == 0
    assert home("recipients", "forget", number, "-c", "spring").code == 2


def test_sent_takes_only_what_is_uncertain(drafted: Home) -> None:
    home = drafted
    assert home("campaign", "start", "spring", "--yes").code == 0
    assert home("job", "sent").code == 2
    none = home("job", "sent", "--filter", "campaign:spring", "--json")
    assert (none.code, none.json["empty"]) == (0, True)
    one = home("job", "list", "--json").json["jobs"][0]["id"]
    left = home("job", "sent", one, "--json")
    assert (left.code, left.json["resolved"], left.json["refused"]) == (1, 0, 1)
