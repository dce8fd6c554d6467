"""`paceline suppression` and `paceline unsubscribe`: lists in, lists out, and who is still written to."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from tests.cli.conftest import TEMPLATE, Done, Home

ACCOUNT = """
[accounts.letters]
channel = "outbox"
folder = "outbox"
from_address = "us@example.com"
unsubscribe_url = "https://example.com/leave?t={unsubscribe_token}"
"""


def listed(home: Home, *more: str) -> dict[str, str]:
    found = home("suppression", "list", "--json", *more).json["suppressions"]
    return {row["value"]: row["reason"] for row in found}


@pytest.mark.parametrize(
    ("value", "kind", "stored"),
    [
        ("Ana@EXAMPLE.com", "address", "ana@example.com"),
        ("@Example.ORG", "domain", "example.org"),
        ("https://de.linkedin.com/in/Ana-Lopez/?x=1", "profile", "ana-lopez"),
    ],
)
def test_an_address_a_domain_and_a_profile_are_compared_in_one_form(
    home: Home, value: str, kind: str, stored: str
) -> None:
    assert home("suppression", "add", value, "--note", "asked by phone", "--yes").code == 0
    (row,) = home("suppression", "list", "--json").json["suppressions"]
    assert (row["kind"], row["value"], row["reason"], row["note"]) == (kind, stored, "manual", "asked by phone")
    assert (row["created_by"], row["expires_at"]) == ("tester", None)


@pytest.mark.parametrize("value", ["ana@", "@nodot", "https://www.linkedin.com/company/x", " "])
def test_what_names_nobody_is_a_sentence_and_changes_nothing(home: Home, value: str) -> None:
    done = home("suppression", "add", value, "--yes")
    assert done.code == 2
    assert done.err.startswith("paceline: ")
    assert listed(home) == {}


def test_a_time_that_has_passed_is_refused(home: Home) -> None:
    bare = home("suppression", "add", "example.org")
    assert (bare.code, "'example.org' is no address and no profile" in bare.err) == (2, True)
    assert "a domain begins with it (@example.org)" in bare.err
    done = home("suppression", "add", "ana@example.com", "--until", "2020-01-01")
    assert (done.code, listed(home)) == (2, {})
    assert "--until: 2020-01-01 has passed" in done.err


def test_added_by_hand_open_messages_are_skipped_at_once(drafted: Home) -> None:
    assert drafted("campaign", "start", "spring", "--at", "+2h").code == 0
    done = drafted("suppression", "add", "BEN@example.org")
    assert "1 open message will not be sent" in done.out
    states = {row["address"]: row["state"] for row in drafted("job", "list", "--json").json["jobs"]}
    assert states == {"ada@example.com": "pending", "ben@example.org": "skipped", "cleo@example.net": "pending"}


def test_check_says_what_stands_and_which_campaigns_it_concerns(drafted: Home) -> None:
    drafted("suppression", "add", "@example.org", "--list", "news", "--yes")
    told = drafted("suppression", "check", "ben@example.org", "--json").json
    assert (told["suppressed"], told["entries"][0]["list"], told["entries"][0]["value"]) == (
        False, "news", "example.org",
    )  # fmt: skip
    assert [(row["campaign"], row["list"], row["suppressed"]) for row in told["campaigns"]] == [
        ("spring", "spring", False)
    ]
    assert drafted("campaign", "edit", "spring", "--list", "news").code == 0
    assert drafted("suppression", "check", "ben@example.org", "--json").json["campaigns"][0]["suppressed"]
    assert "may be contacted" in drafted("suppression", "check", "ada@example.com").out


def test_a_wish_of_their_own_is_taken_back_only_with_a_person_s_word(home: Home) -> None:
    home("suppression", "add", "ana@example.com", "--reason", "unsubscribed")
    assert home("suppression", "remove", "ana@example.com").code == 4
    assert listed(home) == {"ana@example.com": "unsubscribed"}
    assert home("suppression", "remove", "ana@example.com", "--yes").code == 0
    assert listed(home) == {}
    assert home("suppression", "remove", "ana@example.com", "--yes").code == 2


def test_suppressed_rows_are_rejected_with_number_and_reason_and_counted(drafted: Home) -> None:
    drafted("suppression", "add", "dora@example.com", "--reason", "unsubscribed")
    more = drafted.write("more.csv", "email,first_name\ned@example.com,Ed\ndora@example.com,Dora\n")
    dry = drafted("recipients", "import", more, "-c", "spring", "--dry-run", "--json").json
    done = drafted("recipients", "import", more, "-c", "spring", "--json").json
    for told in (dry, done):
        assert (told["rows"], told["imported"], told["rejected"], told["duplicate"]) == (2, 1, 1, 0)
        assert told["problems"][0]["row"] == 3
        assert re.fullmatch(r"suppressed: unsubscribed since \d{4}-\d\d-\d\d", told["problems"][0]["reason"])
    with Path(done["rejects"]).open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["reject_row"], row["email"]) == ("3", "dora@example.com")
    assert row["reject_reason"] == done["problems"][0]["reason"]


def test_preflight_tells_who_is_left_out(drafted: Home) -> None:
    drafted("suppression", "add", "@example.org", "--yes")
    found = drafted("campaign", "preflight", "spring", "--json").json
    (finding,) = [one for one in found["findings"] if one["check"] == "suppressions"]
    assert finding["message"] == "1 person is suppressed and left out"
    assert found["to_send"] == 2
    started = drafted("campaign", "start", "spring", "--json").json
    assert (started["queued"], started["suppressed"]) == (2, 1)


LIST = (
    "Email Address,Reason,List,Expires At\n"
    "a@example.com,Hard Bounce,,\n"
    "not an address,,,\n"
    "@example.net,,news,2199-01-01\n"
    "a@example.com,unsubscribe,,\n"
    "b@example.com,whatever,,\n"
    "c@example.com,spam,,2001-01-01\n"
)


def test_a_list_of_another_system_is_taken_row_by_row(home: Home) -> None:
    done = home("suppression", "import", home.write("list.csv", LIST), "--json").json
    assert (done["rows"], done["new"], done["known"], done["rejected"]) == (6, 2, 1, 3)
    assert [problem["row"] for problem in done["problems"]] == [3, 6, 7]
    assert "there is no reason 'whatever'" in done["problems"][1]["reason"]
    assert listed(home) == {"a@example.com": "unsubscribed", "example.net": "manual"}
    with Path(done["rejects"]).open(encoding="utf-8-sig", newline="") as file:
        assert [row["reject_row"] for row in csv.DictReader(file)] == ["3", "6", "7"]
    (event,) = [row for row in home("events", "--json").lines if row["kind"] == "suppression.imported"]
    assert "suppressed 2 new of 6 rows of list.csv" in event["text"]


def test_a_dry_run_changes_nothing_and_leaves_no_file(home: Home) -> None:
    done = home("suppression", "import", home.write("list.csv", LIST), "--dry-run")
    assert "6 rows = 3 would be suppressed + 0 known + 3 rejected" in done.out
    assert listed(home) == {}
    assert not (home.folder / "list.csv.rejects.csv").exists()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "xlsx"])
def test_what_is_exported_can_be_imported_elsewhere(home: Home, ending: str) -> None:
    home("suppression", "add", "ana@example.com", "--reason", "complained", "--note", "=1+1")
    home("suppression", "add", "@example.org", "--list", "news", "--until", "+90d", "--yes")
    before = home("suppression", "list", "--json").json["suppressions"]
    target = home.folder / f"out.{ending}"
    assert home("suppression", "export", "--to", target).code == 0
    for value in ("ana@example.com", "@example.org"):
        home("suppression", "remove", value, "--yes")
    assert home("suppression", "import", target).code == 0
    kept = ("kind", "value", "reason", "list", "expires_at")
    after = home("suppression", "list", "--json").json["suppressions"]
    assert sorted([row[name] or "" for name in kept] for row in after) == sorted(
        [row[name] or "" for name in kept] for row in before
    )


def test_a_read_only_command_adds_nothing(home: Home) -> None:
    home.write("list.csv", LIST)
    assert home("--read-only", "suppression", "add", "a@example.com").code == 4
    assert home("--read-only", "suppression", "import", home.folder / "list.csv").code == 4
    assert listed(home) == {}


# leaving by a link


@pytest.fixture
def tokens(home: Home) -> dict[str, str]:
    """Each person's own link, out of the letters that the outbox holds."""
    home.config.write_text(home.config.read_text() + ACCOUNT)
    home.write("letter.txt", TEMPLATE)
    assert home("campaign", "new", "spring", "-a", "letters", "-t", home.folder / "letter.txt").code == 0
    assert home("recipients", "import", home.folder / "people.csv", "-c", "spring").code == 0
    assert home("campaign", "start", "spring").code == 0
    assert home("engine", "run", "--until-idle").code == 0
    found = {}
    for letter in (home.folder / "outbox").rglob("*.eml"):
        text = re.sub(r"\r?\n ", "", letter.read_bytes().decode())
        person, link = re.search(r"^To: (\S+)", text, re.M), re.search(r"<(https://[^>]+)>", text)
        assert person is not None
        assert link is not None
        found[person[1]] = link[1]
    assert len(found) == 3
    return found


