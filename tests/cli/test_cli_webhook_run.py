"""A webhook campaign from file to receiver by the real program; the receiver's ledger is the judge."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from typing import Any

from tests.cli.conftest import Home
from tests.support.webhook_server import WebhookServer, answer, by_address, hang_up, in_a_thread

ORDER = json.dumps(
    {
        "to": "{{ address }}",
        "name": "{{ first_name | default('friend') }}",
        "orders": {"$number": "{{ orders | default('') }}"},
        "key": "{{ message_id }}",
    }
)
PEOPLE = "email,first_name,orders\n" + "".join(
    f'{name}@example.org,"{name} ""x"": {{{{1}}}}",{number}\n'
    for number, name in enumerate(("ada", "ben", "cleo", "dora", "lost", "broken", "bad", "gone"))
)
ODD = {
    "lost@example.org": hang_up(),
    "broken@example.org": answer(500, {"error": "database is gone"}),
    "bad@example.org": answer(422, {"error": "no such customer"}),
    "gone@example.org": answer(410),
}
SECRET = "s3cret-of-the-hook"


def test_a_campaign_reaches_its_receiver_once_each_and_says_what_is_known(home: Home) -> None:
    with in_a_thread(by_address(ODD, answer(200, {"ok": True}))) as receiver:
        sent = run(home, receiver)
    assert sent["states"] == {"completed": 4, "uncertain": 2, "failed": 2}
    assert set(receiver.keys.values()) == {1}
    assert len(receiver.keys) == 8
    for received in receiver.ledger:
        at, _, digest = received.header("x-paceline-signature").removeprefix("t=").partition(",v1=")
        assert digest == hmac.new(SECRET.encode(), f"{at}.".encode() + received.body, hashlib.sha256).hexdigest()
        assert received.key == f'"{received.json["key"]}"'
        assert received.header("x-campaign") == "spring"
    assert sent["keys"] == {received.json["to"]: received.json["key"] for received in receiver.ledger}
    names = {received.json["to"]: received.json["name"] for received in receiver.ledger}
    assert names["ada@example.org"] == 'ada "x": {{1}}'
    lost, broken, bad, gone = (sent["errors"][address] for address in ODD)
    assert "lost before an answer" in lost
    assert "database is gone" in broken
    assert bad == "Unprocessable Entity: no such customer"
    assert gone == "Gone"


def test_a_receiver_that_honours_the_key_gets_what_was_in_doubt_again(home: Home) -> None:
    with in_a_thread(hang_up(), hang_up(), answer(200, {"ok": True})) as receiver:
        retry = '[defaults.retry]\ndelays = ["0s"]\n'
        sent = run(home, receiver, "--idempotent", people="email\nada@example.org\n", config=retry)
    assert sent["states"] == {"completed": 1}
    assert list(receiver.keys.values()) == [3]


def test_a_field_of_the_wrong_kind_is_known_before_the_start_and_held(home: Home) -> None:
    people = "email,first_name,orders\nada@example.org,Ada,1\nben@example.org,Ben,many\n"
    with in_a_thread(answer(200, {"ok": True})) as receiver:
        draft(home, receiver, people)
        home("campaign", "live", "spring")
        findings = home("campaign", "preflight", "spring", "--json").json["findings"]
        started = home("campaign", "start", "spring", "--json").json
        home.program("engine", "run", "--until-idle")
    words = [finding["message"] for finding in findings if finding["severity"] == "warns"]
    assert words == ["1 person: /orders must come out as a number such as 12.5 (field orders); held until it is mended"]
    assert (started["queued"], started["held"]) == (2, 1)
    assert [received.json["to"] for received in receiver.ledger] == ["ada@example.org"]


def draft(home: Home, receiver: WebhookServer, people: str, *options: str) -> None:
    """A draft through `receiver`, its people imported."""
    url = f"http://127.0.0.1:{receiver.port}/in"
    home.write("secret", SECRET).chmod(0o600)
    steps: list[tuple[object, ...]] = [
        ("account", "add", "hook", "--channel", "webhook", "--url", url, "--allow-private", *options,
         "--secret-file", home.folder / "secret", "--concurrency", 1),
        ("campaign", "new", "spring", "-a", "hook", "-t", home.write("order.json", ORDER), "--pacing", "blast",
         "--header", "X-Campaign=spring"),
        ("recipients", "import", home.write("hooked.csv", people), "-c", "spring"),
    ]  # fmt: skip
    for step in steps:
        done = home(*step)
        assert done.code == 0, done.err


def run(home: Home, receiver: WebhookServer, *options: str, people: str = PEOPLE, config: str = "") -> dict[str, Any]:
    """A campaign through `receiver`, to its end: states, keys and errors as the program tells them."""
    if config:
        text = home.config.read_text()
        begin, end = text.index("[defaults.retry]"), text.index("# A server in trouble")
        home.config.write_text(text[:begin] + config + text[end:])
    draft(home, receiver, people, *options)
    for step in (("campaign", "live", "spring"), ("campaign", "start", "spring")):
        assert home(*step).code == 0
    done = home.program("engine", "run", "--until-idle", "--json")
    assert SECRET not in done.out + done.err
    rows = home("campaign", "recipients", "spring", "--json").lines
    return {
        "states": Counter(row["state"] for row in rows),
        "keys": {row["address"]: row["message_id"].strip("<>") for row in rows},
        "errors": {row["address"]: row["error"] for row in rows},
    }


def test_preflight_reads_the_secrets_and_connects_when_it_is_told_to(home: Home) -> None:
    with in_a_thread() as receiver:
        draft(home, receiver, PEOPLE)
        found = findings(home, "--connect")
        assert found["credentials"] == f"what it logs in with can be read (file {home.folder / 'secret'})"
        assert found["login"] == f"127.0.0.1:{receiver.port}: connected and ready"
        assert (receiver.ledger, "subject" in found) == ([], False)
    (home.folder / "secret").unlink()
    assert "cannot be read" in findings(home)["credentials"]


def findings(home: Home, *options: str) -> dict[str, str]:
    """What preflight says, by check."""
    found = home("campaign", "preflight", "spring", "--json", *options).json["findings"]
    return {finding["check"]: finding["message"] for finding in found}
