"""What the DNS says of a domain that sends mail: MX, SPF, DKIM and DMARC.

Asked through dnspython, which is imported with the first question: it takes 60 ms that a start can do without. Each
fact is what was found, or `Unanswered`: a resolver that is silent says nothing about the domain.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

T = TypeVar("T")

QUESTION_SECONDS: Final = 3.0
"""What one question may take, all servers and tries together."""
FACT_SECONDS: Final = 10.0
"""What one fact may take: an SPF record may need eleven questions, one after the other."""
SPF_LOOKUPS: Final = 10
"""Terms of an SPF record that may ask the DNS; one more and receivers count it as broken (RFC 7208 4.6.4)."""

_SPECIAL = frozenset({"test", "example", "invalid", "localhost", "local", "internal", "onion", "alt"})
_EXAMPLES = frozenset({"example.com", "example.net", "example.org"})
_SPF = re.compile(r"v=spf1(?: |$)", re.IGNORECASE)
_MECHANISM = re.compile(
    r"(?P<sign>[+?~-]?)(?P<name>all|include|a|mx|ptr|ip4|ip6|exists)(?::(?P<target>[^/]+|[0-9a-f:.]+))?(?:/[\d/]+)?",
    re.IGNORECASE,
)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9_.-]*)=(?P<value>.*)", re.IGNORECASE)
_ASKING = ("include", "a", "mx", "ptr", "exists")


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No answer: `reason` is what kept it away."""

    reason: str


@dataclass(frozen=True, slots=True)
class Mx:
    """Who takes mail for the domain: host names, the preferred one first. `implicit`: there is no MX record, the
    domain's own address counts (RFC 5321 5.1). `refuses`: its one record says that it takes no mail (RFC 7505)."""

    hosts: tuple[str, ...] = ()
    implicit: bool = False
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class Spf:
    """Who may send for the domain. `records`: as they stand (there must be one). `ends`: what its `all` says of
    everybody else, "-all", "~all", "?all", "+all" or "" for none. `lookups`: terms that ask the DNS, its includes' with
    them; over the limit no more includes are followed. `broken`: what makes it count for nothing, "" otherwise."""

    records: tuple[str, ...] = ()
    ends: str = ""
    lookups: int = 0
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Dkim:
    """The key under one selector. `record` is "" where there is none; `revoked`: its key is empty (RFC 6376 3.6.1)."""

    selector: str
    record: str = ""
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Dmarc:
    """What receivers shall do with mail that is not aligned. `at`: the domain whose record counts, "" for none;
    `policy`: none, quarantine or reject; `strict_spf`, `strict_dkim`: that domain itself, and no other below it."""

    at: str = ""
    record: str = ""
    policy: str = ""
    strict_spf: bool = False
    strict_dkim: bool = False


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """One domain. `dkim` is None where no selector is known: the DNS cannot list them."""

    domain: str
    mx: Mx | Unanswered
    spf: Spf | Unanswered
    dkim: Dkim | Unanswered | None
    dmarc: Dmarc | Unanswered

    @property
    def unanswered(self) -> str:
        """Why nothing at all was answered; "" when something was."""
        found = [self.mx, self.spf, self.dmarc]
        reasons = [fact.reason for fact in found if isinstance(fact, Unanswered)]
        return reasons[0] if len(reasons) == len(found) else ""


def is_special(domain: str) -> bool:
    """Whether nobody can own the name: examples, tests, names of one network (RFC 2606, RFC 6761), single labels."""
    labels = domain.lower().rstrip(".").split(".")
    return len(labels) < 2 or labels[-1] in _SPECIAL or ".".join(labels[-2:]) in _EXAMPLES


class Names:
    """A resolver. `servers` are addresses of name servers, all at `port`; without them this machine's own are asked."""

    def __init__(self, servers: tuple[str, ...] = (), port: int = 53, *, timeout: float = QUESTION_SECONDS) -> None:
        self._servers = servers
        self._port = port
        self._timeout = timeout
        self._resolver: Resolver | None = None

    async def texts(self, name: str) -> tuple[str, ...]:
        """TXT records, the strings of each joined; () without one. Raises LookupTroubleError."""
        return tuple(
            b"".join(record.strings).decode("utf-8", "replace").strip() for record in await self._ask(name, "TXT")
        )

    async def exchangers(self, name: str) -> tuple[str, ...]:
        """Hosts of MX records, the preferred one first; "." for the host that is none. Raises LookupTroubleError."""
        records = sorted(await self._ask(name, "MX"), key=lambda record: record.preference)
        return tuple(record.exchange.to_text(omit_final_dot=True) for record in records)

    async def has_address(self, name: str) -> bool:
        """Whether it has an A or AAAA record. Raises LookupTroubleError."""
        return bool(await self._ask(name, "A") or await self._ask(name, "AAAA"))

    async def _ask(self, name: str, kind: str) -> list[Any]:
        from dns import asyncresolver, exception, resolver

        try:
            if self._resolver is None:
                self._resolver = asyncresolver.Resolver(configure=not self._servers)
                if self._servers:
                    self._resolver.nameservers, self._resolver.port = list(self._servers), self._port
                self._resolver.lifetime = self._timeout
            answer = await self._resolver.resolve(f"{name.rstrip('.')}.", kind, raise_on_no_answer=False, search=False)
        except resolver.NXDOMAIN:
            return []
        except resolver.NoResolverConfiguration:
            raise LookupTroubleError("this machine names no DNS resolver") from None
        except resolver.LifetimeTimeout:
            raise LookupTroubleError(f"no resolver answered within {self._timeout:g} s") from None
        except resolver.NoNameservers:
            raise LookupTroubleError(f"the resolver has no answer for {name}") from None
        except (exception.DNSException, OSError, UnicodeError) as error:
            raise LookupTroubleError(f"{name} could not be looked up: {type(error).__name__}") from None
        return list(answer.rrset or ())


