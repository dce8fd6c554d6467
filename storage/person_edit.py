"""One person of a campaign, changed by hand: compared with what was read, refused where the books would not stay true.

The address of a message that was sent, or may have been, never changes: the address is what the books say it went to.
Fields are the record of what was sent in the same way, so they change only while something is still to be sent.
A job keeps its Message-ID, whatever is changed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from storage import approvals
from storage.acts import Seen
from storage.campaigns import get_campaign
from storage.errors import NotFoundError, RefusedError, UsageError
from storage.events import Event, add_event
from storage.model import CampaignState
from storage.retries import retried_by_hand
from storage.tx import Tx

_LEFT = ("completed", "uncertain", "bounced")
"""States of a message that was sent, or may have been."""
_JOBS = (
    "SELECT j.id, j.state, j.reason, j.lease, EXISTS (SELECT 1 FROM attempts a WHERE a.job_id = j.id "
    "AND COALESCE(a.outcome, 'uncertain') IN ('accepted', 'uncertain')) AS may_have_left "
    "FROM jobs j WHERE j.recipient_id = ? ORDER BY j.step_id, j.id"
)


@dataclass(frozen=True, slots=True)
class Person:
    """One recipient as stored; `fields` by name, of a grouped person with the list of rows among them."""

    id: int
    campaign_id: int
    address: str
    key: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PersonChanged:
    """The jobs of a changed person that a retry would take, as they stand now, and the state of each job."""

    retryable: tuple[Seen, ...]
    states: tuple[str, ...]


def get_person(tx: Tx, campaign_id: int, key: str) -> Person:
    """The person whose address compares as `key`; not one of an unfinished import. Raises NotFoundError."""
    row = tx.one(
        "SELECT r.* FROM recipients r JOIN imports i ON i.id = r.import_id "
        "WHERE r.campaign_id = ? AND r.address_key = ? AND i.state <> 'loading'",
        (campaign_id, key),
    )
    if row is None:
        raise NotFoundError(
            f"{key} is not in this campaign", hint="`paceline campaign recipients NAME` lists who is, as they are now"
        )
    return _person(row)


def edit_person(tx: Tx, before: Person, after: Person, event: Event, now: int) -> PersonChanged:
    """Make the person `before`, as it was read, into `after`.

    Raises RefusedError: changed meanwhile, a message in flight, an address that was written to or must not be, fields
    of somebody to whom nothing is still to be sent, a cancelled campaign. UsageError: the address is another's.
    """
    row = tx.one("SELECT * FROM recipients WHERE id = ?", (before.id,))
    if row is None or _person(row) != before:
        raise RefusedError(f"{before.address} was changed meanwhile", hint="look again, then decide")
    campaign = get_campaign(tx, before.campaign_id)
    if campaign.state is CampaignState.CANCELLED:
        raise RefusedError(f"campaign '{campaign.name}' is cancelled: nothing of it will be sent")
    jobs = tx.all(_JOBS, (before.id,))
    _check_in_flight(before, jobs)
    if after.address != before.address:
        _check_address(tx, before, after, row["stopped"], jobs)
    elif after.fields != before.fields:
        _check_fields(before, jobs)
    if after != before:
        tx.execute(
            "UPDATE recipients SET address = ?, address_key = ?, fields = ? WHERE id = ?",
            (after.address, after.key, json.dumps(after.fields, ensure_ascii=False), before.id),
        )
        if after.address != before.address and row["stopped"]:
            tx.execute("UPDATE recipients SET stopped = '', stopped_at = NULL WHERE id = ?", (before.id,))
        # Whoever looked at a message that waits for approval looked at the person as they were.
        tx.execute("UPDATE jobs SET lease = lease + 1 WHERE recipient_id = ? AND state = 'held'", (before.id,))
        jobs = tx.all(_JOBS, (before.id,))
        approvals.hold_campaigns(tx, now)
        only = jobs[0]["id"] if len(jobs) == 1 else None
        add_event(tx, replace(event, campaign_id=campaign.id, job_id=only, n=1), now)
    return PersonChanged(
        tuple(Seen(job["id"], job["state"], job["lease"]) for job in jobs if retried_by_hand(job)),
        tuple(job["state"] for job in jobs),
    )


def _check_in_flight(person: Person, jobs: Sequence[Any]) -> None:
    flying = next((job["id"] for job in jobs if job["state"] == "processing"), None)
    if flying is not None:
        raise RefusedError(
            f"job {flying} for {person.address} is in flight", hint="see what becomes of it, then decide"
        )


def _check_address(tx: Tx, before: Person, after: Person, stopped: str, jobs: Sequence[Any]) -> None:
    if stopped and not _address_is_dead(tx, before, stopped):
        raise RefusedError(f"{before.address} is stopped ({stopped}) and must not be written to under another address")
    left = next((job["id"] for job in jobs if job["state"] in _LEFT or job["may_have_left"]), None)
    if left is not None:
        raise RefusedError(
            f"job {left} was sent to {before.address}, or may have been: its address does not change",
            hint="import the right address as another person",
        )
    taken = tx.one(
        "SELECT 1 FROM recipients WHERE campaign_id = ? AND address_key = ? AND id <> ?",
        (before.campaign_id, after.key, before.id),
    )
    if taken is not None:
        raise UsageError(
            f"{after.address} is already a recipient of this campaign", hint="one address gets one message a campaign"
        )


def _address_is_dead(tx: Tx, person: Person, stopped: str) -> bool:
    """Whether only what a server said of the address stands against it: another address of the same person is none of
    that. What somebody asked for goes with the person."""
    if stopped != "suppressed":
        return False
    said = tx.all("SELECT reason FROM suppressions WHERE kind = 'address' AND value = ?", (person.key,))
    return bool(said) and all(row["reason"] in ("dead", "disabled", "full") for row in said)


def _check_fields(person: Person, jobs: Sequence[Any]) -> None:
    if jobs and all(job["state"] in _LEFT for job in jobs):
        raise RefusedError(
            f"nothing is still to be sent to {person.address}: the fields are the record of what was",
            hint="an uncertain message is decided first: `paceline campaign resolve`",
        )


def _person(row: Any) -> Person:
    return Person(row["id"], row["campaign_id"], row["address"], row["address_key"], json.loads(row["fields"]))
