"""Who must not be contacted: an address, a domain or a profile, everywhere or on one list, for ever or until a time.

The list is asked where a person enters (import), where messages are planned, and at the gate; what stands there is one
table, and `among` and `stop_suppressed` are the two ways of asking it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from storage import sequences
from storage.domains import domain_of
from storage.events import Event, add_event
from storage.model import DAY

if TYPE_CHECKING:
    from storage.tx import Tx

REASONS = ("manual", "unsubscribed", "bounced", "complained", "dead", "disabled", "full", "withdrawn")
KINDS = ("address", "domain", "profile")
LIST = "COALESCE(NULLIF(c.list, ''), c.name)"
"""The list that a campaign `c` belongs to."""
SLICE = 1_000

_HITS = "SELECT kind, value, scope, reason FROM suppressions WHERE kind = '{kind}' AND value IN "


def _entry_for(kind: str, value: str) -> str:
    return (
        f"(SELECT s.reason FROM suppressions s WHERE s.kind = '{kind}' AND s.value = {value} "
        f"AND s.scope IN ('', {LIST}) AND (s.expires_at IS NULL OR s.expires_at > :now) LIMIT 1)"
    )


# Three look-ups by index: kind and value compared as pairs would read the whole list once for every person.
_DOMAIN = "substr(r.address_key, instr(r.address_key, '@') + 1)"
REASON = (
    f"COALESCE({_entry_for('address', 'r.address_key')}, {_entry_for('profile', 'r.profile')}, "
    f"{_entry_for('domain', _DOMAIN)})"
)
"""Why the person `r` of the campaign `c` must not be contacted at the time `:now`; NULL when nothing says so."""
_STOP = (
    "UPDATE recipients SET stopped = 'suppressed', stopped_at = :now WHERE id IN (SELECT r.id FROM recipients r "
    "JOIN campaigns c ON c.id = r.campaign_id WHERE r.campaign_id = :campaign AND r.id > :after AND r.id <= :end "
    f"AND r.stopped = '' AND {REASON} IS NOT NULL "
    "AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.recipient_id = r.id))"
)

# Whose entry is over meanwhile, or was taken away.
_OVER = (
    "UPDATE recipients SET stopped = '', stopped_at = NULL WHERE id IN (SELECT r.id FROM recipients r "
    "JOIN campaigns c ON c.id = r.campaign_id WHERE r.campaign_id = :campaign AND r.stopped = 'suppressed' "
    f"AND r.id > :after AND r.id <= :end AND {REASON} IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.recipient_id = r.id))"
)


def among(tx: Tx, rows: Iterable[Any], now: int) -> dict[int, str]:
    """Which of these jobs' people must not be contacted now, by recipient id, with the reason. Rows need
    `recipient_id, address_key, profile, campaign_id`."""
    if tx.one("SELECT 1 FROM suppressions LIMIT 1") is None:
        return {}
    people = [row for row in rows if row["recipient_id"] is not None]
    wanted: dict[str, set[str]] = {"address": set(), "domain": set(), "profile": set()}
    for row in people:
        for kind, value in values_of(row["address_key"], row["profile"]):
            wanted[kind].add(value)
    hits: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for kind, values in wanted.items():
        if values:
            marks = ", ".join("?" * len(values))
            for hit in tx.all(
                f"{_HITS.format(kind=kind)}({marks}) AND (expires_at IS NULL OR expires_at > ?)", (*values, now)
            ):
                hits.setdefault((kind, hit["value"]), []).append((hit["scope"], hit["reason"]))
    if not hits:
        return {}
    found = {}
    for row in people:
        for key in values_of(row["address_key"], row["profile"]):
            for scope, reason in hits.get(key, ()):
                if not scope or scope == _list_of(tx, row["campaign_id"]):
                    found[row["recipient_id"]] = reason
    return found


def values_of(address_key: str, profile: str) -> list[tuple[str, str]]:
    """What a suppression of this person could name: (kind, value) each."""
    values = [("address", address_key)]
    if domain := domain_of(address_key):
        values.append(("domain", domain))
    if profile:
        values.append(("profile", profile))
    return values


def stop_suppressed(tx: Tx, campaign_id: int, after: int, now: int) -> tuple[int, int | None]:
    """Stop the next slice of people without a message who must not be contacted, and let those go on whose entry is
    over. Returns how many, and the id that the
    next slice begins after (None: that was the last)."""
    end = tx.one(
        "SELECT max(id) AS id FROM (SELECT id FROM recipients INDEXED BY recipients_campaign WHERE campaign_id = ? "
        "AND id > ? ORDER BY id LIMIT ?)",
        (campaign_id, after, SLICE),
    )["id"]
    if end is None:
        return 0, None
    these = {"now": now, "campaign": campaign_id, "after": after, "end": end}
    tx.execute(_OVER, these)
    if tx.one("SELECT 1 FROM suppressions LIMIT 1") is None:
        return 0, None
    return tx.execute(_STOP, these).rowcount, end


def _list_of(tx: Tx, campaign_id: int) -> str:
    row = tx.one(f"SELECT {LIST} AS list FROM campaigns c WHERE c.id = ?", (campaign_id,))
    return str(row["list"]) if row is not None else ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One suppression. `value` is an address key, a domain in lower case or a cleaned profile; `scope` "" is
    everything, else a list's name; `expires_at` in microseconds UTC, None: never."""

    kind: str
    value: str
    reason: str = "manual"
    scope: str = ""
    note: str = ""
    source: str = ""
    expires_at: int | None = None
    campaign_id: int | None = None
    job_id: int | None = None


