"""What an edit of steps leaves to be done for the messages that exist: in slices, so that no campaign holds the Writer,
and to its end, whatever dies meanwhile. What becomes of each message is decided by `engine.sequences`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from storage.recipients import SLICE, remove_jobs
from storage.sequences import ENDED, Ended, Following, skip, with_queues

if TYPE_CHECKING:
    from storage.tx import Tx

_KEY = "steps edited: "
_KEYS = (_KEY, _KEY[:-1] + "!")
"""All keys of the settings that begin so: a space sorts right before an exclamation mark."""


@dataclass(frozen=True, slots=True)
class StepEdit:
    """What is still to be done for a campaign: those who had a message of the steps `behind` which one was added are
    looked at again, as are those who wait for an acceptance; what is planned of the steps `changed` follows their new
    wait and conditions."""

    campaign_id: int
    behind: tuple[int, ...] = ()
    changed: tuple[int, ...] = ()


class Planned(NamedTuple):
    """A message that is planned and was never tried, and the one before it, after which it was planned."""

    job_id: int
    before: Ended


class Looked(NamedTuple):
    """One slice: the last id (None: the edit is done), and what is planned in it."""

    last: int | None
    planned: list[Planned]


class Replanned(NamedTuple):
    """How many planned messages are due anew, will not be sent, and wait for an acceptance."""

    moved: int = 0
    left_out: int = 0
    waiting: int = 0

    def plus(self, other: Replanned) -> Replanned:
        return Replanned(*(mine + more for mine, more in zip(self, other, strict=True)))


def note(tx: Tx, edit: StepEdit) -> None:
    """Keep what is to be done, in the transaction of the edit. What an earlier one left is done with it."""
    for left in unfinished(tx):
        if left.campaign_id == edit.campaign_id:
            behind, changed = {*left.behind, *edit.behind}, {*left.changed, *edit.changed}
            edit = replace(edit, behind=tuple(sorted(behind)), changed=tuple(sorted(changed)))
    tx.execute(
        "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (f"{_KEY}{edit.campaign_id}", json.dumps({"behind": edit.behind, "changed": edit.changed})),
    )


def unfinished(tx: Tx) -> list[StepEdit]:
    """The edits that are not done for all messages."""
    found = []
    for row in tx.all("SELECT key, value FROM settings WHERE key >= ? AND key < ?", _KEYS):
        value = json.loads(row["value"])
        found.append(StepEdit(int(row["key"].removeprefix(_KEY)), tuple(value["behind"]), tuple(value["changed"])))
    return found


_WINDOW = "SELECT id FROM jobs INDEXED BY jobs_campaign WHERE campaign_id = ? AND id > ? ORDER BY id LIMIT ?"
_AGAIN = (
    "UPDATE jobs SET follow = 1 WHERE id IN (SELECT value FROM json_each(?)) "
    "AND (follow = 2 OR (follow = 0 AND step_id IN (SELECT value FROM json_each(?))))"
)
_PLANNED = (
    "SELECT n.id AS planned_id, n.queue_id AS planned_queue, q.channel AS planned_channel, "
    "p.id, p.state, p.reason, p.follow, p.step_id, s.position, p.queue_id, p.batch_id, p.recipient_id, p.sent_at, "
    "p.updated_at, r.address, r.profile, r.fields, r.stopped, r.accepted_at, r.replied_at "
    "FROM jobs n JOIN queues q ON q.id = n.queue_id JOIN steps own ON own.id = n.step_id "
    "JOIN steps s ON s.campaign_id = own.campaign_id AND s.position = own.position - 1 "
    "JOIN jobs p ON p.recipient_id = n.recipient_id AND p.step_id = s.id JOIN recipients r ON r.id = n.recipient_id "
    "WHERE n.id IN (SELECT value FROM json_each(?)) AND n.step_id IN (SELECT value FROM json_each(?)) "
    f"AND n.state IN ('pending', 'held') AND n.attempts = 0 AND p.state IN {ENDED} ORDER BY n.id"
)


def look_again(tx: Tx, edit: StepEdit, after: int) -> Looked:
    """The next slice of a campaign's messages behind the id `after`. Behind the last one the edit is done."""
    ids = [row["id"] for row in tx.all(_WINDOW, (edit.campaign_id, after, SLICE))]
    if not ids:
        if edit in unfinished(tx):
            tx.execute("DELETE FROM settings WHERE key = ?", (f"{_KEY}{edit.campaign_id}",))
        return Looked(None, [])
    some = json.dumps(ids)
    tx.execute(_AGAIN, (some, json.dumps(edit.behind)))
    rows = tx.all(_PLANNED, (some, json.dumps(edit.changed))) if edit.changed else []
    before = with_queues(tx, edit.campaign_id, rows)
    planned = [
        # It stays with its account, also where another one took it over.
        Planned(row["planned_id"], replace(one, queues={**one.queues, row["planned_channel"]: row["planned_queue"]}))
        for row, one in zip(rows, before, strict=True)
    ]
    return Looked(ids[-1], planned)


_OPEN = (
    "SELECT id, state, error_key, queue_id, campaign_id, batch_id, due_at FROM jobs WHERE id = ? "
    "AND state IN ('pending', 'held') AND attempts = 0"
)
_MOVE = (
    "UPDATE jobs SET due_at = ?, gap = ?, queue_id = ?, updated_at = ?, "
    "reason = CASE WHEN state = 'pending' THEN '' ELSE reason END, "
    "ready = CASE WHEN state = 'pending' AND ? = 1 THEN 1 ELSE 0 END WHERE id = ?"
)


def replan(tx: Tx, what: Sequence[tuple[int, Following]], now: int) -> Replanned:
    """Let planned messages (by id) follow the edit: another time, none at all (`skipped`), or not before the
    invitation is accepted (`waits`): then there is none until that. What began meanwhile stays as it is."""
    moved = left_out = waiting = 0
    for job_id, one in what:
        row = tx.one(_OPEN, (job_id,))
        if row is None:
            continue
        if one.waits:
            remove_jobs(tx, [row])
            tx.execute("UPDATE batches SET total = total - 1 WHERE id = ?", (row["batch_id"],))
            tx.execute("UPDATE jobs SET follow = 2 WHERE id = ?", (one.job_id,))
            waiting += 1
        elif one.skipped:
            skip(tx, row, one.skipped, now)
            left_out += 1
        elif (row["due_at"], row["queue_id"]) != (one.due_at, one.queue_id):
            tx.execute(_MOVE, (one.due_at, one.gap, one.queue_id, now, int(one.due_at <= now), job_id))
            if row["queue_id"] != one.queue_id:
                where = (row["campaign_id"], row["batch_id"], row["state"], row["error_key"])
                tx.count(row["queue_id"], *where, -1)
                tx.count(one.queue_id, *where, +1)
            moved += 1
    return Replanned(moved, left_out, waiting)