def unsubscribed(home: Home) -> list[str]:
    return sorted(listed(home, "--filter", "reason:unsubscribed"))


def test_the_link_of_a_message_leaves_its_reader_alone(home: Home, tokens: dict[str, str]) -> None:
    done = home("unsubscribe", tokens["ben@example.org"])
    assert (done.code, done.out) == (0, "ben@example.org is unsubscribed from every campaign\n")
    assert unsubscribed(home) == ["ben@example.org"]
    assert "had left" in home("unsubscribe", tokens["ben@example.org"]).out


def test_an_invented_link_says_so_and_changes_nothing(home: Home, tokens: dict[str, str]) -> None:
    link = tokens["ben@example.org"]
    forged = link[:-6] + ("aaaaaa" if not link.endswith("aaaaaa") else "bbbbbb")
    done = home("unsubscribe", forged)
    assert (done.code, unsubscribed(home)) == (4, [])
    assert "was not made here: nothing was changed" in done.err
    assert home("unsubscribe", "hello").code == 2


def path_of(link: str) -> str:
    return link.removeprefix("https://example.com")


def log_line(method: str, link: str) -> str:
    return f'203.0.113.9 - - [22/Nov/2026:09:00:00 +0000] "{method} {path_of(link)} HTTP/2.0" 200 5 "-" "Mail/1.0"\n'