_ADD = (
    "INSERT INTO suppressions (kind, value, scope, reason, note, source, campaign_id, job_id, created_by, created_at, "
    "expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, value, scope) DO UPDATE SET "
    "expires_at = CASE WHEN suppressions.expires_at IS NULL OR excluded.expires_at IS NULL THEN NULL "
    "ELSE max(suppressions.expires_at, excluded.expires_at) END, "
    # What a person asked for outweighs what a server said.
    "reason = CASE WHEN suppressions.reason IN ('unsubscribed', 'complained') THEN suppressions.reason "
    "ELSE excluded.reason END, note = CASE WHEN excluded.note = '' THEN suppressions.note ELSE excluded.note END"
)
# Profiles are indexed where there is one.
_WHOSE = {"address": "r.address_key = {}", "profile": "r.profile <> '' AND r.profile = {}"}
_PEOPLE = {
    kind: "SELECT r.id FROM recipients r JOIN campaigns c ON c.id = r.campaign_id "
    f"WHERE {whose.format('?')} AND r.stopped = '' AND c.state <> 'cancelled' AND (? = '' OR ? = {LIST})"
    for kind, whose in _WHOSE.items()
}


def add(tx: Tx, entries: Sequence[Entry], by: str, now: int) -> tuple[int, int]:
    """Suppress; one that stands already is made no weaker. People of these addresses and profiles are written to no
    more at once; those of a domain when their turn comes, at the gate. Returns how many entries are new, and how many
    messages that spares at once."""
    new = spared = 0
    for one in entries:
        had = tx.one(
            "SELECT 1 FROM suppressions WHERE kind = ? AND value = ? AND scope = ?", (one.kind, one.value, one.scope)
        )
        new += had is None
        tx.execute(
            _ADD,
            (
                one.kind, one.value, one.scope, one.reason, one.note, one.source, one.campaign_id, one.job_id, by, now,
                one.expires_at,
            ),
        )  # fmt: skip
        if one.kind == "domain" or (one.expires_at is not None and one.expires_at <= now):
            continue
        why = {"unsubscribed": "unsubscribed", "complained": "unsubscribed", "bounced": "bounced"}.get(one.reason)
        for row in tx.all(_PEOPLE[one.kind], (one.value, one.scope, one.scope)):
            spared += sequences.stop_person(tx, row["id"], why or "suppressed", now)
    return new, spared


def remove(tx: Tx, ids: Sequence[int], now: int) -> list[dict[str, Any]]:
    """Take suppressions back, and return those that were there. Whoever nothing else stands against may be planned or
    written to again; messages that were skipped stay skipped."""
    marks = ", ".join("?" * len(ids))
    rows = tx.all(f"DELETE FROM suppressions WHERE id IN ({marks}) RETURNING *", tuple(ids))
    _free(tx, rows, now)
    return [dict(row) for row in rows]


