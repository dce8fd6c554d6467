"""The From domain: what its DNS says, and whether it may send as many messages as this."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from engine.dns import SPF_LOOKUPS, Dkim, Dmarc, DomainFacts, Mx, Spf, Unanswered
from engine.preflight.findings import Finding, ok, skipped, warns
from engine.preflight.subject import Subject
from storage.model import DAY

BULK: Final = 5_000
"""Messages a day from one From domain, from which on Gmail, Yahoo and Outlook.com ask for all of it, for ever."""
F = TypeVar("F", Mx, Spf, Dkim, Dmarc)


def asked(subject: Subject) -> Iterable[Finding]:
    """Why the DNS could not be asked: one line instead of four."""
    if subject.dns is None:
        if subject.no_dns:
            yield skipped("dns", subject.no_dns)
    elif subject.dns.unanswered:
        yield skipped("dns", f"{subject.dns.domain}: {subject.dns.unanswered}", "check again where a resolver answers")


def _facts(subject: Subject) -> DomainFacts | None:
    return subject.dns if subject.dns is not None and not subject.dns.unanswered else None


def mx(subject: Subject) -> Iterable[Finding]:
    """Bounces and replies go to the From domain: somebody must take them."""
    if (facts := _facts(subject)) is None:
        return
    found = facts.mx
    if isinstance(found, Unanswered):
        yield skipped("mx", f"MX of {facts.domain}: {found.reason}")
    elif found.hosts:
        yield ok("mx", f"{facts.domain} takes mail at {found.hosts[0]}")
    elif found.implicit:
        yield warns("mx", f"{facts.domain} has no MX record: replies go to its own address, if at all", _record("MX"))
    else:
        yield warns("mx", f"{facts.domain} takes no mail: bounces and replies are lost", _record("MX"))


def spf(subject: Subject) -> Iterable[Finding]:
    """One record that ends in a refusal, and asks no more than receivers allow (RFC 7208)."""
    if (facts := _facts(subject)) is None:
        return
    found = facts.spf
    if isinstance(found, Unanswered):
        yield skipped("spf", f"SPF of {facts.domain}: {found.reason}")
    elif trouble := _spf_trouble(found):
        yield warns("spf", f"{facts.domain}: {trouble[0]}", trouble[1])
    else:
        yield ok("spf", f"{facts.domain}: ends in {found.ends}, {found.lookups} of {SPF_LOOKUPS} lookups")


def _spf_trouble(found: Spf) -> tuple[str, str] | None:
    """What is wrong, and the fix."""
    if not found.records:
        return "no SPF record: receivers cannot tell who may send for it", _record("TXT v=spf1 include:... ~all")
    if len(found.records) > 1:
        return f"{len(found.records)} SPF records: receivers count that as broken", "make them one TXT record"
    if found.lookups > SPF_LOOKUPS:
        return (
            f"its SPF record needs more than {SPF_LOOKUPS} DNS lookups: receivers count that as broken",
            "take includes out, or write their ip4: and ip6: ranges",
        )
    if found.broken:
        return f"its SPF record is broken: {found.broken}", "mend the TXT record"
    if found.ends not in ("~all", "-all"):
        how = f"ends in {found.ends}" if found.ends else "has no all"
        return f"its SPF record {how}: anybody may send for it", "end the TXT record in ~all or -all"
    return None


def dkim(subject: Subject) -> Iterable[Finding]:
    """The key with which the server signs, where its selector is known."""
    if (facts := _facts(subject)) is None:
        return
    found = facts.dkim
    if found is None:
        fix = f"set dkim_selector in {subject.in_settings}"
        yield skipped("dkim", f"DKIM of {facts.domain} cannot be checked: no selector is set, the DNS lists none", fix)
    elif isinstance(found, Unanswered):
        yield skipped("dkim", f"DKIM of {facts.domain}: {found.reason}")
    elif not found.record or found.revoked:
        what = "has an empty key: it is revoked" if found.revoked else "is not there"
        yield warns(
            "dkim",
            f"{found.selector}._domainkey.{facts.domain} {what}",
            "publish the key that your provider names, or mend dkim_selector",
        )
    else:
        yield ok("dkim", f"{facts.domain}: selector {found.selector} has a key")


def dmarc(subject: Subject) -> Iterable[Finding]:
    """A policy, and whether the envelope's sender is aligned with it (RFC 7489)."""
    if (facts := _facts(subject)) is None:
        return
    found = facts.dmarc
    if isinstance(found, Unanswered):
        yield skipped("dmarc", f"DMARC of {facts.domain}: {found.reason}")
    elif not found.record:
        yield warns("dmarc", f"{facts.domain} has no DMARC record", _record("TXT v=DMARC1; p=none; rua=mailto:..."))
    elif found.policy not in ("none", "quarantine", "reject"):
        yield warns("dmarc", f"the DMARC record of {found.at} has no policy that counts: {found.record[:80]}",
                    "p=none, p=quarantine or p=reject")  # fmt: skip
    else:
        key = "its own domain" if found.strict_dkim else "its domain or one below"
        below = f" of {found.at}" if found.at != facts.domain else ""
        yield ok("dmarc", f"{facts.domain}: p={found.policy}{below}; {_aligned(subject)}, DKIM must sign for {key}")


