"""Alarms by command: with the real relay, told by list, status, doctor and show, until they are over."""

from __future__ import annotations

from itertools import count, islice

from tests.cli.conftest import Home, RunningRelay, add_relay
from tui.demo.rules import BELIEVABLE, Fate


def by_fate(fate: Fate, n: int) -> list[str]:
    """So many addresses of which the relay says the same."""
    found = (f"p{i}@example.com" for i in count())
    return list(islice((address for address in found if BELIEVABLE.fate(address) is fate), n))


def bounced_campaign(home: Home, port: int) -> None:
    """Five people, then fifteen addresses that do not exist; the account's threshold is five of ten."""
    add_relay(home, port, "--concurrency", "1")
    text = home.config.read_text()
    home.config.write_text(f"{text}\n[accounts.relay.alarms]\nbounce_share = 0.5\nbounce_least = 10\n")
    home.write("plain.txt", "Subject: Hello\n\nDear all.\n")
    people = by_fate(Fate.ACCEPT, 5) + by_fate(Fate.UNKNOWN, 15)
    home.write("many.csv", "email\n" + "".join(f"{address}\n" for address in people))
    home("campaign", "new", "spring", "-a", "relay", "-t", home.folder / "plain.txt",
         "--concurrency", "1", "--batch-delay", "0s")  # fmt: skip
    home("recipients", "import", home.folder / "many.csv", "-c", "spring")
    home("campaign", "live", "spring")
    assert home("campaign", "start", "spring").code == 0


def test_bounces_pause_and_stand_until_a_person_resumed(home: Home, believable_relay: RunningRelay) -> None:
    bounced_campaign(home, believable_relay.port)
    assert home("alarm", "list").err.strip() == "no alarm stands"
    assert home.program("engine", "run", "--until-idle").code == 0
    told = home("alarm", "list", "--json").json["alarms"]
    assert {(alarm["kind"], alarm["campaign"], alarm["queue"]) for alarm in told} == {
        ("bounces", "spring", None),
        ("bounces", None, "relay"),
    }
    assert all("bounces" in alarm["text"] and "limit 50%" in alarm["text"] for alarm in told)
    number = next(alarm["id"] for alarm in told if alarm["campaign"])
    assert [alarm["id"] for alarm in home("engine", "status", "--json").json["alarms"]]
    assert f"ALARM {number}  spring  bounces: 50.0% bounces (5 of 10)" in home("engine", "status").out
    found = home("doctor", "--json").json["findings"]
    alarms = {(f["level"], f["remedy"]) for f in found if f["check"] == "alarm"}
    assert alarms == {
        ("problem", "mend it, then: paceline campaign resume spring"),
        ("problem", "mend it, then: paceline queue resume relay"),
    }
    assert not [f for f in found if f["check"] == "queue"]

    assert home("--read-only", "alarm", "ack", number).code == 4
    assert f"alarm {number} is acknowledged" in home("alarm", "ack", number).out
    assert "seen by" in home("alarm", "list").out
    assert f"ALARM {number} " not in home("engine", "status").out
    assert home("alarm", "ack", number).code == 4
    assert home("alarm", "ack", "999").code == 2
    assert home("alarm", "unack", number).code == 0

    home("campaign", "resume", "spring", "--yes")
    home("queue", "resume", "relay", "--yes")
    home.program("engine", "run", "--until-idle")
    assert {alarm["cleared_at"] is None for alarm in home("alarm", "list", "--all", "--json").json["alarms"]} >= {False}
