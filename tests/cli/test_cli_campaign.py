"""Campaigns by command: drafts, checks, control, and the JSON that scripts depend on."""

from __future__ import annotations

import csv
import json
import re
import stat
from typing import Any

import pytest

from engine.compose.documents import split_headers
from tests.cli.conftest import Home, RunningRelay, add_relay
from tui.cli.times import parse_time

STATES = {"held", "pending", "processing", "completed", "failed", "uncertain", "skipped", "bounced"}
RECIPIENT = ["address", "state", "attempts", "error", "due_at", "sent_at", "message_id"]
ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


def new(home: Home, name: str, *more: object, template: str = "message.txt") -> Any:
    return home("campaign", "new", name, "-a", "outbox", "-t", home.folder / template, *more)


# drafts


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("Subject: Hi\n\nline one\nline {% if x %}\n", "bad.txt, line 4"),
        ("Subject: Hi\n\nfine\n{{ a + 1 }}\n", "bad.txt, line 4: arithmetic is not allowed"),
        ("Subject: {{ broken\n\nfine\n", "bad.txt, line 1"),
        ("Subject: nothing else\n\n\n", "the template has no text"),
        ("caf\xe9".encode("latin-1"), "bad.txt, line 1: not UTF-8"),
    ],
)
def test_a_template_error_names_file_and_line(home: Home, template: str | bytes, words: str) -> None:
    home.write("bad.txt", template)
    done = new(home, "spring", template="bad.txt")
    assert done.code == 2
    assert words in done.err
    assert home("campaign", "list", "--json").json["count"] == 0


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("-a", "nobody"), "there is no account 'nobody'"),
        (("--preset", "reckless"), "pacing.preset"),
        (("--gap-min", "2h", "--gap-max", "1h"), "pacing.gap_max"),
        (("--gap-min", "2h", "--rate", "5/min"), "different modes"),
        (("--burst", "5"), "pacing.rest"),
        (("--spread", "--rate", "5/min"), "pacing.rate"),
        (("--preset", "linkedin-free", "--pacing", "blast"), "pacing.preset"),
        (("--attach", "/nonexistent.pdf"), "there is no such file"),
        (("--header", "NoEquals"), "has no ="),
        (("--header", "From=me"), "From"),
    ],
)
def test_what_cannot_be_made_is_a_sentence_and_makes_nothing(home: Home, argv: tuple[str, ...], words: str) -> None:
    done = new(home, "spring", *argv)
    assert done.code == 2
    assert words in done.err
    assert home("campaign", "list", "--json").json["count"] == 0


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("--burst", "5", "--rest", "30m"), "human: one every 15-90 min, 30m more after every 5"),
        (("--distribution", "lognormal"), "human: one every 15-90 min, log-normal"),
        (("--spread",), "steady: the day's cap over the open time, +-10 %"),
        (("--preset", "linkedin-free"), "human: one every 15-90 min"),
        (("--preset", "gmail"), "blast: 5 at once, 3s between rounds (very safe)"),
    ],
)
def test_the_mode_follows_from_the_settings(home: Home, argv: tuple[str, ...], text: str) -> None:
    assert new(home, "spring", *argv).code == 0
    assert home("campaign", "show", "spring", "--json").json["pacing"]["text"] == text


def test_a_taken_name_is_refused(drafted: Home) -> None:
    done = new(drafted, "spring")
    assert done.code == 2
    assert "'spring' is taken" in done.err


def test_attachments_that_are_too_large_together_are_named_with_their_sizes(home: Home) -> None:
    (home.folder / "terms.pdf").write_bytes(b"x" * 500_000)
    (home.folder / "prices.pdf").write_bytes(b"x" * 200_000)
    done = new(home, "spring", "--attach", home.folder / "terms.pdf", "--attach", home.folder / "prices.pdf")
    assert done.code == 2
    assert "too large: terms.pdf 489 KB, prices.pdf 196 KB; a message may carry 640 KB of them" in done.err
    assert "write a link to it into the text" in done.err
    assert home("campaign", "list", "--json").json["count"] == 0


def test_an_empty_file_is_not_attached(home: Home) -> None:
    (home.folder / "terms.pdf").write_bytes(b"")
    done = new(home, "spring", "--attach", home.folder / "terms.pdf")
    assert (done.code, "the file is empty" in done.err) == (2, True)


