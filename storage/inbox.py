"""What came back about messages that left: matched to them, and what follows from it, each in one transaction.

Reading the same mail twice changes nothing: `digest` is unique.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storage import reputation, sequences
from storage.events import Event, add_event
from storage.model import DAY, HOUR
from storage.suppressions import FULL, MAILBOX_FULL, Entry, add, by_answer

if TYPE_CHECKING:
    from storage.tx import Tx

RAW_KEPT = 256 * 1024
"""Bytes that are kept of a mail that nobody could be found for, or that was not understood."""
BY_ADDRESS = 30 * DAY
"""So long after a message an address alone names it: what comes later, without a Message-ID or token, is about
another one."""
CLOCKS = HOUR
"""How much earlier than the message it may seem to be written: clocks differ. A mailbox holds old mail as well, which
is never about what was sent later."""


@dataclass(frozen=True, slots=True)
class Returned:
    """One thing that came back, parsed. `kind`: bounce, delayed, delivered, complaint, reply, auto_reply,
    out_of_office, unsubscribe, accepted, unknown, unparsable. `suppress`: the reason word under which its address is
    to be suppressed ("" for none; `full` only at the third message within 30 days), for `suppress_for` microseconds (0:
    for ever), on the list `scope` ("": on all). `recipient_id` and `step_id` as a token told them (0: none did).
    `at` in microseconds UTC."""

    digest: str
    kind: str
    at: int
    source: str = ""
    message_ids: tuple[str, ...] = ()
    recipient_id: int = 0
    step_id: int = 0
    addresses: tuple[str, ...] = ()
    """Address keys."""
    profiles: tuple[str, ...] = ()
    code: int = 0
    enhanced: str = ""
    diagnostic: str = ""
    subject: str = ""
    text: str = ""
    suppress: str = ""
    suppress_for: int = 0
    scope: str = ""
    raw: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Effect:
    """What one thing that came back led to. `effect`: "known already", "bounced", "stopped", "suppressed", "noted" or
    "kept" (nobody it could be about was found, or it was not understood)."""

    kind: str
    effect: str
    job_id: int | None = None
    recipient_id: int | None = None
    campaign_id: int | None = None
    matched_by: str = ""


_JOB = (
    "SELECT j.id, j.state, j.error_key, j.queue_id, j.campaign_id, j.batch_id, j.recipient_id, r.address, "
    "r.address_key, "
    "r.profile, r.stopped FROM jobs j JOIN recipients r ON r.id = j.recipient_id WHERE "
)
_LEFT = "j.state IN ('completed', 'uncertain', 'bounced')"
# By the name or the provider's id of it, each by its index.
_BY_PROFILE = (
    f"{_JOB}j.recipient_id IN (SELECT id FROM recipients WHERE profile <> '' AND profile IN (SELECT ? UNION "
    f"SELECT profile FROM profiles WHERE provider_id <> '' AND provider_id = ?)) AND {_LEFT} "
    "ORDER BY j.sent_at DESC LIMIT 1"
)


def apply(tx: Tx, items: Sequence[Returned], now: int) -> list[Effect]:
    """Take in what came back; one answer each, in order."""
    return [_apply(tx, item, now) for item in items]


def _apply(tx: Tx, item: Returned, now: int) -> Effect:
    known = tx.one("SELECT effect, job_id, recipient_id, campaign_id FROM inbox WHERE digest = ?", (item.digest,))
    if known is not None:
        return Effect(item.kind, "known already", known["job_id"], known["recipient_id"], known["campaign_id"])
    job, matched_by = _match(tx, item)
    effect = _follows(tx, item, job, now)
    keep = effect == "kept"
    tx.execute(
        "INSERT INTO inbox (digest, source, kind, at, read_at, matched_by, effect, job_id, recipient_id, campaign_id, "
        "address, code, enhanced, diagnostic, subject, text, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?, ?)",
        (
            item.digest, item.source, item.kind, item.at, now, matched_by, effect, job["id"] if job else None,
            job["recipient_id"] if job else None, job["campaign_id"] if job else None,
            item.addresses[0] if item.addresses else "", item.code, item.enhanced, item.diagnostic, item.subject,
            item.text, item.raw[:RAW_KEPT] if keep else None,
        ),
    )  # fmt: skip
    if job is None:
        return Effect(item.kind, effect)
    return Effect(item.kind, effect, job["id"], job["recipient_id"], job["campaign_id"], matched_by)


def _match(tx: Tx, item: Returned) -> tuple[Any, str]:
    """The message that it is about, and by what it was found; (None, "") when nobody can tell."""
    if item.recipient_id:
        where, values = "j.recipient_id = ?", [item.recipient_id]
        if item.step_id:
            where, values = f"{where} AND j.step_id = ?", [item.recipient_id, item.step_id]
        row = tx.one(f"{_JOB}{where} ORDER BY {_LEFT} DESC, j.id DESC LIMIT 1", values)
        if row is not None:
            return row, "token"
    for message_id in item.message_ids:
        row = tx.one(f"{_JOB}j.message_id = ? AND j.message_id <> ''", (message_id,))
        if row is not None:
            return row, "Message-ID"
    for address in item.addresses:
        row = tx.one(
            f"{_JOB}j.recipient_id IN (SELECT id FROM recipients WHERE address_key = ?) AND {_LEFT} "
            "AND COALESCE(j.sent_at, j.updated_at) BETWEEN ? AND ? "
            "ORDER BY COALESCE(j.sent_at, j.updated_at) DESC LIMIT 1",
            (address, item.at - BY_ADDRESS, item.at + CLOCKS),
        )
        if row is not None:
            return row, "address"
    for profile in item.profiles:
        row = tx.one(_BY_PROFILE, (profile, profile))
        if row is not None:
            return row, "profile"
    return None, ""


_COMPLAINED = "SELECT 1 FROM inbox WHERE job_id = ? AND kind = 'complaint' LIMIT 1"


def _follows(tx: Tx, item: Returned, job: Any, now: int) -> str:
    # A bounce about no message of ours may be forged, or a stranger's; a wish to be left alone is honoured anyway.
    wished = item.kind in ("complaint", "unsubscribe") and bool(item.addresses)
    if item.suppress and item.suppress != FULL and (job is not None or wished):
        value = job["address_key"] if job is not None else item.addresses[0]
        add(
            tx,
            [
                Entry(
                    "address", value, item.suppress, scope=item.scope, source=item.source, note=item.diagnostic[:200],
                    expires_at=now + item.suppress_for if item.suppress_for else None,
                    campaign_id=job["campaign_id"] if job is not None else None,
                    job_id=job["id"] if job is not None else None,
                )
            ],
            "inbox", now,
        )  # fmt: skip
    if job is None:
        return "suppressed" if item.suppress and wished else "kept"
    match item.kind:
        case "bounce":
            return _bounced(tx, item, job, now)
        case "complaint":
            if tx.one(_COMPLAINED, (job["id"],)) is not None:
                # Two feedback loops, or a report and a payload, about one complaint.
                return "noted"
            reputation.note_feedback(tx, job["campaign_id"], job["queue_id"], bounced=0, complained=1, now=now)
            return _stopped(tx, item, job, "unsubscribed", now)
        case "unsubscribe":
            return _stopped(tx, item, job, "unsubscribed", now)
        case "reply":
            return _replied(tx, item, job, now)
        case "accepted":
            sequences.note_accepted(tx, job["queue_id"], [job["profile"]], item.at, now)
            return "noted"
        case "unknown" | "unparsable":
            return "kept"
    return "noted"


def _bounced(tx: Tx, item: Returned, job: Any, now: int) -> str:
    if job["state"] not in ("completed", "uncertain"):
        return "noted"
    words = (item.diagnostic or item.subject)[:500]
    full = item.suppress == FULL
    key = f"bounced: {item.enhanced or item.code or 'no code'} {MAILBOX_FULL if full else words}".strip()[:100]
    tx.execute(
        "UPDATE jobs SET state = 'bounced', reason = 'bounced', error_key = ?, last_error = ?, updated_at = ? WHERE id "
        "= ?",
        (key, words, now, job["id"]),
    )
    tx.move([(job, job["state"], job["error_key"], "bounced", key)])
    if full:
        # It says nothing about the sender or the list, but an address that stays full is given up.
        by_answer(tx, job["id"], FULL, item.suppress_for, words, now, source=item.source, by="inbox")
    else:
        reputation.note_feedback(tx, job["campaign_id"], job["queue_id"], bounced=1, complained=0, now=now)
    stops = _stop_on(tx, job["campaign_id"])
    if "bounce" in stops:
        sequences.stop_person(tx, job["recipient_id"], "bounced", now)
    else:
        sequences.skip_conditional(tx, job["recipient_id"], "no_bounce", "bounced", now)
    _tell(tx, job, "message.bounced", f"{job['address']} bounced: {words}", "warning", now)
    return "bounced"


def _replied(tx: Tx, item: Returned, job: Any, now: int) -> str:
    tx.execute(
        "UPDATE recipients SET replied_at = COALESCE(replied_at, ?) WHERE id = ?", (item.at, job["recipient_id"])
    )
    if "reply" not in _stop_on(tx, job["campaign_id"]):
        sequences.skip_conditional(tx, job["recipient_id"], "no_reply", "replied", now)
        _tell(tx, job, "message.replied", f"{job['address']} replied: {item.subject[:100]}", "info", now)
        return "noted"
    return _stopped(tx, item, job, "replied", now)


def _stopped(tx: Tx, item: Returned, job: Any, why: str, now: int) -> str:
    spared = sequences.stop_person(tx, job["recipient_id"], why, now)
    if why == "unsubscribed":
        # Whoever asked to be left alone is left alone by every campaign that still has something for this address.
        for row in tx.all(
            "SELECT id FROM recipients WHERE address_key = ? AND stopped = '' AND id <> ?",
            (job["address_key"], job["recipient_id"]),
        ):
            if not item.scope:
                spared += sequences.stop_person(tx, row["id"], why, now)
    more = f"; {spared} further message{'s' if spared != 1 else ''} will not be sent" if spared else ""
    word = {"complaint": "complained", "unsubscribe": "unsubscribed", "reply": "replied"}.get(item.kind, why)
    level = "warning" if item.kind == "complaint" else "info"
    _tell(tx, job, f"message.{word}", f"{job['address']} {word}{more}", level, now)
    return "stopped"


def _stop_on(tx: Tx, campaign_id: int) -> tuple[str, ...]:
    """What ends a person's sequence: `stop_on` of the campaign's settings, a reply and a bounce unless it says else."""

    row = tx.one("SELECT settings FROM campaigns WHERE id = ?", (campaign_id,))
    settings = json.loads(row["settings"]) if row is not None else {}
    return tuple(settings.get("stop_on", ("reply", "bounce")))


def _tell(tx: Tx, job: Any, kind: str, text: str, level: str, now: int) -> None:
    add_event(
        tx,
        Event(kind, text[:400], level, campaign_id=job["campaign_id"], queue_id=job["queue_id"], job_id=job["id"]),
        now,
    )


def cursor(tx: Tx, source: str) -> str:
    """How far a mailbox was read, as its reader wrote it down; "" for never."""
    row = tx.one("SELECT cursor FROM inbox_cursors WHERE source = ?", (source,))
    return str(row["cursor"]) if row is not None else ""


def set_cursor(tx: Tx, source: str, value: str, now: int) -> None:
    tx.execute(
        "INSERT INTO inbox_cursors (source, cursor, read_at) VALUES (?, ?, ?) "
        "ON CONFLICT (source) DO UPDATE SET cursor = excluded.cursor, read_at = excluded.read_at",
        (source, value, now),
    )


def token_secret(tx: Tx) -> bytes:
    """What signs unsubscribe and return-path tokens."""
    return bytes.fromhex(tx.one("SELECT value FROM settings WHERE key = 'token_secret'")["value"])