def test_of_a_web_log_posts_count_once_and_what_scanners_open_does_not(home: Home, tokens: dict[str, str]) -> None:
    lines = [
        log_line("GET", tokens["ada@example.com"]),
        log_line("POST", tokens["ben@example.org"]),
        log_line("POST", "https://example.com/leave?t=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        log_line("GET", "https://example.com/robots.txt"),
        '{"request":{"method":"POST","uri":"'
        + tokens["cleo@example.net"].removeprefix("https://example.com")
        + '"}}\n',
    ]
    log = home.write("access.log", "".join(lines))
    told = read(home, log)
    assert told == {"lines": 5, "unsubscribed": 2, "already": 0, "unknown": 1, "get": 1}
    assert unsubscribed(home) == ["ben@example.org", "cleo@example.net"]
    assert read(home, log)["unsubscribed"] == 0
    assert read(home, log, "--get")["unsubscribed"] == 1


def read(home: Home, log: Path, *more: str) -> dict[str, int]:
    done: Done = home("unsubscribe", "--from-file", log, "--json", *more)
    assert done.code == 0
    return {name: n for name, n in done.json.items() if name not in ("success", "problems")}


def test_a_log_that_is_read_again_does_not_undo_a_later_word(home: Home, tokens: dict[str, str]) -> None:
    log = home.write("access.log", log_line("POST", tokens["ben@example.org"]))
    assert read(home, log)["unsubscribed"] == 1
    assert home("suppression", "remove", "ben@example.org", "--yes").code == 0
    assert read(home, log) == {"lines": 1, "unsubscribed": 0, "already": 1, "unknown": 0, "get": 0}
    assert unsubscribed(home) == []
