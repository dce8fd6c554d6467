"""Delivery status notifications: RFC 3464, international ones by RFC 6533."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.inbound.freetext import told_about
from engine.inbound.mail import Headers, Mail, addresses_of
from engine.inbound.model import Kind
from engine.inbound.replies import ServerReply, Told, find_reply

_ACTIONS = {
    "failed": Kind.BOUNCE,
    "failure": Kind.BOUNCE,
    "delayed": Kind.DELAYED,
    "delivered": Kind.DELIVERED,
    "relayed": Kind.DELIVERED,
    "expanded": Kind.DELIVERED,
    "deliverable": Kind.DELIVERED,
}
_RECIPIENT = ("original-recipient", "final-recipient", "x-actual-recipient")
_UNICODE = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_ROUTE = re.compile(r"^(?:@[^:,\s]+,?)+:")
"""RFC 5321 appendix C: the hosts that a message was once to pass through."""
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


def read_reports(mail: Mail) -> list[Told]:
    """One entry for each different fate among the recipients, in the order of the report; empty without a report
    that names a recipient or an action."""
    found: dict[tuple[Kind, ServerReply], Told] = {}
    for groups in mail.reports:
        about = {name: value for group in groups for name, value in _of_message(group)}
        everybody = dict.fromkeys(address for group in groups for address in _addresses(group))
        for group in groups:
            told = _recipient(group, about, tuple(everybody), mail)
            if told is None:
                continue
            same = found.get((told.kind, told.reply))
            addresses = tuple(dict.fromkeys((same.addresses if same else ()) + told.addresses))
            found[(told.kind, told.reply)] = Told(told.kind, addresses, told.reply, told.action, told.reported)
    return list(found.values())


def _of_message(group: Headers) -> Iterator[tuple[str, str]]:
    names = {"reporting_mta": "reporting-mta", "envelope_id": "original-envelope-id", "arrival": "arrival-date"}
    for key, name in names.items():
        if value := group.get(name):
            yield key, _typed(value)[:200]


def _addresses(group: Headers) -> tuple[str, ...]:
    return tuple(dict.fromkeys(a for name in _RECIPIENT for value in group.all(name) for a in address_in(value)))


def _recipient(group: Headers, about: dict[str, str], everybody: tuple[str, ...], mail: Mail) -> Told | None:
    action = group.get("action").split()[0].lower().strip(";,.()") if group.get("action").split() else ""
    if not action and not any(group.has(name) for name in _RECIPIENT):
        return None
    addresses = _addresses(group)
    # Several lines of this name: the last server's words come last.
    diagnostics = [_typed(value) for value in group.all("diagnostic-code")]
    status = group.get("status")
    reply = find_reply("\n".join(diagnostics), status)
    if not reply.code or not reply.text:
        others = tuple(one for one in everybody if one not in addresses)
        reply = _from_the_words(told_about(mail.text, addresses, others), status, reply)
    kind = _ACTIONS.get(action) or _kind_by_status(status, reply)
    if kind is Kind.BOUNCE and group.has("will-retry-until") and status.startswith("4"):
        kind = Kind.DELAYED
    reported = dict(about)
    if remote := group.get("remote-mta"):
        reported["remote_mta"] = _typed(remote)[:200]
    return Told(kind, addresses, reply, action, reported)


def _from_the_words(words: str, status: str, reply: ServerReply) -> ServerReply:
    """A report without a diagnostic, completed by what its readable part says about these recipients."""
    if not words:
        return reply
    read = find_reply(words, reply.enhanced or status)
    if reply.text and not read.code:
        return reply
    return ServerReply(read.code, read.enhanced, reply.text or read.text)


def _kind_by_status(status: str, reply: ServerReply) -> Kind:
    found = _STATUS.search(status)
    first = found[0][0] if found else str(reply.code)[0]
    return {"2": Kind.DELIVERED, "4": Kind.DELAYED}.get(first, Kind.BOUNCE)


def _typed(value: str) -> str:
    """The value behind its type: `smtp; 550 no` gives `550 no` (RFC 3464 section 2.1.2)."""
    kind, semicolon, rest = value.partition(";")
    return rest.strip() if semicolon and re.fullmatch(r"\s*[\w-]+\s*", kind) else value.strip()


def address_in(value: str) -> list[str]:
    """The addresses of a recipient field, escapes of RFC 6533 section 3 and a source route undone."""
    value = _UNICODE.sub(_character, _typed(value)).strip().strip("<>")
    value = _ROUTE.sub("", value)
    return [address for address in addresses_of(value) if not address.startswith("@")]


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else ""