def retried(tx: Tx, job_id: int, now: int) -> list[Entry]:
    """A person has this message tried again: what its own answer said of its address stands no longer, and is returned.
    What anybody asked for, or another message's answer said, does."""
    rows = tx.all(_OWN_ANSWER, {"job": job_id})
    _free(tx, rows, now)
    return [Entry(**{name.name: row[name.name] for name in fields(Entry)}) for row in rows]


def _free(tx: Tx, rows: Sequence[Any], now: int) -> None:
    for row in rows:
        tx.execute(_FREE[row["kind"]], {"value": row["value"], "now": now})


_OWN_ANSWER = "DELETE FROM suppressions WHERE id IN ({}) RETURNING *".format(
    " UNION ALL ".join(
        "SELECT s.id FROM jobs j JOIN recipients r ON r.id = j.recipient_id JOIN suppressions s "
        f"ON s.kind = '{kind}' AND s.value = r.{column} AND s.scope = '' "
        "WHERE j.id = :job AND s.job_id = :job AND s.source = 'answer'"
        for kind, column in (("address", "address_key"), ("profile", "profile"))
    )
)
_FREED = (
    "UPDATE recipients SET stopped = '', stopped_at = NULL WHERE stopped = 'suppressed' AND id IN (SELECT r.id "
    f"FROM {{}} AND {REASON} IS NULL)"
)
_FREE = {
    kind: _FREED.format(f"recipients r JOIN campaigns c ON c.id = r.campaign_id WHERE {whose.format(':value')}")
    for kind, whose in _WHOSE.items()
}
# No index knows domains, but those who are stopped are few.
_FREE["domain"] = _FREED.format(
    "campaigns c CROSS JOIN recipients r INDEXED BY recipients_stopped ON r.campaign_id = c.id "
    f"WHERE r.stopped <> '' AND r.stopped = 'suppressed' AND {_DOMAIN} = :value"
)


FULL = "full"
"""The reason under which an address is suppressed whose mailbox stays full."""
MAILBOX_FULL = "mailbox full"
"""How the error key of a message ends that met one (docs/outcomes.md)."""
FULL_MAILBOXES, FULL_WITHIN = 3, 30 * DAY
"""So many messages that could not be delivered to a full mailbox within this time (us) suppress its address."""
_WHOM = (
    "SELECT j.campaign_id, r.address, r.address_key, r.profile FROM jobs j JOIN recipients r ON r.id = j.recipient_id "
    "WHERE j.id = ?"
)
_FULL = (
    "SELECT count(*) AS n FROM jobs j WHERE j.recipient_id IN (SELECT id FROM recipients WHERE address_key = ?) "
    f"AND j.state IN ('failed', 'bounced') AND j.error_key LIKE '%{MAILBOX_FULL}' AND j.updated_at > ?"
)


def by_answer(
    tx: Tx, job_id: int, reason: str, lasts: int, words: str, now: int, *, source: str = "answer", by: str = "engine"
) -> None:
    """Suppress whom a message was for, since the answer says so, or what came back at `source`: `dead`, `disabled`, or
    `full` at the third message within 30 days. For `lasts` microseconds (0: for ever). `words` are the server's own."""
    person = tx.one(_WHOM, (job_id,))
    if person is None:
        return
    if reason == FULL and tx.one(_FULL, (person["address_key"], now - FULL_WITHIN))["n"] < FULL_MAILBOXES:
        return
    kind, value = ("address", person["address_key"]) if "@" in person["address_key"] else ("profile", person["profile"])
    if not value:
        return
    until = now + lasts if lasts else None
    entry = Entry(kind, value, reason, "", words[:200], source, until, person["campaign_id"], job_id)
    new, _ = add(tx, [entry], by, now)
    if new:
        text = f"{person['address'] or value} is suppressed ({reason}): {words[:200]}"
        add_event(tx, Event("suppression.added", text, campaign_id=person["campaign_id"], job_id=job_id, n=1), now)