def test_headers_stand_on_top_of_a_template_only_with_a_subject() -> None:
    assert split_headers("Subject: Hi\nX-Tag: a\n\nBody") == ({"Subject": ("Hi", 1), "X-Tag": ("a", 2)}, "Body", 3)
    assert split_headers("Note: bring tea\n\nBody") == ({}, "Note: bring tea\n\nBody", 0)


def test_text_html_header_and_attachment_arrive_in_the_message(drafted: Home) -> None:
    drafted.write("page.html", "<p>Dear {{ first_name }}</p>")
    drafted.write("list.csv", "a,b\n")
    folder = drafted.folder
    more = ("--html", folder / "page.html", "--attach", folder / "list.csv", "--header", "X-Campaign=two")
    assert new(drafted, "two", *more).code == 0
    drafted("recipients", "import", folder / "people.csv", "-c", "two")
    shown = drafted("campaign", "preview", "two", "--json").json
    assert ["X-Campaign", "two"] in shown["headers"]
    assert shown["text"].startswith("Dear Ada,")
    assert shown["html_text"].strip() == "Dear Ada"


PLAN = """\
name = "applied"
account = "outbox"
template = "message.txt"
recipients = "people.csv"

[pacing]
preset = "very safe"
"""


def test_apply_makes_the_draft_and_imports_its_people(home: Home) -> None:
    home.write("campaign.toml", PLAN)
    assert home("campaign", "apply", home.folder).code == 0
    shown = home("campaign", "show", "applied", "--json").json
    assert (shown["state"], shown["recipients"], shown["pacing"]["concurrency"]) == ("draft", 3, 5)
    assert home("campaign", "apply", home.folder).code == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('account = "outbox"', 'acount = "outbox"'), "campaign.toml:2: acount: there is no such key"),
        (('"very safe"', '"wild"'), "pacing.preset"),
        (('name = "applied"', "name = 5"), "campaign.toml:1: name: must be text"),
        (('"people.csv"', '"gone.csv"'), "there is no such file"),
        (("[pacing]", "[pacing"), "not TOML"),
        (('"outbox"', '"nobody"'), "there is no account"),
    ],
)
def test_a_mistake_in_a_campaign_file_makes_nothing(home: Home, change: tuple[str, str], words: str) -> None:
    home.write("campaign.toml", PLAN.replace(*change))
    done = home("campaign", "apply", home.folder)
    assert done.code == 2
    assert words in done.err
    assert home("campaign", "list", "--json").json["count"] == 0


def test_apply_with_nobody_to_import_makes_nothing(home: Home) -> None:
    home.write("campaign.toml", PLAN)
    home.write("people.csv", "email,first_name\nbad,X\n")
    assert home("campaign", "apply", home.folder).code == 4
    assert home("campaign", "list", "--json").json["count"] == 0


# checks


def test_preflight_passes_what_can_start(drafted: Home) -> None:
    done = drafted("campaign", "preflight", "spring", "--json")
    assert (done.code, done.json["ok"], done.json["to_send"]) == (0, True, 3)
    assert re.fullmatch(ISO, done.json["estimated_completion"])


def test_preflight_estimates_as_a_start_does_by_the_account_s_own_limits_too(home: Home) -> None:
    limits = 'daily_cap = 1\nrate = "1/min"\n'
    account = '[accounts.slow]\nchannel = "outbox"\nfolder = "o"\nfrom_address = "a@example.com"\n'
    home.config.write_text(account + limits)
    assert home("campaign", "new", "tight", "-a", "slow", "-t", home.folder / "message.txt").code == 0
    home("recipients", "import", home.folder / "people.csv", "-c", "tight")
    checked = home("campaign", "preflight", "tight", "--json").json
    assert checked["estimate"] == home("campaign", "start", "tight", "--dry-run", "--json").json["estimate"]
    assert checked["estimate"].endswith("takes 2d (the account's limits)")
    caps = [finding for finding in checked["findings"] if finding["check"] == "caps"]
    assert [finding["severity"] for finding in caps] == ["warns", "warns"]
    assert "stretches 3 messages over 3 days" in caps[1]["message"]


