"""Tokens in addresses and links that name a person, and the step or list that it is about.

A bounce goes back to `bounces+TOKEN@domain` (VERP), an unsubscribe to `leave+TOKEN@domain` or `https://...?t=TOKEN`.
A token is base32 without case, at most 40 characters, so that it survives systems that fold a local part to lower
case and leaves room in its 64 octets (RFC 5321 section 4.5.3.1.1). It is authenticated, not secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

MAX_TOKEN = 40
MAC_OCTETS = 10
"""80 bits of HMAC-SHA256: nobody unsubscribes somebody else by guessing."""
_LIST_OCTETS = 4
_MAX_SIGNED = MAX_TOKEN * 5 // 8 - MAC_OCTETS
_VERSION = 0x50
_HAS_LIST = 0x01
_HAS_STEP = 0x02
_SHAPE = re.compile(r"[a-z2-7]{20,40}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Token:
    """What a genuine token names. `list_mark` is kept of a list's name: compare it by `names_list`."""

    recipient_id: int
    step_id: int = 0
    list_mark: bytes = b""

    def names_list(self, name: str) -> bool:
        """Whether it is about this list; a token made without a list is about none."""
        return bool(self.list_mark) and hmac.compare_digest(self.list_mark, _mark(name))


def token_for(secret: bytes, recipient_id: int, *, step_id: int = 0, list_name: str = "") -> str:
    """A token of lower-case letters and digits 2 to 7, at most 40 characters.

    `secret` are at least 16 random octets of the installation. Raises ValueError for a shorter secret and for
    numbers that do not fit (both below 2**31 always do, or one below 2**63 alone).
    """
    if recipient_id < 1 or step_id < 0:
        raise ValueError("a token names a stored recipient")
    flags = (_HAS_LIST if list_name else 0) | (_HAS_STEP if step_id else 0)
    signed = bytes([_VERSION | flags]) + _number(recipient_id)
    if step_id:
        signed += _number(step_id)
    if list_name:
        signed += _mark(list_name)
    if len(signed) > _MAX_SIGNED:
        raise ValueError("these numbers do not fit into a token")
    return base64.b32encode(signed + _mac(secret, signed)).decode().rstrip("=").lower()


def read_token(secret: bytes, text: str) -> Token | None:
    """What a token names; None unless it was made with this secret. Upper and lower case count as equal."""
    if not looks_like_token(text):
        return None
    try:
        data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except binascii.Error:
        return None
    signed, mac = data[:-MAC_OCTETS], data[-MAC_OCTETS:]
    if not hmac.compare_digest(mac, _mac(secret, signed)):
        return None
    return _unpacked(signed)


def looks_like_token(text: str) -> bool:
    """Whether it has the form of a token; says nothing about whether it is genuine."""
    return _SHAPE.fullmatch(text) is not None


def verp_address(prefix: str, token: str, domain: str) -> str:
    """`prefix+token@domain`, for a return path or a mailto link. Raises ValueError if the local part is too long."""
    local = f"{prefix}+{token}"
    if len(local) > 64:
        raise ValueError("the local part has more than 64 octets")
    return f"{local}@{domain}"


def token_in(address: str) -> tuple[str, str]:
    """The prefix (lower case) and token of a VERP address: `bounces+abc...@x` gives ("bounces", "abc...").
    The token is "" when none stands there."""
    local = address.strip("<> ").rpartition("@")[0]
    prefix, plus, tail = local.rpartition("+")
    if plus and looks_like_token(tail):
        return prefix.lower(), tail.lower()
    return local.lower(), ""


def _unpacked(signed: bytes) -> Token | None:
    if not signed or signed[0] & 0xF0 != _VERSION:
        return None
    flags, rest = signed[0], signed[1:]
    recipient_id, rest = _read_number(rest)
    step_id = 0
    if flags & _HAS_STEP:
        step_id, rest = _read_number(rest)
    if len(rest) != (_LIST_OCTETS if flags & _HAS_LIST else 0) or recipient_id < 1:
        return None
    return Token(recipient_id, step_id, rest)


def _mac(secret: bytes, signed: bytes) -> bytes:
    if len(secret) < 16:
        raise ValueError("the secret of tokens has fewer than 16 octets")
    return hmac.new(secret, b"paceline token\0" + signed, hashlib.sha256).digest()[:MAC_OCTETS]


def _mark(name: str) -> bytes:
    return hashlib.sha256(b"paceline list\0" + name.encode()).digest()[:_LIST_OCTETS]


def _number(value: int) -> bytes:
    """Its length in one octet, then the number: small ones make short tokens."""
    body = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(body)]) + body


def _read_number(data: bytes) -> tuple[int, bytes]:
    if not data:
        return 0, b""
    end = 1 + data[0]
    return int.from_bytes(data[1:end], "big"), data[end:]
