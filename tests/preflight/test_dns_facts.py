"""What the DNS says of a sending domain, asked of a real server on loopback."""

from __future__ import annotations

import pytest

from engine.dns import Dkim, DomainFacts, Mx, Names, Spf, Unanswered, is_special, look_up
from tests.support.name_server import Zone, serving

DOMAIN = "letters.net"


async def facts(zone: Zone, *, selector: str = "", domain: str = DOMAIN) -> DomainFacts:
    async with serving(zone) as server:
        return await look_up(domain, Names(("127.0.0.1",), server.port), selector=selector)


async def spf(*records: str, **others: str) -> Spf:
    zone = {(DOMAIN, "TXT"): [f'"{record}"' for record in records]}
    zone |= {(f"{name}.net", "TXT"): [f'"{record}"'] for name, record in others.items()}
    found = (await facts(zone)).spf
    assert isinstance(found, Spf)
    return found


async def test_the_preferred_host_of_mx_comes_first() -> None:
    found = await facts({(DOMAIN, "MX"): ["20 b.letters.net.", "10 a.letters.net."]})
    assert found.mx == Mx(("a.letters.net", "b.letters.net"))


async def test_without_mx_the_domain_s_own_address_counts() -> None:
    assert (await facts({(DOMAIN, "A"): ["192.0.2.1"]})).mx == Mx(implicit=True)


async def test_a_domain_that_takes_no_mail_says_so() -> None:
    assert (await facts({(DOMAIN, "MX"): ["0 ."]})).mx == Mx(refuses=True)


async def test_a_domain_that_is_not_there_has_nothing() -> None:
    found = await facts({("other.net", "A"): ["192.0.2.1"]}, selector="s1")
    assert (found.mx, found.spf, found.dkim) == (Mx(), Spf(), Dkim("s1"))
    assert not found.unanswered


@pytest.mark.parametrize(
    ("record", "ends", "lookups"),
    [
        ("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all", "-all", 0),
        ("v=spf1 a mx:mail.net/24 a:web.net ~all", "~all", 3),
        ("v=spf1 ptr exists:%{i}.list.net ?all", "?all", 2),
        ("V=SPF1 All", "+all", 0),
        ("v=spf1", "", 0),
        ("v=spf1 exp=why.net -all", "-all", 0),
    ],
)
async def test_an_spf_record_is_read(record: str, ends: str, lookups: int) -> None:
    found = await spf(record)
    assert (found.records, found.ends, found.lookups, found.broken) == ((record,), ends, lookups, "")


async def test_includes_and_a_redirect_are_followed_and_counted() -> None:
    found = await spf("v=spf1 include:one.net redirect=two.net", one="v=spf1 a mx ~all", two="v=spf1 a -all")
    assert (found.ends, found.lookups, found.broken) == ("-all", 5, "")


async def test_a_redirect_behind_an_all_counts_for_nothing() -> None:
    found = await spf("v=spf1 ~all redirect=two.net", two="v=spf1 -all")
    assert (found.ends, found.lookups) == ("~all", 0)


async def test_more_than_ten_lookups_are_seen_and_no_more_are_asked() -> None:
    zone = {(f"n{i}.net", "TXT"): [f'"v=spf1 include:n{i + 1}.net -all"'] for i in range(100)}
    async with serving({**zone, (DOMAIN, "TXT"): ['"v=spf1 include:n0.net -all"']}) as server:
        found = (await look_up(DOMAIN, Names(("127.0.0.1",), server.port))).spf
        asked = [name for name, kind in server.asked if kind == "TXT" and name.startswith("n")]
    assert isinstance(found, Spf)
    assert found.lookups == 11
    assert asked == [f"n{i}.net" for i in range(10)]


async def test_a_record_that_includes_itself_ends() -> None:
    assert (await spf(f"v=spf1 include:{DOMAIN} -all")).lookups == 11


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ("v=spf1 include:gone.net -all", "include of gone.net: no SPF records there"),
        ("v=spf1 ipv4:192.0.2.1 -all", "'ipv4:192.0.2.1' is no SPF term"),
    ],
)
async def test_a_broken_spf_record_says_why(record: str, why: str) -> None:
    assert (await spf(record)).broken == why


