"""What comes back, end to end: sent to a relay, its bounce as a server writes it, and what the books say then."""

from __future__ import annotations

import json
import mailbox
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Home, RunningRelay, add_relay
from tests.cli.test_cli_engine import until
from tests.support.imap_server import PASSWORD, USER, ImapFolder, ImapServer

MAILS = Path(__file__).parents[1] / "inbound" / "mails"


@pytest.fixture
def sent(home: Home, relay: RunningRelay) -> dict[str, str]:
    """A campaign of two steps whose first message three people got; their Message-IDs by address."""
    add_relay(home, relay.port)
    later = home.write("later.txt", "Subject: Again\n\nDear {first_name}, once more.\n")
    for command in (
        ("campaign", "new", "spring", "-a", "relay", "-t", home.folder / "message.txt"),
        ("recipients", "import", home.folder / "people.csv", "-c", "spring"),
        ("campaign", "step", "add", "spring", "-t", later, "--wait", "3d"),
        ("campaign", "live", "spring", "--yes"),
        ("campaign", "start", "spring", "--yes"),
    ):
        done = home(*command)
        assert done.code == 0, done.err
    # Not until idle: the second message waits for three days.
    engine = home.start("engine", "run")
    until(lambda: len(relay.accepted()) == 3 and {job["state"] for job in firsts(home)} == {"completed"}, 60)
    engine.terminate()
    engine.communicate(timeout=60)
    ids = {one.recipient: one.message_id.strip("<>") for one in relay.accepted()}
    assert set(ids) == {"ada@example.com", "ben@example.org", "cleo@example.net"}
    return ids


def firsts(home: Home) -> list[dict[str, Any]]:
    """The jobs of the first step."""
    jobs = home("job", "list", "-c", "spring", "--json").json["jobs"]
    return sorted(jobs, key=lambda job: int(job["id"]))[:3]


def bounce_of(name: str, address: str, message_id: str) -> bytes:
    """A bounce that a real server wrote, as it would be about this message."""
    text = (MAILS / f"{name}.eml").read_text()
    text = re.sub(r"[\w-]+\.0123456789abcdef@example\.com", message_id, text)
    return re.sub(r"(?<![\w.])(?:unknown|policy|later|full)@example\.net", address, text).encode()


def reply_of(address: str, message_id: str, text: str = "Yes, gladly.", more: str = "") -> bytes:
    head = f"From: {address}\nTo: me@example.com\nSubject: Re: Hello\nIn-Reply-To: <{message_id}>\n{more}"
    return f"{head}\n{text}\n".encode()


def job_of(home: Home, address: str) -> dict[str, Any]:
    return next(job for job in firsts(home) if job["address"] == address)


def test_a_bounce_moves_the_message_and_suppresses_a_dead_address(home: Home, sent: dict[str, str]) -> None:
    mail = home.write("bounce.eml", bounce_of("postfix-unknown", "ada@example.com", sent["ada@example.com"]))
    done = home("inbox", "read", mail, "--json")
    assert (done.code, done.json["effects"]) == (0, {"bounced": 1})
    assert job_of(home, "ada@example.com")["state"] == "bounced"
    shown = home("campaign", "show", "spring", "--json").json
    assert shown["counts"]["bounced"] == 1
    assert home("db", "check", "--json").code == 0
    listed = home("inbox", "list", "--json").json["inbox"]
    assert [(row["kind"], row["matched_by"], row["campaign"]) for row in listed] == [("bounce", "Message-ID", "spring")]
    assert home("export", "suppressions", "--to", "-", "--format", "jsonl").lines[0]["value"] == "ada@example.com"


def test_reading_it_again_changes_nothing(home: Home, sent: dict[str, str]) -> None:
    mail = home.write("bounce.eml", bounce_of("exim-policy", "ben@example.org", sent["ben@example.org"]))
    home("inbox", "read", mail)
    before = home("campaign", "show", "spring", "--json").json["counts"]
    done = home("inbox", "read", mail, "--json").json
    assert (done["new"], done["effects"]) == (0, {"known already": 1})
    assert home("campaign", "show", "spring", "--json").json["counts"] == before


