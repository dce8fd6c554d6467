"""From the bytes of a mail to what it says: which kind, about which message and person. Nothing here raises."""

from __future__ import annotations

from engine.inbound.arf import read_complaint
from engine.inbound.automatic import is_bulk, read_automatic
from engine.inbound.dsn import read_reports
from engine.inbound.freetext import is_daemon, read_free_text, returned_headers
from engine.inbound.mail import Headers, Mail, read_mail
from engine.inbound.model import (
    MAX_ADDRESSES,
    MAX_DIAGNOSTIC,
    MAX_EXCERPT,
    MAX_MESSAGE_IDS,
    MAX_SUBJECT,
    Inbound,
    Kind,
    Raw,
    digest_of,
)
from engine.inbound.quoting import own_words
from engine.inbound.replies import ServerReply, Told
from engine.inbound.tokens import token_in
from engine.inbound.words import LEAVE

LEAVE_PREFIXES = ("leave", "unsubscribe", "unsub", "optout", "opt-out", "remove", "abmelden")
_SENT_TO = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-forwarded-to", "to", "cc", "resent-to")
_NOTHING = ServerReply(0, "", "")


def read(raw: Raw) -> tuple[Inbound, ...]:
    """The events that a mail tells of, at least one: a report on several recipients may tell of several."""
    try:
        mail = read_mail(raw.data)
        told = _told(mail) if mail is not None else []
    except Exception as error:
        # A parser must not stop the intake: the mail is kept, listed, and can be looked at.
        return (unparsable(raw, f"it cannot be taken apart ({type(error).__name__})"),)
    if mail is None:
        return (unparsable(raw, "it has no mail header"),)
    return tuple(_event(raw, mail, one, number) for number, one in enumerate(told))


def unparsable(raw: Raw, why: str) -> Inbound:
    """What could not be read, as an event of its own."""
    start = raw.data[:MAX_EXCERPT].decode("utf-8", "replace")
    return Inbound(Kind.UNPARSABLE, digest_of(raw.data), raw.arrived, diagnostic=why, text=start)


def _told(mail: Mail) -> list[Told]:
    reports = read_reports(mail)
    if reports:
        return reports
    complaint = read_complaint(mail)
    if complaint is not None:
        return [complaint]
    if mail.disposition:
        return [_disposition(mail.disposition)]
    senders = tuple(mail.headers.addresses("from")) or tuple(mail.headers.addresses("sender", "reply-to"))
    if _asks_to_leave_by_address(mail.headers):
        return [Told(Kind.UNSUBSCRIBE, senders, _NOTHING, "address")]
    bounces = read_free_text(mail)
    if bounces:
        return bounces
    words = own_words(mail.text)
    if _asks_to_leave(mail.headers.get("subject"), ""):
        # Mail programs that unsubscribe for their user mark it as automatic.
        return [Told(Kind.UNSUBSCRIBE, senders, _NOTHING, "subject")]
    automatic = read_automatic(mail, words)
    if automatic is not None:
        return [Told(automatic[0], senders, _NOTHING, automatic[1])]
    if _asks_to_leave("", words):
        return [Told(Kind.UNSUBSCRIBE, senders, _NOTHING, "words")]
    if not senders or (not _answers(mail.headers) and (is_bulk(mail.headers) or is_daemon(mail.headers))):
        return [Told(Kind.UNKNOWN, senders, _NOTHING, "")]
    return [Told(Kind.REPLY, senders, _NOTHING, "")]


def _disposition(fields: Headers) -> Told:
    """A read receipt (RFC 8098): a program's answer, whatever became of the mail."""
    word = fields.get("disposition").rpartition(";")[2].strip().lower()[:40]
    recipients = fields.addresses("original-recipient", "final-recipient")
    addresses = tuple(address.rpartition(";")[2].strip() for address in recipients)
    reported = (
        {"message_id": fields.get("original-message-id").strip("<> ")} if fields.has("original-message-id") else {}
    )
    return Told(Kind.AUTO_REPLY, tuple(dict.fromkeys(addresses)), _NOTHING, word or "receipt", reported)


def _asks_to_leave_by_address(headers: Headers) -> bool:
    return any(token_in(address)[0] in LEAVE_PREFIXES for address in headers.addresses(*_SENT_TO))


def _asks_to_leave(subject: str, words: str) -> bool:
    """Whether a subject, or the whole of a short mail, is a wish to be left alone."""
    short = " ".join(words.split()).strip(" .!,")
    if short and len(short) <= 120 and LEAVE.fullmatch(short):
        return True
    return bool(subject) and LEAVE.fullmatch(subject.strip(" .!")) is not None


def _answers(headers: Headers) -> bool:
    return headers.has("in-reply-to") or headers.has("references")


def _event(raw: Raw, mail: Mail, told: Told, number: int) -> Inbound:
    headers = mail.headers
    original = mail.originals[0] if mail.originals else returned_headers(mail) if _is_report(told.kind) else Headers([])
    at = headers.when(raw.arrived)
    return Inbound(
        told.kind,
        digest_of(raw.data, number),
        raw.arrived if at is None else at,
        message_ids=_message_ids(told, headers, original),
        token=_token(headers, original),
        addresses=(told.addresses or _sent_to(told.kind, headers, original))[:MAX_ADDRESSES],
        code=told.reply.code,
        enhanced=told.reply.enhanced,
        diagnostic=_clean(told.reply.text, MAX_DIAGNOSTIC),
        subject=_clean(headers.get("subject"), MAX_SUBJECT),
        text=_clean(own_words(mail.text) or mail.text.strip(), MAX_EXCERPT),
        action=told.action,
        reported=_reported(told, headers, original),
    )


def _sent_to(kind: Kind, headers: Headers, original: Headers) -> tuple[str, ...]:
    """Whom a report is about that names nobody: the only one that the original went to."""
    if not _is_report(kind):
        return ()
    found = headers.addresses("x-failed-recipients") or original.addresses("to")
    return tuple(found[:1]) if len(found) == 1 else ()


def _is_report(kind: Kind) -> bool:
    return kind in (Kind.BOUNCE, Kind.DELAYED, Kind.DELIVERED, Kind.COMPLAINT)


def _message_ids(told: Told, headers: Headers, original: Headers) -> tuple[str, ...]:
    found = [told.reported["message_id"]] if told.reported.get("message_id") else []
    found += original.message_ids("message-id")
    found += [one for name in ("in-reply-to", "x-ms-exchange-parent-message-id") for one in headers.message_ids(name)]
    found += reversed(headers.message_ids("references"))
    return tuple(one[:250] for one in dict.fromkeys(found) if one)[:MAX_MESSAGE_IDS]


def _token(headers: Headers, original: Headers) -> str:
    places = headers.addresses(*_SENT_TO) + original.addresses("return-path", "from", "sender", "reply-to")
    return next((token for _, token in map(token_in, places) if token), "")


def _reported(told: Told, headers: Headers, original: Headers) -> dict[str, str]:
    facts = {"from": headers.get("from")}
    names = {"original_from": "from", "original_to": "to", "original_subject": "subject", "original_date": "date"}
    for key, name in names.items():
        facts[key] = original.get(name)
    facts["original_return_path"] = original.get("return-path")
    return {key: _clean(value, 250) for key, value in {**facts, **told.reported}.items() if value}


def _clean(text: str, limit: int) -> str:
    """Text that any encoder takes, cut to its limit."""
    return text[:limit].encode("utf-8", "replace").decode()
