"""Header values and addresses as they stand on the wire: folded, encoded, and free of injected lines."""

from __future__ import annotations

import binascii
import re
import time
from functools import lru_cache

import idna

from engine.compose.errors import AddressError

MAX_LINE = 998
"""Characters of a line without its CRLF: RFC 5322 section 2.1.1."""

_FOLD = 78
_ENCODED_LINE = 76
"""A line that holds an encoded word: RFC 2047 section 2."""
_WORD_FRAME = len("=?utf-8?b??=")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_WORD = re.compile(r" *[^ ]+")
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ASCII_ADDRESS = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*@{_LABEL}(?:\.{_LABEL})*")
_WIDE_LOCAL = re.compile(r"(?:[^\x00-\x7f]|[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-])+")
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MESSAGE_ID = re.compile(rf"<{_ATEXT}(?:\.{_ATEXT})*@{_LABEL}(?:\.{_LABEL})*>")
_PLAIN_NAME = re.compile(rf"{_ATEXT}(?: {_ATEXT})*")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def clean(value: str) -> str:
    """`value` as one line: each run of control or line-break characters is one space, the ends are trimmed,
    and what UTF-8 cannot carry (a lone surrogate) is a question mark."""
    if value.isascii() and value.isprintable():
        return value.strip(" ")
    return _CONTROLS.sub(" ", value).encode("utf-8", "replace").decode().strip(" ")


def header_value(name: str, value: str) -> str:
    """`value` as the unstructured body of header `name`: ASCII without control characters, CRLF only where it
    is folded. Text that needs it is written as RFC 2047 encoded words, also text that only looks like one."""
    value = clean(value)
    used = len(name) + 2
    if value.isascii() and "=?" not in value:
        if used + len(value) <= _FOLD:
            return value
        folded = _fold(value, used)
        if folded is not None:
            return folded
    return encoded_words(value, used)


def _fold(value: str, used: int) -> str | None:
    """Break ASCII text before spaces (RFC 5322 section 2.2.3); None if a word is too long for any line."""
    lines: list[str] = []
    line, width = "", used
    for word in _WORD.findall(value):
        if line and width + len(word) > _FOLD:
            lines.append(line)
            line, width = "", 0
        line += word
        width += len(word)
        if width > MAX_LINE:
            return None
    return "\r\n".join([*lines, line])


def encoded_words(value: str, used: int) -> str:
    """RFC 2047 base64 words of whole characters, one a line; the first line has `used` characters already."""
    words: list[str] = []
    if used + _WORD_FRAME + 16 > _ENCODED_LINE:
        words.append("")
        used = 1
    chunk: list[str] = []
    size, room = 0, _octets(used)
    for character in value:
        octets = len(character.encode())
        if size + octets > room:
            words.append(_encoded_word("".join(chunk)))
            chunk, size, room = [], 0, _octets(1)
        chunk.append(character)
        size += octets
    words.append(_encoded_word("".join(chunk)))
    return "\r\n ".join(words)


def _octets(used: int) -> int:
    return (_ENCODED_LINE - used - _WORD_FRAME) // 4 * 3


def _encoded_word(text: str) -> str:
    return f"=?utf-8?b?{binascii.b2a_base64(text.encode(), newline=False).decode()}?="


def mailbox(name: str, address: str, header: str) -> str:
    """`name <address>` for an address header; the address alone where the name is blank. The name is an atom
    or quoted string (RFC 5322 section 3.2) where it is short ASCII, else encoded words."""
    name = clean(name)
    if not name:
        return address
    if name.isascii() and "=?" not in name and len(name) <= 200:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        shown = name if _PLAIN_NAME.fullmatch(name) else f'"{quoted}"'
    else:
        shown = encoded_words(name, len(header) + 2)
    separator = " " if len(header) + len(shown.rpartition("\r\n")[2]) + len(address) < 70 else "\r\n "
    return f"{shown}{separator}<{address}>"


def envelope_address(address: str) -> tuple[str, bool]:
    """The address for the envelope and the header, and whether it needs SMTPUTF8 (RFC 6531).

    An ASCII address comes back as it is; a domain outside ASCII as its A-labels (IDNA 2008); a local part
    outside ASCII cannot be encoded, hence the flag. Raises AddressError unless it is exactly one mailbox of
    dot-atoms, so a comma, a bracket or a line break never reaches a command or a header.
    """
    local, at, domain = address.rpartition("@")
    if address.isascii():
        if not _ASCII_ADDRESS.fullmatch(address):
            raise _bad_address(address)
        wide = False
    else:
        wide = not local.isascii()
        dots = local.startswith(".") or local.endswith(".") or ".." in local
        if not at or dots or not _WIDE_LOCAL.fullmatch(local) or not local.isprintable():
            raise _bad_address(address)
        domain = ascii_domain(domain)
        address = f"{local}@{domain}"
    # RFC 5321 section 4.5.3.1: 64 octets of local part, 254 for a path without its brackets.
    if len(address) > 254 or len(local.encode()) > 64 or len(address.encode()) > 254:
        raise _bad_address(address)
    return address, wide


def _bad_address(address: str) -> AddressError:
    return AddressError(f"not one e-mail address: {address[:80]!r}", hint="Write it as name@example.org.")


@lru_cache(maxsize=4096)
def ascii_domain(domain: str) -> str:
    """The domain as A-labels (IDNA 2008 after the UTS 46 mapping). Raises AddressError if it is none."""
    try:
        ascii_form = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except UnicodeError:
        ascii_form = ""
    if not _DOMAIN.fullmatch(ascii_form) or len(ascii_form) > 253:
        raise AddressError(f"not a domain name: {domain[:80]!r}", hint="Write it as example.org.")
    return ascii_form


def checked_message_id(message_id: str) -> str:
    """`message_id` unchanged. Raises AddressError unless it is `<local@domain>` (RFC 5322 section 3.6.4)."""
    if len(message_id) > 250 or not _MESSAGE_ID.fullmatch(message_id):
        raise AddressError(f"not a Message-ID: {message_id[:80]!r}", hint="It has the form <id@example.org>.")
    return message_id


@lru_cache(maxsize=16)
def date_value(second: int) -> str:
    """RFC 5322 section 3.3 date in UTC for `second` since 1970; messages of one second share the work."""
    t = time.gmtime(second)
    return (
        f"{_DAYS[t.tm_wday]}, {t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year:04d} "
        f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} +0000"
    )