def test_a_reply_stops_the_persons_sequence_and_an_absence_does_not(home: Home, sent: dict[str, str]) -> None:
    box = mailbox.Maildir(home.folder / "box")
    box.add(reply_of("ada@example.com", sent["ada@example.com"]))
    away = "Auto-Submitted: auto-replied\n"
    box.add(reply_of("ben@example.org", sent["ben@example.org"], "I am out of the office.", away))
    done = home("inbox", "read", home.folder / "box", "--json").json
    assert done["kinds"] == {"reply": 1, "out_of_office": 1}
    people = {row["address"]: row for row in home("export", "recipients", "--to", "-", "--format", "jsonl").lines}
    assert people["ada@example.com"]["stopped"] == "replied"
    assert not people["ben@example.org"]["stopped"]


def test_a_delay_is_noted_and_changes_no_state(home: Home, sent: dict[str, str]) -> None:
    mail = home.write("delay.eml", bounce_of("postfix-delayed", "cleo@example.net", sent["cleo@example.net"]))
    assert home("inbox", "read", mail, "--json").json["effects"] == {"noted": 1}
    assert job_of(home, "cleo@example.net")["state"] == "completed"


def test_what_belongs_to_nobody_is_kept_whole_and_can_be_shown(home: Home, sent: dict[str, str]) -> None:
    mail = home.write("other.eml", b"this is no mail\n")
    home("inbox", "read", mail)
    row = home("inbox", "list", "--unmatched", "--json").json["inbox"][0]
    assert (row["kind"], row["effect"]) == ("unparsable", "kept")
    assert home("inbox", "show", row["id"], "--raw").out == "this is no mail\n"
    assert home("inbox", "show", 99).code == 2


def test_a_look_says_what_each_would_be_and_changes_nothing(home: Home, sent: dict[str, str]) -> None:
    found = home("inbox", "read", MAILS, "--dry-run", "--json").json
    assert {row["kind"] for row in found["inbox"]} == {"bounce", "delayed"}
    assert home("inbox", "list", "--json").json["count"] == 0


def test_kinds_that_were_not_asked_for_are_left_out(home: Home, sent: dict[str, str]) -> None:
    done = home("inbox", "read", MAILS, "--kind", "delayed", "--json").json
    assert (done["kinds"], done["left_out"] > 0) == ({"delayed": 2}, True)


def test_a_reader_may_not_change_anything(home: Home, sent: dict[str, str]) -> None:
    assert home("--read-only", "inbox", "read", MAILS).code == 4
    assert home("inbox", "list", "--json").json["count"] == 0


def test_a_command_without_a_source_says_what_to_name(home: Home) -> None:
    for words in ((), ("x", "--imap", "y")):
        done = home("inbox", "read", *words)
        assert (done.code, "--imap" in done.err) == (2, True)
    assert home("inbox", "read", home.folder / "nothing").code == 2


def test_a_configured_mailbox_is_read_on_from_where_it_was_left(home: Home, sent: dict[str, str]) -> None:
    folder = ImapFolder()
    folder.add(bounce_of("opensmtpd-unknown", "ada@example.com", sent["ada@example.com"]))
    secret = home.write("imap-password", PASSWORD)
    secret.chmod(0o600)
    with ImapServer(folder) as server:
        home.config.write_text(
            home.config.read_text()
            + f'\n[inbox.replies]\nhost = "127.0.0.1"\nport = {server.port}\ntls = "none"\nusername = "{USER}"\n'
            f"password = {{ file = {json.dumps(str(secret))} }}\n"
        )
        first = home("inbox", "read", "--imap", "replies", "--json")
        assert (first.code, first.json["effects"]) == (0, {"bounced": 1}), first.err
        folder.add(reply_of("ben@example.org", sent["ben@example.org"]))
        folder.asked.clear()
        assert home("inbox", "read", "--imap", "replies", "--json").json["kinds"] == {"reply": 1}
    assert sum("FETCH" in command for command in folder.asked) == 1
    assert folder.seen == set()
    assert home("inbox", "read", "--imap", "other").code == 2