def test_preflight_lists_everything_that_would_go_wrong(home: Home) -> None:
    add_relay(home, 2525, "--username", "u", "--password-env", "NOT_SET_HERE")
    assert home("campaign", "new", "cold", "-a", "relay", "-t", home.folder / "message.txt").code == 0
    home.write("gaps.csv", "email,first_name\na@example.com,\nb@example.com,Ben\nc@example.com,\n")
    home("recipients", "import", home.folder / "gaps.csv", "-c", "cold")
    done = home("campaign", "preflight", "cold", "--json")
    found = {finding["check"]: finding for finding in done.json["findings"]}
    assert done.code == 4
    assert found["allow_list"]["severity"] == "refuses"
    assert found["allow_list"]["count"] == 3
    assert found["credentials"]["severity"] == found["fields"]["severity"] == "warns"
    assert [(e["row"], e["recipient"]) for e in found["fields"]["examples"]] == [
        (2, "a@example.com"),
        (4, "c@example.com"),
    ]
    assert done.json["sums"] == {"refuses": 1, "warns": 2, "skipped": 2, "ok": 6}
    told = home("campaign", "preflight", "cold")
    assert told.code == 4
    assert "row 4 c@example.com" in told.out
    assert "-> try it with test-send, then: paceline campaign live cold" in told.out
    assert told.out.endswith("1 in the way, 2 to know, 2 not checked\n")


def test_preflight_connects_when_it_is_told_to(home: Home, relay: RunningRelay) -> None:
    add_relay(home, relay.port)
    assert new(home, "spring").code == home("campaign", "edit", "spring", "-a", "relay").code == 0
    home("recipients", "import", home.folder / "people.csv", "-c", "spring")
    home("campaign", "live", "spring")
    login = [f for f in home("campaign", "preflight", "spring", "--connect", "--json").json["findings"]
             if f["check"] == "login"]  # fmt: skip
    assert [f["severity"] for f in login] == ["ok"]
    add_relay_at(home, 1)
    done = home("campaign", "preflight", "spring", "--connect")
    assert done.code == 0
    assert "warns    account 'relay' (connect)" in done.out
    assert home("--read-only", "campaign", "preflight", "spring", "--connect").code == 4
    assert home("--read-only", "campaign", "preflight", "spring").code == 0
    assert relay.accepted() == []


def add_relay_at(home: Home, port: int) -> None:
    """Another port for the account `relay`."""
    home.config.write_text(re.sub(r"(?m)^port = \d+", f"port = {port}", home.config.read_text()))


def test_a_cold_campaign_needs_an_identity_and_a_way_to_leave(home: Home) -> None:
    assert new(home, "strangers", "--cold").code == 0
    home("recipients", "import", home.folder / "people.csv", "-c", "strangers")
    checked, started = home("campaign", "preflight", "strangers"), home("campaign", "start", "strangers")
    assert (checked.code, started.code) == (4, 4)
    for done in (checked.out, started.err):
        assert "a cold campaign needs identity (one line with the sender's name and postal address)" in done
        assert "unsubscribe_url or unsubscribe_mailto" in done
    config = home.config.read_text()
    home.config.write_text(
        config.replace('from_name = "Example', 'unsubscribe_mailto = "leave@example.com"\nfrom_name = "Example')
    )
    assert home("campaign", "edit", "strangers", "--identity", "Acme Ltd, 1 High Street, Leeds").code == 0
    checked = home("campaign", "preflight", "strangers")
    assert checked.code == 0
    assert "the message does not hold the sender's identity" in checked.out
    home.write("signed.txt", "Dear {first_name},\n\nAcme Ltd\n1 High Street\nLeeds\n")
    assert home("campaign", "edit", "strangers", "-t", home.folder / "signed.txt").code == 0
    assert "a cold campaign: its sender is named" in home("campaign", "preflight", "strangers").out
    assert home("campaign", "start", "strangers").code == 0


def test_a_campaign_file_says_that_it_is_cold(home: Home) -> None:
    plan = 'name = "{}"\naccount = "outbox"\ntemplate = "message.txt"\nrecipients = "people.csv"\ncold = {}\n'
    home.write("campaign.toml", plan.format("strangers", "true"))
    assert home("campaign", "apply", home.folder).code == 0
    assert home("campaign", "start", "strangers").code == 4
    assert home("campaign", "edit", "strangers", "--not-cold").code == 0
    assert home("campaign", "start", "strangers").code == 0
    home.write("campaign.toml", plan.format("others", '"yes"'))
    done = home("campaign", "apply", home.folder)
    assert done.code == 2
    assert "cold: must be true or false" in done.err


def test_preflight_finds_an_account_that_is_gone_and_an_empty_campaign(home: Home) -> None:
    new(home, "spring")
    home.config.write_text('[accounts.other]\nchannel = "outbox"\nfolder = "o"\nfrom_address = "a@example.com"\n')
    done = home("campaign", "preflight", "spring", "--json")
    assert done.code == 4
    refused = {finding["check"] for finding in done.json["findings"] if finding["severity"] == "refuses"}
    assert refused == {"account", "people"}


