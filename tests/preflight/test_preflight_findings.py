"""What a preflight says, over a real store; the start itself judges whether `refuses` is right."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.config import load_config
from engine.dns import Names
from engine.preflight.examine import examine
from engine.preflight.findings import Finding, Report, Severity
from engine.preflight.subject import Login
from storage.errors import PacelineError, RefusedError
from storage.events import Event
from storage.model import DAY, SECOND, QueueState
from storage.sequences import Following
from tests.console.world import SENT, World
from tests.support.name_server import Zone, serving

REFUSES, WARNS, SKIPPED, OK = Severity
ACCOUNTS = """\
[accounts.out]
channel = "outbox"
folder = "out"
from_name = "Ana"
from_address = "ana@example.com"
[accounts.main]
channel = "smtp"
host = "127.0.0.1"
port = 2525
tls = "none"
from_name = "Ana"
from_address = "ana@letters.net"
"""
COLD = 'identity = "Acme Ltd, 1 High Street, Leeds"\nunsubscribe_mailto = "leave@letters.net"\n'
GOOD_ZONE: dict[tuple[str, str], list[str]] = {
    ("letters.net", "MX"): ["10 mx.letters.net."],
    ("letters.net", "TXT"): ['"v=spf1 ip4:192.0.2.1 -all"'],
    ("s1._domainkey.letters.net", "TXT"): ['"v=DKIM1; p=MIGf"'],
    ("_dmarc.letters.net", "TXT"): ['"v=DMARC1; p=reject"'],
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    configure(made)
    yield made
    made.close()


def configure(world: World, main: str = "", accounts: str = ACCOUNTS) -> None:
    """The two accounts; `main` are more settings of the second one."""
    world.config_path.write_text(accounts + main)
    world.context.config = load_config(world.config_path)


def draft(world: World, people: int = 2, *, account: str = "out", live: bool = True, **more: Any) -> None:
    message = {"subject": "Hello", "text": "Hi {{ first_name }}", **more}
    world.call("campaign.new", name="letters", account=account, **message)
    if people:
        world.people("letters", [f"p{i}@example.org" for i in range(people)])
    if live:
        world.call("campaign.live", name="letters")


def found(world: World, zone: Zone | None = None, login: Login | None = None) -> Report:
    """A preflight whose resolver knows `zone` (None: it is silent)."""

    async def connect(account: Any) -> Login:
        assert login is not None
        return login

    async def run() -> Report:
        async with serving(zone or {}, silent="" if zone is not None else "*") as server:
            return await examine(
                world.store.read,
                world.context.config,
                "letters",
                now=world.clock.now(),
                connect=connect if login is not None else None,
                names=Names(("127.0.0.1",), server.port, timeout=2 if zone is not None else 0.05),
            )

    report: Report = world.run(run())
    return report


def line(report: Report, check: str) -> Finding:
    """The one finding of a check."""
    lines = [finding for finding in report.findings if finding.check == check]
    assert len(lines) == 1, [finding.check for finding in report.findings]
    return lines[0]


def checks(report: Report, severity: Severity) -> set[str]:
    return {finding.check for finding in report.of(severity)}


# what refuses


def paused(world: World) -> None:
    draft(world)
    world.call("campaign.start", name="letters")
    world.call("campaign.pause", name="letters")


def cancelled(world: World) -> None:
    draft(world)
    world.call("campaign.cancel", name="letters")


def running(world: World) -> None:
    draft(world)
    world.call("campaign.start", name="letters")


def gone(world: World) -> None:
    draft(world)
    configure(world, accounts=ACCOUNTS[ACCOUNTS.index("[accounts.main]") :])


def cold(world: World) -> None:
    draft(world, settings={"cold": True})


def cold_account(world: World) -> None:
    configure(world, 'preset = "cold"\n')
    draft(world, account="main")


def cold_and_whole(world: World) -> None:
    configure(world, COLD)
    draft(world, account="main", settings={"cold": True})


def allowed(world: World) -> None:
    configure(world, '[safety]\nallow = ["*@example.org"]\n')
    draft(world, account="main", live=False)


SCENES: dict[Callable[[World], None], set[str]] = {
    draft: set(),
    running: set(),
    paused: {"state"},
    cancelled: {"state"},
    gone: {"account"},
    cold: {"cold"},
    cold_account: {"cold"},
    cold_and_whole: set(),
    allowed: set(),
    lambda world: draft(world, 0): {"people"},
    lambda world: draft(world, pacing={"mode": "steady", "spread": True}): {"caps"},
    lambda world: draft(world, live=False): set(),
    lambda world: draft(world, account="main", live=False): {"allow_list"},
    lambda world: draft(world, text="Hi {{ company }}"): set(),
    lambda world: draft(world, text="", unfinished=True): {"template"},
}


@pytest.mark.parametrize(("scene", "refused"), SCENES.items())
def test_what_refuses_is_what_a_start_refuses(world: World, scene: Callable[[World], None], refused: set[str]) -> None:
    scene(world)
    report = found(world)
    assert checks(report, REFUSES) == refused
    try:
        world.call("campaign.start", name="letters")
        started = True
    except PacelineError:
        started = False
    assert report.ok == started


def test_the_worst_comes_first_and_every_line_that_is_not_fine_has_a_fix(world: World) -> None:
    draft(world, account="main", live=False, text="Hi {{ company }}", subject="")
    told = found(world).to_json()
    order = [finding["severity"] for finding in told["findings"]]
    assert order == sorted(order, key=["refuses", "warns", "skipped", "ok"].index)
    assert told["sums"] == {name: order.count(name) for name in ("refuses", "warns", "skipped", "ok")}
    assert [f["check"] for f in told["findings"] if f["severity"] in ("refuses", "warns") and not f["fix"]] == []


# people


def test_who_lacks_a_field_is_counted_by_field_and_named(world: World) -> None:
    draft(world, 0, text="{{ company }} {{ first_name }}")
    world.people("letters", [f"a{i}@example.org" for i in range(7)])
    world.people("letters", [f"b{i}@example.org" for i in range(3)], company="Acme")
    finding = line(found(world), "fields")
    assert (finding.severity, finding.count) == (WARNS, 7)
    assert "the field company is missing or empty" in finding.message
    assert [(e.row, e.recipient) for e in finding.examples] == [(i + 2, f"a{i}@example.org") for i in range(5)]


def test_what_a_later_message_lacks_is_told_before_the_first_one_leaves(world: World) -> None:
    draft(world, 0, text="Hi", steps=[{"text": "Again, {{ company }}"}])
    world.people("letters", ["a@example.org", "b@example.org"])
    world.people("letters", ["c@example.org"], company="Acme")
    report = found(world)
    finding = line(report, "fields")
    assert (finding.severity, finding.count) == (WARNS, 2)
    assert "step 2: the field company is missing or empty" in finding.message
    assert line(report, "template").message == "all 2 messages can be made; they use company"
    assert report.to_send == 3


def test_a_held_message_is_asked_for_the_fields_of_its_own_step(world: World) -> None:
    draft(world, 1, text="Hi {{ town }}", steps=[{"text": "Again, {{ company }}"}])
    world.call("campaign.start", name="letters")
    finding = line(found(world), "fields")
    assert (finding.count, "the field town is missing" in finding.message) == (1, True)


def test_a_held_second_message_is_asked_for_what_it_lacks_itself(world: World) -> None:
    draft(world, 1, steps=[{"text": "Again, {{ company }}"}])
    world.call("campaign.start", name="letters")
    world.send("out", [SENT])
    (over,) = world.run(world.store.ended())
    second = world.run(world.store.get_steps(over.campaign_id))[1]
    held = Following(over.job_id, second.id, over.queue_id, world.clock.now(), 0, "<2@example.org>", held="field")
    assert world.run(world.store.follow([held])) == 1
    finding = line(found(world), "fields")
    assert (finding.count, "step 2: the field company is missing" in finding.message) == (1, True)


def test_people_of_other_campaigns_of_the_last_days_are_found(world: World) -> None:
    shared = ["ada@example.org", "ben@example.org", "kim@example.org"]
    for name in ("unstarted", "older"):
        world.campaign(name, 0, account="out", start=False)
        world.people(name, shared)
    world.call("campaign.start", name="older")
    draft(world, 0)
    world.people("letters", ["new@example.net", *map(str.title, shared)])
    finding = line(found(world), "duplicates")
    assert (finding.severity, finding.count) == (WARNS, 3)
    assert {example.note for example in finding.examples} == {"in older"}
    world.send("out", [SENT] * 3, step=10 * SECOND)
    world.run(world.store.settle())
    assert line(found(world), "duplicates").count == 3
    world.clock.at += 31 * DAY
    assert line(found(world), "duplicates").severity is OK


# the message


@pytest.mark.parametrize(
    ("rule", "words", "other"),
    [
        ("allow", "each gets this message too", "skip"),
        ("skip", "is left out", "allow"),
        ("wait", "three days", "allow"),
    ],
)
def test_people_of_other_campaigns_are_told_what_becomes_of_them(
    world: World, rule: str, words: str, other: str
) -> None:
    world.campaign("older", 0, account="out", start=False)
    world.people("older", ["p0@example.org"])
    world.call("campaign.start", name="older")
    draft(world, 1, settings={"overlap": rule})
    told = line(found(world), "duplicates")
    assert told.message.startswith("1 person is in other campaigns of the last 30 days: ") and words in told.message
    assert told.fix.startswith(f"paceline campaign edit letters --overlap {other}")


def test_who_would_be_held_is_told_beside_who_is_sent_to(world: World) -> None:
    draft(world, 2, text="Dear {{ company }}")
    report = found(world)
    assert line(report, "people").message == "2 to send to, 2 of them when what their message lacks is mended"
    assert line(report, "fields").message.startswith("2 people: the field company is missing")
    assert report.estimate == ""


def test_a_window_that_shuts_everybody_out_names_the_command_that_opens_it(world: World) -> None:
    configure(world, 'window = { hours = "daily 08:00-10:00", zone = "UTC" }\n')
    draft(world, account="main", window={"hours": "daily 12:00-13:00", "zone": "UTC"})
    assert line(found(world), "window").fix.startswith("paceline campaign tune letters --window HOURS, or open the")


def test_a_message_too_large_is_told_against_gmail_and_against_the_server(world: World) -> None:
    data = base64.b64encode(b"x" * 20_000_000).decode()
    attachments = [{"name": "a.bin", "type": "application/zip", "data": data}, {"name": "no.pdf", "data": ""}]
    draft(world, account="main", attachments=attachments)
    report = found(world, login=Login(size=10_000_000))
    assert "the server takes 10.0 MB" in line(report, "size").message
    assert "1 attached without content: no.pdf" in line(report, "attachments").message
    assert "Gmail takes 25.0 MB" in line(found(world, login=Login()), "size").message


def test_every_step_is_weighed_as_it_is_encoded_and_against_each_server(world: World) -> None:
    """Base64 makes four bytes of three, and a line break of each 76."""
    data = base64.b64encode(b"x" * 300_000).decode()
    steps = [
        {"subject": "Again", "text": "Hi", "wait": "1d", "attachments": [{"name": "a.pdf", "data": data}]},
        {"subject": "Last", "text": "Hi", "wait": "1d", "attachments": [{"name": "b.pdf", "data": ""}]},
    ]
    draft(world, account="main", steps=steps)
    report = found(world, login=Login(size=400_000))
    large = line(report, "size")
    assert "step 2: a message has 411 kB, and the server takes 400 kB: each would fail" in large.message
    assert large.fix.startswith("paceline campaign step edit letters 2 --attach FILE")
    assert line(report, "attachments").message == "step 3: 1 attached without content: b.pdf"
    fits = line(found(world, login=Login(size=500_000)), "size")
    assert (fits.severity, fits.message) == (OK, "a message has up to 411 kB, and the server takes 500 kB")


def test_a_login_that_fails_is_told_and_one_that_was_not_tried_too(world: World) -> None:
    draft(world, account="main")
    assert line(found(world), "login").severity is SKIPPED
    assert line(found(world, login=Login("535 no")), "login").message.startswith("535 no")
    assert line(found(world, login=Login()), "login").severity is OK


def test_an_unreadable_password_is_told_and_refuses_no_start(world: World) -> None:
    configure(world, 'username = "ana"\npassword = { env = "NOT_SET_HERE" }\n')
    draft(world, account="main")
    report = found(world)
    assert line(report, "credentials").severity is WARNS
    assert report.ok


# the domain


def test_a_domain_in_order_is_fine(world: World) -> None:
    configure(world, 'dkim_selector = "s1"\n')
    draft(world, account="main")
    assert {"mx", "spf", "dkim", "dmarc"} <= checks(found(world, GOOD_ZONE), OK)


@pytest.mark.parametrize(
    ("check", "zone", "words"),
    [
        ("mx", {("letters.net", "MX"): ["0 ."]}, "takes no mail"),
        ("spf", {}, "no SPF record"),
        ("spf", {("letters.net", "TXT"): ['"v=spf1 -all"', '"v=spf1 ~all"']}, "2 SPF records"),
        ("spf", {("letters.net", "TXT"): ['"v=spf1 ?all"']}, "ends in ?all: anybody may send"),
        ("spf", {("letters.net", "TXT"): ['"v=spf1 a"']}, "has no all"),
        ("spf", {("letters.net", "TXT"): [f'"v=spf1 {"a " * 11}-all"']}, "more than 10 DNS lookups"),
        ("spf", {("letters.net", "TXT"): ['"v=spf1 nonsense -all"']}, "'nonsense' is no SPF term"),
        ("dkim", {}, "s1._domainkey.letters.net is not there"),
        ("dkim", {("s1._domainkey.letters.net", "TXT"): ['"p="']}, "revoked"),
        ("dmarc", {}, "letters.net has no DMARC record"),
        ("dmarc", {("_dmarc.letters.net", "TXT"): ['"v=DMARC1; p=maybe"']}, "no policy that counts"),
    ],
)
def test_what_is_wrong_with_a_domain_is_told(world: World, check: str, zone: Zone, words: str) -> None:
    configure(world, 'dkim_selector = "s1"\n')
    draft(world, account="main")
    finding = line(found(world, zone), check)
    assert finding.severity is WARNS
    assert words in finding.message


def test_without_a_selector_dkim_cannot_be_checked(world: World) -> None:
    draft(world, account="main")
    assert line(found(world, GOOD_ZONE), "dkim").severity is SKIPPED


def test_without_a_resolver_one_line_says_so_and_nothing_is_held_against_the_domain(world: World) -> None:
    draft(world, account="main")
    report = found(world)
    assert line(report, "dns").message == "letters.net: no resolver answered within 0.05 s"
    assert not {"mx", "spf", "dkim", "dmarc"} & {finding.check for finding in report.findings}


def test_nobody_is_asked_about_an_outbox_or_a_name_for_examples(world: World) -> None:
    draft(world)
    assert "nothing leaves this machine" in line(found(world), "dns").message
    configure(world, accounts=ACCOUNTS.replace("letters.net", "example.com"))
    world.call("campaign.edit", name="letters", account="main")
    assert "nobody can own" in line(found(world), "dns").message


# how many


def test_a_cap_says_how_many_days_it_takes(world: World) -> None:
    configure(world, "daily_cap = 10\n")
    draft(world, 35, account="main")
    assert "the cap 10/day of account main stretches 35 messages over 4 days" in line(found(world), "caps").message
    configure(world, "daily_cap = 35\n")
    assert line(found(world), "caps").severity is OK


def test_a_cap_that_is_spent_says_for_how_long(world: World) -> None:
    configure(world, 'caps = ["2/day", "2/min"]\n')
    world.campaign("before", 2, account="main")
    world.send("main", [SENT, SENT], step=10 * SECOND)
    draft(world, account="main")
    finding = line(found(world), "caps_spent")
    assert finding.severity is WARNS
    assert "the cap 2/day of account main is spent: nothing leaves through it for another 23h" in finding.message
    world.clock.at += DAY
    assert "caps_spent" not in checks(found(world), WARNS)


def test_a_cap_that_allows_nothing_can_be_written_nowhere(world: World) -> None:
    draft(world, account="main")
    with pytest.raises(PacelineError, match=r"accounts\.main\.caps\.0: must be a cap .*got '0/day'"):
        configure(world, 'caps = ["0/day"]\n')
    with pytest.raises(PacelineError, match=r"caps.*'0/day' allows nothing"):
        world.call("queue.tune", name="main", set={"caps": ["0/day"]})


def test_a_warm_up_says_how_many_days_it_takes(world: World) -> None:
    configure(world, "warmup = { start = 5, step = 1, ceiling = 7 }\n")
    draft(world, 32, account="main")
    finding = line(found(world), "caps")
    assert finding.message.startswith("the warm-up from 5 a day, 1 more each day, to 7, stretches 32 messages")
    assert finding.message.endswith("over 5 days")  # 5 + 6 + 7 + 7 + 7


def test_what_was_tuned_live_counts(world: World) -> None:
    draft(world, 35, account="main")
    assert "caps" not in {finding.check for finding in found(world).findings}
    queue = world.run(world.store.get_queue("main"))
    world.run(world.store.set_tuning(queue.id, {"caps": ["10/day"]}, Event("queue.tuned", "ana tuned main")))
    assert "the cap 10/day of account main stretches" in line(found(world), "caps").message


def test_a_window_that_never_opens_is_told(world: World) -> None:
    configure(world, 'window = { hours = "mon-sun 09:00-17:00", zone = "Europe/Berlin" }\n')
    draft(world, account="main")
    assert line(found(world), "window").severity is OK
    days = [(date(2026, 1, 1) + timedelta(days=n)).isoformat() for n in range(-2, 450)]
    configure(world, f'window = {{ hours = "mon-sun 09:00-17:00", zone = "Europe/Berlin", closed = {days} }}\n')
    finding = line(found(world), "window")
    assert finding.severity is REFUSES
    assert "does not open within the next year" in finding.message
    with pytest.raises(PacelineError, match="does not open"):
        world.call("campaign.start", name="letters")


def test_windows_that_are_never_open_together_are_told(world: World) -> None:
    configure(world, 'window = { hours = "mon-fri 09:00-12:00", zone = "Europe/Berlin" }\n')
    draft(world, account="main", window={"hours": "sat 09:00-12:00"})
    finding = line(found(world), "window")
    assert finding.severity is REFUSES
    assert "open at no common time" in finding.message
    with pytest.raises(RefusedError, match="never while its queue's is open"):
        world.call("campaign.start", name="letters")


def test_a_bulk_sender_is_told_what_receivers_ask_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.preflight.domain.BULK", 20)
    draft(world, 25, account="main")
    report = found(world, GOOD_ZONE)
    bulk = {finding.severity: finding.message for finding in report.findings if finding.check == "bulk"}
    assert "about 25 a day from letters.net" in bulk[WARNS]
    assert bulk[WARNS].endswith("one-click (unsubscribe_url)")
    assert bulk[SKIPPED].endswith("not known: DKIM")
    configure(world, 'dkim_selector = "s1"\nunsubscribe_url = "https://letters.net/leave?m={message_id}"\n')
    assert line(found(world, GOOD_ZONE), "bulk").severity is OK
    configure(world, "daily_cap = 10\n")
    assert "bulk" not in {finding.check for finding in found(world, GOOD_ZONE).findings}


# who may ask


def test_a_read_only_engine_looks_and_logs_in_nowhere(world: World) -> None:
    draft(world)
    world.context.read_only = True
    assert world.call("campaign.preflight", name="letters")["ok"]
    with pytest.raises(RefusedError, match="read-only"):
        world.call("campaign.preflight_connected", name="letters")


SECOND_ACCOUNT = """\
[accounts.more]
channel = "outbox"
folder = "more"
from_address = "ana@example.com"
"""


def of_check(report: Report, check: str) -> list[tuple[Severity, str]]:
    return [(one.severity, one.message) for one in report.findings if one.check == check]


def test_caps_and_windows_are_looked_at_for_every_account(world: World) -> None:
    shut = 'daily_cap = 2\nwindow = { hours = "mon-fri 09:00-17:00", zone = "Europe/Berlin" }\n'
    configure(world, SECOND_ACCOUNT + shut)
    draft(world, people=12, also=["more"])
    report = found(world)
    assert [message for _, message in of_check(report, "caps")] == [
        "the cap 2/day of account more stretches 6 messages over 3 days"
    ]
    assert [message for _, message in of_check(report, "window")] == [
        "account more: sends mon-fri 09:00-17:00 Europe/Berlin"
    ]


def test_the_from_domain_of_every_account_is_asked_for_once(world: World) -> None:
    main = ACCOUNTS[ACCOUNTS.index("[accounts.main]") :]
    same, other = main.replace("main]", "same]"), main.replace("main]", "more]").replace("letters.net", "other.net")
    configure(world, same + other)
    draft(world, account="main", also=["same", "more", "out"])
    zone = {**GOOD_ZONE, ("other.net", "TXT"): ['"v=spf1 ?all"']}
    assert of_check(found(world, zone), "spf") == [
        (OK, "letters.net: ends in -all, 0 of 10 lookups"),
        (WARNS, "other.net: its SPF record ends in ?all: anybody may send for it"),
    ]


def test_a_window_of_a_further_account_that_never_opens_refuses_the_start(world: World) -> None:
    configure(world, SECOND_ACCOUNT + 'window = { hours = "mon-fri 09:00-12:00", zone = "Europe/Berlin" }\n')
    draft(world, also=["more"], window={"hours": "sat 09:00-12:00", "zone": "Europe/Berlin"})
    (first, more) = of_check(found(world), "window")
    assert first[0] is OK
    assert more[0] is REFUSES and more[1].startswith("account more: account and campaign are open at no common time")
    with pytest.raises(RefusedError, match="never while its queue's is open"):
        world.call("campaign.start", name="letters")


def test_an_account_that_the_configuration_lost_is_told_by_its_name_and_refuses_the_start(world: World) -> None:
    configure(world, SECOND_ACCOUNT)
    draft(world, also=["more"])
    configure(world)
    (first, lost) = of_check(found(world), "account")
    assert first[0] is OK
    assert lost[0] is REFUSES and "more" in lost[1]
    with pytest.raises(PacelineError):
        world.call("campaign.start", name="letters")


def test_the_login_of_every_account_is_tried(world: World) -> None:
    configure(world, '[accounts.third]\nchannel = "smtp"\nhost = "127.0.0.2"\ntls = "none"\n'
              'from_address = "ana@letters.net"\n')  # fmt: skip
    draft(world, account="main", also=["third"])
    told = of_check(found(world, login=Login("no answer")), "login")
    assert [message for _, message in told] == [
        "account main: no answer: every message would wait",
        "account third: no answer: every message would wait",
    ]


def through(world: World, name: str, state: str, reason: str = "", *, until: int | None = None) -> None:
    """The breaker of a queue, as the engine would have left it."""
    queue = world.run(world.store.get_queue(name))
    world.run(world.store.set_queue_state(queue.id, QueueState(state), reason=reason, until=until))


def test_the_state_of_every_queue_of_the_campaign_is_told(world: World) -> None:
    third = SECOND_ACCOUNT.replace("more", "third")
    configure(world, SECOND_ACCOUNT + third)
    draft(world, people=12, also=["more", "third"])
    world.call("queue.pause", name="more")
    through(world, "third", "cooling", "421 slow down", until=world.clock.now() + 5 * 60 * SECOND)
    told = [one for one in found(world).findings if one.check == "queue"]
    assert [(one.severity, one.message, one.fix) for one in told] == [
        (WARNS, "queue more is paused: by ana (4 messages of a start)", "paceline queue resume more"),
        (
            WARNS,
            "queue third cools: 421 slow down; it tries one message again in 5m (4 messages of a start)",
            "wait, or: paceline queue resume third",
        ),
    ]


def test_the_queue_of_an_account_that_only_a_further_step_uses_is_told_with_the_step(world: World) -> None:
    configure(world)
    draft(world, also=["main"], steps=[{"subject": "Again", "text": "Hi", "channel": "smtp"}])
    through(world, "main", "needs_attention", "535 password not accepted")
    assert line(found(world), "queue").message == ("queue main waits for a person: 535 password not accepted (step 2)")


def test_queues_that_are_ready_are_not_told(world: World) -> None:
    configure(world, SECOND_ACCOUNT)
    draft(world, also=["more"])
    assert "queue" not in {one.check for one in found(world).findings}


def test_a_cold_campaign_is_refused_for_any_account_of_its_first_message(world: World) -> None:
    whole = COLD + SECOND_ACCOUNT.replace("outbox", "smtp").replace(
        'folder = "more"', 'host = "127.0.0.2"\ntls = "none"'
    )
    configure(world, whole)
    draft(world, account="main", also=["more"], settings={"cold": True})
    (main, more) = of_check(found(world), "cold")
    assert main[0] is WARNS
    assert more[0] is REFUSES and more[1].startswith("account more: a cold campaign needs from_name")
    with pytest.raises(RefusedError, match="a cold campaign needs from_name"):
        world.call("campaign.start", name="letters")
