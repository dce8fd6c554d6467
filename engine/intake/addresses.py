"""One address from a cell: checked for the envelope, with the form it is compared by."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from storage.errors import UsageError

MAX_ADDRESS = 254
"""Octets of a whole address: RFC 5321 section 4.5.3.1.3 and errata 1690 of RFC 3696."""
MAX_LOCAL = 64
"""Octets before the @: RFC 5321 section 4.5.3.1.1."""

_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_PLAIN = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@((?:{_LABEL}\.)+{_LABEL})")
_TAGGED_LABEL = re.compile(r"(?:^|\.)..--")
"""Labels with `--` in third place are Punycode or reserved (RFC 5890): not for the fast path."""
RESERVED = ("arpa", "invalid", "local", "localhost", "onion")
"""Names of special use to which no mail goes (RFC 6761, RFC 6762, RFC 7686); `test` is let through."""
_RESERVED = tuple(f".{name}" for name in RESERVED)
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_OUTER_SPACE = " \t\u00a0"


class Address(NamedTuple):
    """An accepted address.

    `address` goes into the envelope: as given when it is ASCII, otherwise with a normalised (NFC) local part
    and the domain in its ASCII (IDNA) form. `key` is what addresses are compared by: local part case-folded,
    domain in lower-case ASCII. `smtputf8` is true when the local part needs the SMTPUTF8 extension, that is
    when `address` is not ASCII.
    """

    address: str
    key: str
    smtputf8: bool


class AddressError(UsageError):
    """The text is not one usable address; `reason` is a sentence that says why, free of hostile characters."""

    code = "address"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, hint="Correct the address, or leave this recipient out.")
        self.reason = reason


def parse_address(text: str) -> Address:
    """Check `text` as exactly one address; blanks around it are dropped, nothing else is repaired.

    Reserved test domains (`example.com`, `*.example`, `*.test`) are accepted; `localhost`, names without a dot,
    IP literals, quoted local parts, display names and lists are not.

    Raises AddressError with the reason.
    """
    text = text.strip(_OUTER_SPACE)
    if len(text) <= MAX_ADDRESS and (match := _PLAIN.fullmatch(text)):
        local, domain = match.groups()
        if len(local) <= MAX_LOCAL and (host := _plain_host(domain)):
            return Address(text, f"{local.lower()}@{host}", False)
    return _parse_slowly(text)


@lru_cache(maxsize=4096)
def _plain_host(domain: str) -> str:
    """The lower-case form of an LDH domain that needs no closer look, or an empty string."""
    host = domain.lower()
    if len(host) > 253 or not host[-1].isalpha() or _TAGGED_LABEL.search(host) or host.endswith(_RESERVED):
        return ""
    return host


def _parse_slowly(text: str) -> Address:
    # Imported here: a plain address needs none of it, and its tables of characters are a tenth of a command's start.
    from email_validator import EmailNotValidError, validate_email

    _check_envelope(text)
    try:
        # test_environment lets *.test pass; the library's list of special names stays as it is.
        found = validate_email(
            text,
            allow_smtputf8=True,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            check_deliverability=False,
            test_environment=True,
        )
    except EmailNotValidError as error:
        raise AddressError(str(error)) from None
    host = found.ascii_domain.lower()
    if "." not in host:
        raise AddressError("The part after the @ has no dot: a full domain name is needed.")
    address = text if text.isascii() else f"{found.local_part}@{host}"
    _check_lengths(address)
    key = unicodedata.normalize("NFC", found.local_part.casefold())
    return Address(address, f"{key}@{host}", not address.isascii())


def _check_envelope(text: str) -> None:
    """Refuse what could change an SMTP command or name a second recipient, with a reason of its own."""
    if not text:
        raise AddressError("The address is empty.")
    _check_lengths(text)
    for char in text:
        if unicodedata.category(char) in _UNSEEN:
            raise AddressError(f"The address holds an invisible or control character ({_named(char)}).")
    if "<" in text or ">" in text:
        raise AddressError("The cell holds a name or angle brackets: keep only the address itself.")
    if '"' in text:
        raise AddressError("The address holds a quotation mark, which is not supported.")
    if "," in text or ";" in text:
        raise AddressError("The cell holds a list (a comma or semicolon): keep one address a row.")
    if text.count("@") > 1:
        raise AddressError("The cell holds more than one @: keep one address a row.")
    if any(char.isspace() for char in text):
        raise AddressError("The address holds a space.")
    if "[" in text or "]" in text:
        raise AddressError("The part after the @ is an IP literal: a domain name is needed.")


def _check_lengths(text: str) -> None:
    # Lone surrogates are refused by category right after; here they only must not stop the count.
    if len(text.encode("utf-8", "surrogatepass")) > MAX_ADDRESS:
        raise AddressError(f"The address is longer than {MAX_ADDRESS} octets.")
    local = text.rpartition("@")[0]
    if len(local.encode("utf-8", "surrogatepass")) > MAX_LOCAL:
        raise AddressError(f"The part before the @ is longer than {MAX_LOCAL} octets.")


def _named(char: str) -> str:
    name = unicodedata.name(char, "")
    return f"U+{ord(char):04X} {name}".rstrip()