def test_preview_shows_the_person_asked_for(drafted: Home) -> None:
    assert "Subject: Hello Ben" in drafted("campaign", "preview", "spring", "--recipient", "BEN@example.org").out
    assert "Subject: Hello Cleo" in drafted("campaign", "preview", "spring", "--row", 4).out
    assert drafted("campaign", "preview", "spring", "--row", 99).code == 2
    assert drafted("campaign", "preview", "spring", "--recipient", "nobody@example.org").code == 2


def test_a_test_send_reaches_the_operator_and_makes_no_job(drafted: Home) -> None:
    done = drafted("campaign", "test-send", "spring", "--to", "me@example.com", "--recipient", "ben@example.org")
    assert done.code == 0
    (written,) = (drafted.folder / "outbox").glob("*.eml")
    assert "Hello Ben" in written.read_text()
    assert drafted("campaign", "show", "spring", "--json").json["total"] == 0


def test_a_test_send_to_a_dead_server_is_a_sentence(home: Home) -> None:
    add_relay(home, 1)
    home("campaign", "new", "cold", "-a", "relay", "-t", home.folder / "message.txt")
    home("recipients", "import", home.folder / "people.csv", "-c", "cold")
    done = home("campaign", "test-send", "cold", "--to", "me@example.com")
    assert done.code == 1
    assert "refused the connection" in done.err


# control and contracts


def test_start_json_carries_the_promised_names(drafted: Home) -> None:
    result = drafted("campaign", "start", "spring", "--json").json
    assert {"success", "campaign_id", "queued", "message", "estimated_completion"} <= set(result)
    assert (result["success"], result["queued"]) == (True, 3)
    assert re.fullmatch(ISO, result["estimated_completion"])


def test_a_start_for_later_is_due_then(drafted: Home) -> None:
    result = drafted("campaign", "start", "spring", "--at", "2031-05-01 10:20", "--json").json
    assert result["first_due"].startswith("2031-05-01T10:20:00")


@pytest.mark.parametrize("text", ["soon", "25:99", "2001-01-01 10:00", "+2"])
def test_a_time_that_is_none_or_has_passed_is_refused(drafted: Home, text: str) -> None:
    assert drafted("campaign", "start", "spring", "--at", text).code == 2
    assert drafted("campaign", "show", "spring", "--json").json["state"] == "draft"


def test_a_time_of_day_that_has_passed_is_tomorrows() -> None:
    from datetime import UTC, datetime

    now = round(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1_000_000)
    assert parse_time("11:00", UTC, now=now) - now == 23 * 3600 * 1_000_000
    assert parse_time("+90m", UTC, now=now) - now == 90 * 60 * 1_000_000


def test_a_campaign_that_is_not_live_is_refused_with_the_count(home: Home, relay: RunningRelay) -> None:
    add_relay(home, relay.port)
    home("campaign", "new", "cold", "-a", "relay", "-t", home.folder / "message.txt")
    home("recipients", "import", home.folder / "people.csv", "-c", "cold")
    done = home("campaign", "start", "cold", "--json")
    assert done.code == 4
    assert "3 of its addresses are not on the allow-list" in done.json["error"]["message"]
    assert home("campaign", "live", "cold").code == 0
    assert home("campaign", "start", "cold").code == 0


def test_show_json_has_total_and_counts_by_state(drafted: Home) -> None:
    drafted("campaign", "start", "spring")
    drafted("campaign", "pause", "spring")
    shown = drafted("campaign", "show", "spring", "--json").json
    assert shown["total"] == 3
    assert set(shown["counts"]) == STATES
    assert sum(shown["counts"].values()) == shown["total"]
    assert shown["progress"] == {"total": 3, "sent": 0, "failed": 0, "current": 0, "percentage": 0}
    assert (shown["state"], shown["pause_reason"], shown["live"]) == ("paused", "operator", False)
    assert {"account", "pacing", "started_at", "completed_at", "duration", "eta"} <= set(shown)
    assert re.fullmatch(ISO, shown["started_at"])


def test_recipients_json_is_one_line_a_person_with_exactly_these_keys(drafted: Home) -> None:
    drafted("campaign", "start", "spring")
    lines = drafted("campaign", "recipients", "spring", "--json").lines
    assert [list(line) for line in lines] == [RECIPIENT] * 3
    assert lines[0]["address"] == "ada@example.com"
    assert drafted("campaign", "recipients", "spring", "--json", "--state", "failed").out == ""