def test_a_bounce_to_a_messages_own_return_path_needs_nothing_else(home: Home, relay: RunningRelay) -> None:
    add_relay(home, relay.port)
    config = home.config.read_text()
    account = "[accounts.relay]\n"
    assert account in config
    home.config.write_text(config.replace(account, f'{account}return_path = "bounces+{{token}}@example.com"\n'))
    for command in (
        ("campaign", "new", "spring", "-a", "relay", "-t", home.folder / "message.txt"),
        ("recipients", "import", home.folder / "people.csv", "-c", "spring"),
        ("campaign", "live", "spring", "--yes"),
        ("campaign", "start", "spring", "--yes"),
    ):
        done = home(*command)
        assert done.code == 0, done.err
    assert home.program("engine", "run", "--until-idle").code == 0
    paths = {one.recipient: one.sender for one in relay.accepted()}
    assert len(set(paths.values())) == 3
    assert re.fullmatch(r"bounces\+[a-z2-7]{20,40}@example\.com", paths["ben@example.org"])
    # A server behind a forward that names another address and returns nothing of the message.
    words = "<moved@example.net>: 550 5.1.1 user unknown"
    head = f"From: MAILER-DAEMON@mx.example.net\nTo: {paths['ben@example.org']}\nSubject: Undelivered Mail\n"
    mail = home.write("back.eml", f"{head}\nI could not deliver your message:\n\n{words}\n")
    assert home("inbox", "read", mail, "--json").code == 0
    (row,) = home("inbox", "list", "--json").json["inbox"]
    assert (row["kind"], row["matched_by"], row["effect"]) == ("bounce", "token", "bounced")
    assert job_of(home, "ben@example.org")["state"] == "bounced"
    forged = head.replace("bounces+", "bounces+a", 1)
    mail = home.write("forged.eml", f"{forged}\nI could not deliver your message:\n\n{words}\n")
    assert home("inbox", "read", mail, "--json").code == 0
    assert [row["effect"] for row in home("inbox", "list", "--json").json["inbox"]].count("bounced") == 1


def test_a_mail_to_the_leave_address_of_a_message_takes_its_reader_off(home: Home) -> None:
    config = home.config.read_text()
    mailto = 'from_address = "sender@example.com"\nunsubscribe_mailto = "leave+{unsubscribe_token}@example.com"'
    home.config.write_text(config.replace('from_address = "sender@example.com"', mailto, 1))
    for command in (
        ("campaign", "new", "spring", "-a", "outbox", "-t", home.folder / "message.txt"),
        ("recipients", "import", home.folder / "people.csv", "-c", "spring"),
        ("campaign", "start", "spring", "--yes"),
        ("engine", "run", "--until-idle"),
    ):
        done = home(*command)
        assert done.code == 0, done.err
    letters = [path.read_text() for path in (home.folder / "outbox").rglob("*.eml")]
    letter = next(text for text in letters if "To: ben@example.org" in text)
    found = re.search(r"mailto:(leave\+[a-z2-7]+@example\.com)", letter)
    assert found is not None
    mail = home.write("leave.eml", f"From: Ben <other@example.org>\nTo: {found[1]}\nSubject: unsubscribe\n\n")
    assert home("inbox", "read", mail, "--json").json["kinds"] == {"unsubscribe": 1}
    entry = home("export", "suppressions", "--to", "-", "--format", "jsonl").lines[0]
    assert (entry["value"], entry["reason"]) == ("ben@example.org", "unsubscribed")
    (row,) = home("inbox", "list", "--json").json["inbox"]
    assert (row["matched_by"], row["effect"]) == ("token", "stopped")
