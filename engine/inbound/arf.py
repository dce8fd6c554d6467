"""Complaints: the abuse reporting format (RFC 5965, RFC 6591, RFC 6650) and what some providers send instead."""

from __future__ import annotations

import re

from engine.inbound.mail import Headers, Mail, addresses_of
from engine.inbound.model import Kind
from engine.inbound.replies import ServerReply, Told

_COMPLAINTS = ("abuse", "fraud", "virus", "other", "miscategorized", "phish", "")
_LEAVES = ("opt-out", "opt-out-list", "unsubscribe")
_OLD_SUBJECT = re.compile(r"complaint about message from \[?[\da-f.:]+", re.IGNORECASE)
_RECIPIENT_FIELDS = ("original-rcpt-to", "removal-recipient", "redacted-address", "original-recipient")
_RECIPIENT_HEADERS = ("x-hmxmroriginalrecipient", "x-original-to", "delivered-to", "to")


def read_complaint(mail: Mail) -> Told | None:
    """What a feedback report says, or a complaint of the older forms; None when it is none.

    A provider may have taken the address out; then only the returned original can tell whom it is about.
    """
    feedback = mail.feedback
    if feedback:
        return _told(feedback.get("feedback-type").strip().lower(), feedback, mail)
    if mail.originals and _OLD_SUBJECT.search(mail.headers.get("subject")):
        return _told("abuse", Headers([]), mail)
    return None


def _told(kind_of: str, feedback: Headers, mail: Mail) -> Told:
    kind = Kind.COMPLAINT if kind_of in _COMPLAINTS else Kind.UNKNOWN
    if kind_of in _LEAVES:
        kind = Kind.UNSUBSCRIBE
    reported = {"feedback_type": kind_of[:40] or "abuse"}
    names = {"source_ip": "source-ip", "reporting_mta": "reporting-mta", "user_agent": "user-agent"}
    names |= {"mail_from": "original-mail-from", "arrival": "arrival-date", "reported_domain": "reported-domain"}
    for key, name in names.items():
        if value := feedback.get(name) or (feedback.get("received-date") if key == "arrival" else ""):
            reported[key] = value[:200]
    return Told(kind, _recipients(feedback, mail), ServerReply(0, "", ""), kind_of or "abuse", reported)


def _recipients(feedback: Headers, mail: Mail) -> tuple[str, ...]:
    found = [a for name in _RECIPIENT_FIELDS for value in feedback.all(name) for a in addresses_of(value.strip("<>"))]
    if not found and mail.originals:
        original = mail.originals[0]
        found = next((a for name in _RECIPIENT_HEADERS if (a := original.addresses(name))), [])
    found = found or mail.headers.addresses("x-hmxmroriginalrecipient")
    return tuple(dict.fromkeys(found))
