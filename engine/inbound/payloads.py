"""Payloads of providers' webhooks, saved as JSON: Amazon SES (also inside SNS), Postmark, Mailgun, SendGrid, Unipile.

A file holds one payload, an array of them, or one a line. What a payload does not name stays empty.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from engine.inbound.model import Inbound, Kind, Raw, digest_of
from engine.inbound.providers import amazon, mailgun, postmark, sendgrid, unipile
from engine.inbound.reading import unparsable

Payload = dict[str, Any]
Events = Iterator[Inbound]

_READERS: tuple[tuple[Callable[[Payload], bool], Callable[[Payload, Raw], Events]], ...] = (
    (amazon.knows, amazon.read),
    (mailgun.knows, mailgun.read),
    (sendgrid.knows, sendgrid.read),
    (postmark.knows, postmark.read),
    (unipile.knows, unipile.read),
)


def looks_like_payload(data: bytes) -> bool:
    """Whether it begins as JSON does; no mail begins so."""
    return data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def payload_in_mail(text: str) -> bytes:
    """The JSON object with which a mail's text begins, as a subscription by mail sends it; b"" without one."""
    try:
        # A relay may have broken a line that is too long for it, in the middle of a string.
        found, _ = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError):
        return b""
    return json.dumps(found).encode() if isinstance(found, dict) else b""


def read_payload(raw: Raw) -> tuple[Inbound, ...]:
    """The events of a payload, at least one. Never raises: what is not understood is `unparsable`."""
    try:
        payloads = list(_payloads(raw.data))
        found = [event for payload in payloads for event in _read(payload, raw)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, IndexError, OverflowError) as error:
        return (unparsable(raw, f"the payload is not as its provider describes it ({type(error).__name__})"),)
    if not found:
        return (unparsable(raw, "the payload is none of Amazon SES, Postmark, Mailgun, SendGrid or Unipile"),)
    return tuple(_numbered(found, raw.data))


def _payloads(data: bytes) -> Iterator[Payload]:
    text = data.decode("utf-8-sig")
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        whole = [json.loads(line) for line in text.splitlines() if line.strip()]
    for one in whole if isinstance(whole, list) else [whole]:
        if not isinstance(one, dict):
            raise TypeError("a payload is an object")
        yield one


def _read(payload: Payload, raw: Raw) -> Events:
    for knows, read in _READERS:
        if knows(payload):
            yield from read(payload, raw)
            return
    yield Inbound(Kind.UNKNOWN, "", raw.arrived, diagnostic="no known provider's payload")


def _numbered(found: list[Inbound], data: bytes) -> Events:
    for number, event in enumerate(found):
        yield replace(event, digest=digest_of(data, number))