def _aligned(subject: Subject) -> str:
    """SPF is about the envelope's sender: the From address, or an account's `return_path` (RFC 7489 section 3.1.2)."""
    mail = subject.account.mail if subject.account is not None else None
    domain = (mail.return_path or mail.from_address).rpartition("@")[2].lower() if mail is not None else ""
    own = subject.sender.rpartition("@")[2].lower() or domain
    if domain == own or domain.endswith(f".{own}") or own.endswith(f".{domain}"):
        return "SPF is aligned"
    return f"SPF is about {domain}, where bounces go, and not aligned"


def bulk_sender(subject: Subject) -> Iterable[Finding]:
    """What Gmail and others ask of those who send 5,000 a day from one From domain."""
    today = _a_day(subject) + subject.sent_today
    if today < BULK or subject.factory is None or subject.account is None:
        return
    who = subject.factory.sender.rpartition("@")[2]
    facts = _facts(subject)
    missing = [] if subject.account.mail and subject.account.mail.unsubscribe_url else ["one-click (unsubscribe_url)"]
    unknown = ["SPF, DKIM and DMARC"] if facts is None else []
    if facts is not None:
        if isinstance(facts.spf, Unanswered):
            unknown.append("SPF")
        elif _spf_trouble(facts.spf):
            missing.append("SPF")
        if facts.dkim is None or isinstance(facts.dkim, Unanswered):
            unknown.append("DKIM")
        elif not facts.dkim.record or facts.dkim.revoked:
            missing.append("DKIM")
        if isinstance(facts.dmarc, Unanswered):
            unknown.append("DMARC")
        elif not facts.dmarc.record:
            missing.append("DMARC")
    much = f"about {today:,} a day from {who}: from {BULK:,} on, Gmail, Yahoo and Outlook.com refuse what lacks"
    if missing:
        yield warns("bulk", f"{much} {', '.join(missing)}", "mend these, or set a daily_cap in " + subject.in_settings)
    if unknown:
        yield skipped("bulk", f"{much} SPF, DKIM, DMARC or one-click; not known: {', '.join(unknown)}")
    if not missing and not unknown:
        yield ok("bulk", f"about {today:,} a day from {who}: SPF, DKIM, DMARC and one-click are there")


def _a_day(subject: Subject) -> int:
    """At most so many of this campaign in 24 hours."""
    n = subject.people.to_send
    if subject.estimate is None:
        return n
    takes = subject.estimate.last_low - subject.now
    return n if takes <= DAY else -(-n * DAY // takes)


def _record(what: str) -> str:
    return f"add it at your DNS provider: {what}"