class LookupTroubleError(Exception):
    """A question had no answer, neither yes nor no; the text says why."""


async def look_up(domain: str, names: Names, *, selector: str = "") -> DomainFacts:
    """All facts of one domain (in A-labels), asked for at once; at most `FACT_SECONDS`. Never raises for the DNS."""
    mx, spf, dkim, dmarc = await asyncio.gather(
        _bounded(_mx(domain, names)),
        _bounded(_spf(domain, names)),
        _bounded(_dkim(domain, names, selector)),
        _bounded(_dmarc(domain, names)),
    )
    return DomainFacts(domain, mx, spf, dkim, dmarc)


async def _bounded(asking: Awaitable[T]) -> T | Unanswered:
    try:
        async with asyncio.timeout(FACT_SECONDS):
            return await asking
    except LookupTroubleError as error:
        return Unanswered(str(error))
    except TimeoutError:
        return Unanswered(f"no whole answer within {FACT_SECONDS:g} s")


async def _mx(domain: str, names: Names) -> Mx:
    hosts = await names.exchangers(domain)
    if not hosts:
        return Mx(implicit=await names.has_address(domain))
    named = tuple(host for host in hosts if host not in ("", "."))
    return Mx(named, refuses=not named)


async def _spf(domain: str, names: Names) -> Spf:
    records = await _spf_records(domain, names)
    if len(records) != 1:
        return Spf(records)
    walk = _SpfWalk(names)
    ends = await walk.follow(records[0])
    return Spf(records, ends, walk.lookups, walk.broken)


async def _spf_records(domain: str, names: Names) -> tuple[str, ...]:
    return tuple(text for text in await names.texts(domain) if _SPF.match(text))


class _SpfWalk:
    """Counts what an SPF record asks the DNS, its includes with it (RFC 7208 4.6.4): the most that a check could."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.lookups = 0
        self.broken = ""

    async def follow(self, record: str) -> str:
        """What the record says of everybody whom it does not name: its `all`, with the sign."""
        redirect = ""
        for term in record.split()[1:]:
            if found := _MECHANISM.fullmatch(term):
                name = found["name"].lower()
                if name == "all":
                    return f"{found['sign'] or '+'}all"
                if name in _ASKING:
                    await self._ask(name, found["target"] or "")
            elif modifier := _MODIFIER.fullmatch(term):
                if modifier["name"].lower() == "redirect":
                    redirect = modifier["value"]
            else:
                self._break(f"'{term[:60]}' is no SPF term")
        return await self._ask("redirect", redirect) if redirect else ""

    async def _ask(self, name: str, target: str) -> str:
        self.lookups += 1
        # Over the limit nothing more needs to be known; a macro depends on the message.
        if name not in ("include", "redirect") or self.lookups > SPF_LOOKUPS or "%" in target:
            return ""
        records = await _spf_records(target, self._names)
        if len(records) == 1:
            return await self.follow(records[0])
        self._break(f"{name} of {target[:80]}: {len(records) or 'no'} SPF records there")
        return ""

    def _break(self, why: str) -> None:
        self.broken = self.broken or why


async def _dkim(domain: str, names: Names, selector: str) -> Dkim | None:
    if not selector:
        return None
    records = [text for text in await names.texts(f"{selector}._domainkey.{domain}") if "p" in _tags(text)]
    if not records:
        return Dkim(selector)
    return Dkim(selector, records[0], revoked=not _tags(records[0])["p"])


async def _dmarc(domain: str, names: Names) -> Dmarc:
    """The domain's own record, or that of the nearest one above it: a walk up the tree stands in for the list of public
    suffixes (RFC 7489 3.2, 6.6.3). Two records count as none."""
    labels = domain.split(".")
    for at in (".".join(labels[skipped:]) for skipped in range(max(1, len(labels) - 1))):
        texts = await names.texts(f"_dmarc.{at}")
        records = [text for text in texts if re.match(r"v\s*=\s*DMARC1\s*(;|$)", text)]
        if len(records) == 1:
            tags = _tags(records[0])
            policy = tags.get("p", "") if at == domain else tags.get("sp", tags.get("p", ""))
            return Dmarc(at, records[0], policy.lower(), tags.get("aspf") == "s", tags.get("adkim") == "s")
    return Dmarc()


def _tags(record: str) -> dict[str, str]:
    """`name=value; ...` as DKIM and DMARC write it (RFC 6376 3.2)."""
    pairs = (part.partition("=") for part in record.split(";") if "=" in part)
    return {name.strip(): re.sub(r"\s+", "", value) for name, _, value in pairs}