async def test_two_spf_records_are_both_told_and_other_texts_are_none() -> None:
    found = await spf("v=spf1 -all", "v=spf1 ~all", "v=spf10 x", "verify=1")
    assert sorted(found.records) == ["v=spf1 -all", "v=spf1 ~all"]


async def test_a_record_of_many_strings_is_one() -> None:
    found = (await facts({(DOMAIN, "TXT"): ['"v=spf1 ip4:192.0.2.1" " -all"']})).spf
    assert isinstance(found, Spf)
    assert found.ends == "-all"


async def test_a_dkim_key_is_found_under_its_selector() -> None:
    name = f"mail2024._domainkey.{DOMAIN}"
    found = await facts({(name, "TXT"): ['"v=DKIM1; k=rsa; p=MIGf" "MA0G"']}, selector="mail2024")
    assert found.dkim == Dkim("mail2024", "v=DKIM1; k=rsa; p=MIGfMA0G")
    found = await facts({(name, "TXT"): ['"v=DKIM1; p="']}, selector="mail2024")
    assert isinstance(found.dkim, Dkim)
    assert found.dkim.revoked
    assert (await facts({(name, "TXT"): ['"v=DKIM1; p=MIGf"']})).dkim is None


@pytest.mark.parametrize(
    ("domain", "zone", "at", "policy"),
    [
        (DOMAIN, {f"_dmarc.{DOMAIN}": "v=DMARC1; p=reject; adkim=s"}, DOMAIN, "reject"),
        (f"news.{DOMAIN}", {f"_dmarc.{DOMAIN}": "v=DMARC1;p=none;sp=quarantine"}, DOMAIN, "quarantine"),
        (f"a.b.{DOMAIN}", {f"_dmarc.{DOMAIN}": "v=DMARC1; p=none"}, DOMAIN, "none"),
        (DOMAIN, {"_dmarc.net": "v=DMARC1; p=reject"}, "", ""),
        (DOMAIN, {f"_dmarc.{DOMAIN}": "v=DMARC2; p=reject"}, "", ""),
    ],
)
async def test_the_nearest_dmarc_record_counts(domain: str, zone: dict[str, str], at: str, policy: str) -> None:
    found = (await facts({(name, "TXT"): [f'"{text}"'] for name, text in zone.items()}, domain=domain)).dmarc
    assert not isinstance(found, Unanswered)
    assert (found.at, found.policy, found.strict_dkim) == (at, policy, "adkim=s" in found.record)


async def test_two_dmarc_records_count_as_none() -> None:
    found = await facts({(f"_dmarc.{DOMAIN}", "TXT"): ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"']})
    assert not isinstance(found.dmarc, Unanswered)
    assert found.dmarc.record == ""


async def test_a_resolver_that_is_silent_leaves_every_fact_unanswered() -> None:
    async with serving({}, silent="*") as server:
        found = await look_up(DOMAIN, Names(("127.0.0.1",), server.port, timeout=0.05), selector="s1")
    assert found.unanswered == "no resolver answered within 0.05 s"
    assert isinstance(found.dkim, Unanswered)


async def test_trouble_with_one_name_is_told_of_that_fact_alone() -> None:
    zone = {(DOMAIN, "TXT"): ['"v=spf1 -all"'], (DOMAIN, "MX"): ["10 mx.letters.net."]}
    async with serving(zone, broken=[f"_dmarc.{DOMAIN}"]) as server:
        found = await look_up(DOMAIN, Names(("127.0.0.1",), server.port))
    assert found.dmarc == Unanswered(f"the resolver has no answer for _dmarc.{DOMAIN}")
    assert isinstance(found.spf, Spf)
    assert not found.unanswered


def test_names_that_nobody_can_own_are_known() -> None:
    special = ("example.com", "mail.example.org", "x.test", "localhost", "printer.local", "intranet")
    assert all(map(is_special, special))
    assert not any(map(is_special, ("letters.net", "example.de", "test.com", "notexample.com")))
