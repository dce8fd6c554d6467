"""Approvals by command: what waits, one message as it will be sent, a yes or a no to some or all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import PEOPLE, TEMPLATE, Home


@pytest.fixture
def asking(home: Home) -> Home:
    """A started campaign of three messages, each to be approved."""
    return start(home, "spring", "--approval", "message", "--approval-time", "7d")


def start(home: Home, name: str, *options: str) -> Home:
    template, people = home.write("m.txt", TEMPLATE), home.write("people.csv", PEOPLE)
    for line in (
        ("campaign", "new", name, "-a", "outbox", "-t", template, *options),
        ("recipients", "import", people, "-c", name),
        ("campaign", "start", name, "--yes"),
    ):
        done = home(*line)
        assert done.code == 0, done.err
    return home


def waiting(home: Home, *args: object) -> list[dict[str, Any]]:
    done = home("approval", "list", "--json", *args)
    assert done.code == 0, done.err
    messages: list[dict[str, Any]] = done.json["messages"]
    return messages


def states(home: Home) -> list[tuple[str, str]]:
    return [(job["state"], job["reason"]) for job in home("job", "list", "--json").json["jobs"]]


def test_a_start_says_that_its_messages_wait(home: Home) -> None:
    start(home, "spring", "--approval", "message")
    assert states(home) == [("held", "approval")] * 3
    shown = home("campaign", "show", "spring", "--json").json
    assert (shown["approval"], shown["approval_time_seconds"]) == ("message", 7 * 86_400)


def test_the_list_says_since_when_and_how_long(asking: Home) -> None:
    first, *_ = waiting(asking)
    assert (first["to"], first["campaign"], first["decision"]) == ("ada@example.com", "spring", "")
    assert first["asked_at"] < first["expires_at"]
    assert waiting(asking, "--filter", "to:ben*")[0]["to"] == "ben@example.org"
    assert waiting(asking, "--campaign", "other") == []


def test_pages_of_the_list_follow_each_other(asking: Home) -> None:
    seen, after = [], 0
    while after is not None:
        page = asking("approval", "list", "--json", "--limit", 2, "--after", after).json
        seen += [row["job"] for row in page["messages"]]
        after = page["next_after"]
    assert seen == [row["job"] for row in waiting(asking)]


def test_one_is_shown_as_it_would_be_sent(asking: Home) -> None:
    job = waiting(asking)[0]["job"]
    done = asking("approval", "show", job)
    assert "Subject: Hello Ada" in done.out
    assert "Dear Ada," in done.out
    assert asking("approval", "show", 999).code == 2


def test_one_is_approved_and_who_did_it_is_kept(asking: Home) -> None:
    job = waiting(asking)[0]["job"]
    done = asking("approval", "approve", job, "--yes")
    assert (done.code, done.out) == (0, "1 approved\n")
    assert len(waiting(asking)) == 2
    (decided,) = waiting(asking, "--decided")
    assert (decided["job"], decided["decision"]) == (job, "approved")
    assert decided["decided_by"]


def test_an_approval_is_taken_back_by_its_event(asking: Home) -> None:
    job = waiting(asking)[0]["job"]
    events = asking("approval", "approve", job, "--yes", "--json").json["events"]
    assert asking("job", "undo", *events).code == 0
    assert len(waiting(asking)) == 3


@pytest.mark.parametrize("which", [("--all",), ("--campaign", "spring"), ("--filter", "campaign:spring")])
def test_all_of_a_set_are_approved(asking: Home, which: tuple[str, ...]) -> None:
    assert asking("approval", "approve", *which, "--yes").code == 0
    assert {state for state, _ in states(asking)} == {"pending"}


def test_a_rejection_needs_a_reason_and_keeps_it(asking: Home) -> None:
    job = waiting(asking)[0]["job"]
    assert asking("approval", "reject", job, "--yes").code == 2
    assert asking("approval", "reject", job, "--reason", "wrong tone", "--yes").code == 0
    assert ("skipped", "rejected") in states(asking)
    assert waiting(asking, "--decided")[0]["note"] == "wrong tone"
    done = asking("approval", "approve", job, "--yes")
    assert done.code == 1
    assert len(waiting(asking)) == 2


def test_an_edited_text_is_shown_literally(asking: Home) -> None:
    job = waiting(asking)[0]["job"]
    text = asking.write("own.txt", "Dear {{ nobody }},\n")
    assert asking("approval", "edit", job).code == 2
    assert asking("approval", "edit", job, "--text", text, "--subject", "Own").code == 0
    shown = asking("approval", "show", job, "--json").json
    assert shown["text"].strip() == "Dear {{ nobody }},"
    assert dict(shown["headers"])["Subject"] == "Own"
    assert shown["own_text_by"]


def test_nothing_that_waits_is_sent_and_what_is_approved_is(asking: Home) -> None:
    asking("engine", "run", "--until-idle")
    assert states(asking) == [("held", "approval")] * 3
    asking("approval", "approve", "--all", "--yes")
    assert asking("engine", "run", "--until-idle").code == 0
    assert {state for state, _ in states(asking)} == {"completed"}


def test_a_campaign_as_a_whole(home: Home) -> None:
    start(home, "spring", "--approval", "campaign")
    listed = home("approval", "list", "--json").json
    assert listed["campaigns"] == [{"campaign": "spring", "messages": 3}]
    refused = home("campaign", "resume", "spring", "--yes")
    assert (refused.code, "waits for approval" in refused.err) == (4, True)
    assert home("approval", "approve", "--campaign", "spring", "--yes").code == 0
    assert home("campaign", "show", "spring", "--json").json["state"] == "active"


def test_send_can_ask_for_approval_too(home: Home) -> None:
    people, template = home.write("p.csv", PEOPLE), home.write("m.txt", TEMPLATE)
    options = ("-t", template, "-a", "outbox", "--yes")
    assert home("send", people, *options, "--name", "whole", "--approval", "campaign").code == 0
    shown = home("campaign", "show", "whole", "--json").json
    assert (shown["state"], shown["pause_reason"], shown["approval"]) == ("paused", "approval", "campaign")
    assert home("send", people, *options, "--name", "each", "--approval", "message", "--approval-time", "2d").code == 0
    shown = home("campaign", "show", "each", "--json").json
    assert (shown["counts"]["held"], shown["approval_time_seconds"]) == (3, 2 * 86_400)


def test_a_draft_can_be_told_to_ask_and_a_running_one_cannot(home: Home) -> None:
    template = home.write("m.txt", TEMPLATE)
    home("campaign", "new", "spring", "-a", "outbox", "-t", template)
    assert home("campaign", "edit", "spring", "--approval", "message", "--approval-time", "2d").code == 0
    home("recipients", "import", home.write("p.csv", PEOPLE), "-c", "spring")
    home("campaign", "start", "spring", "--yes")
    refused = home("campaign", "edit", "spring", "--approval", "none")
    assert (refused.code, "chosen while it is a draft" in refused.err) == (4, True)


def test_a_campaign_file_says_it_too(home: Home) -> None:
    home.write("m.txt", TEMPLATE)
    head = 'name = "spring"\naccount = "outbox"\ntemplate = "m.txt"\n'
    plan = home.write("campaign.toml", head + 'approval = "message"\napproval_time = "3d"\n')
    made = home("campaign", "apply", plan, "--json")
    assert made.code == 0, made.err
    assert (made.json["approval"], made.json["approval_time"]) == ("message", 3 * 86_400_000_000)
    wrong = home.write("campaign.toml", head + 'approval = "perhaps"\n')
    assert home("campaign", "apply", wrong).code == 2


def test_read_only_refuses_every_decision(asking: Home) -> None:
    job = waiting(asking)[0]["job"]
    for line in (("approve", job), ("reject", job, "--reason", "no"), ("edit", job, "--subject", "x")):
        assert asking("--read-only", "approval", *line).code == 4
    assert len(waiting(asking)) == 3