def test_the_whole_control_by_command(drafted: Home) -> None:
    def state() -> str:
        return str(drafted("campaign", "show", "spring", "--json").json["state"])

    drafted("campaign", "start", "spring", "--at", "+1h")
    for verb, after in (
        ("pause", "paused"),
        ("resume", "active"),
        ("cancel", "cancelled"),
        ("undo-cancel", "active"),
    ):
        assert drafted("campaign", verb, "spring").code == 0, verb
        assert state() == after
    assert drafted("campaign", "undo-cancel", "spring").code == 4


def test_engine_and_queue_obey_without_an_engine(home: Home) -> None:
    assert home("engine", "pause").code == 0
    assert home("engine", "status", "--json").json["paused"] is True
    assert home("engine", "resume").code == 0
    assert home("queue", "pause", "outbox").code == 0
    assert home("queue", "show", "outbox", "--json").json["state"] == "paused"
    assert home("queue", "probe", "outbox").code == 4
    assert home("queue", "resume", "outbox").code == 0
    assert home("queue", "pause", "nowhere").code == 2


@pytest.mark.parametrize("verb", ["drain", "reload"])
def test_what_needs_an_engine_says_that_there_is_none(home: Home, verb: str) -> None:
    done = home("engine", verb)
    assert done.code == 3
    assert "no engine is running" in done.err


def test_an_unknown_campaign_is_a_sentence_for_every_verb(home: Home) -> None:
    for verb in ("show", "recipients", "preflight", "preview", "start", "pause", "resume", "cancel", "retry", "live"):
        done = home("campaign", verb, "nowhere")
        assert done.code == 2, verb
        assert "nowhere" in done.err


def test_export_gives_the_fields_back_with_a_status_and_guards_formulas(drafted: Home) -> None:
    drafted.write("formula.csv", "email,first_name\nfay@example.com,=1+1\n")
    drafted("recipients", "import", drafted.folder / "formula.csv", "-c", "spring")
    drafted("campaign", "start", "spring")
    target = drafted.folder / "out.csv"
    assert drafted("campaign", "export", "spring", "--to", target).code == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with target.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["pending"] * 4
    assert rows[0]["company"] == "Alder"
    assert rows[3]["first_name"] == "'=1+1"
    assert drafted("campaign", "export", "spring", "--to", target).code == 4
    lines = drafted.folder / "out.jsonl"
    assert drafted("campaign", "export", "spring", "--to", lines).code == 0
    assert next(json.loads(line)["fields"]["email"] for line in lines.read_text().splitlines()) == "ada@example.com"
    assert drafted("campaign", "export", "spring", "--to", drafted.folder / "out.pdf").code == 2


def test_events_of_one_kind_or_of_all_under_it(drafted: Home) -> None:
    every = [event["kind"] for event in drafted("events", "--json").lines]
    under = [event["kind"] for event in drafted("events", "--kind", "campaign", "--json").lines]
    assert under == [kind for kind in every if kind.startswith("campaign.")]
    assert under
    assert {event["kind"] for event in drafted("events", "--kind", "campaign.created", "--json").lines} == {
        "campaign.created"
    }
    assert drafted("events", "--kind", "camp", "--json").lines == []
    assert drafted("events", "--job", "1", "--json").lines == []


def test_events_tell_who_did_what(drafted: Home) -> None:
    kinds = [event["kind"] for event in drafted("events", "--json").lines]
    assert kinds == ["campaign.created", "recipients.imported"]
    assert "tester created campaign spring" in drafted("events").out


def test_resolve_asks_for_a_word_and_sending_again_for_a_person(drafted: Home) -> None:
    drafted("campaign", "start", "spring")
    assert drafted("campaign", "resolve", "spring", 1).code == 2
    assert drafted("campaign", "resolve", "spring", 1, "--again").code == 4
    done = drafted("campaign", "resolve", "spring", 1, "--sent")
    assert done.code == 4


def test_a_new_campaign_says_that_the_accounts_lower_ceiling_wins(home: Home) -> None:
    account = '[accounts.slow]\nchannel = "outbox"\nfolder = "out"\nfrom_address = "me@example.com"\nrate = "10/min"\n'
    home.config.write_text(home.config.read_text() + account)
    new = ("campaign", "new", "spring", "-a", "slow", "-t", home.folder / "message.txt", "--rate", "60/min")
    done = home(*new)
    assert done.code == 0, done.err
    assert "lower ceiling  10/min of account slow: it wins" in done.out
