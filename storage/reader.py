"""Read-only pages for screens and the command line: one standard-library connection, `mode=ro`, short reads.

Nothing here counts rows: totals come from `counters`, lists are keyset pages. Every method returns plain dicts
with JSON-ready values (times in microseconds UTC), so the console, `--json` and tests see the same thing.
Strings are as stored: whoever shows them passes them through `tui.safe_text`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from storage import migrate
from storage.errors import NotFoundError, StoreError
from storage.files import backup, read_only_uri
from storage.last_run import FINISHED, STARTED
from storage.model import HOUR, MINUTE
from storage.place import check_place

Row = dict[str, Any]

STATES = ("held", "pending", "processing", "completed", "failed", "uncertain", "skipped", "bounced")


DRIFT = (
    "SELECT campaign_id, batch_id, queue_id, state, error_key, SUM(kept) AS kept, SUM(counted) AS counted FROM ("
    "SELECT COALESCE(campaign_id, 0) AS campaign_id, batch_id, queue_id, state, "
    "CASE WHEN state IN ('processing', 'completed') THEN '' ELSE error_key END AS error_key, "
    "0 AS kept, count(*) AS counted FROM jobs GROUP BY 1, 2, 3, 4, 5 "
    "UNION ALL SELECT campaign_id, batch_id, queue_id, state, error_key, n, 0 FROM counters) "
    "GROUP BY 1, 2, 3, 4, 5 HAVING SUM(kept) <> SUM(counted) ORDER BY 1, 2, 3, 4, 5"
)
"""Where the counters differ from a recount of the jobs. One statement is one snapshot: an engine may go on writing."""

KIND_DRIFT = (
    "SELECT kind, state, SUM(kept) AS kept, SUM(counted) AS counted FROM ("
    "SELECT kind, state, 0 AS kept, count(*) AS counted FROM jobs WHERE kind <> 'send' GROUP BY 1, 2 "
    "UNION ALL SELECT kind, state, n, 0 FROM kind_counters) "
    "GROUP BY 1, 2 HAVING SUM(kept) <> SUM(counted) ORDER BY 1, 2"
)
"""The same of the counters of background jobs by kind."""

_SCOPES = {"all": "1", "campaign": "campaign_id = ?", "batch": "batch_id = ?", "queue": "queue_id = ?"}
"""The counters that make up a sum."""

ENDS = 10
"""Tries to end a read transaction whose end is interrupted; one that still stands refuses the next `moment`."""


class Reader:
    """A short-lived or long-lived view of one store. Use from one thread; close when done."""

    def __init__(self, path: Path) -> None:
        check_place(path, create=False)
        self.path = path
        try:
            self._connection = sqlite3.connect(read_only_uri(path), uri=True, timeout=5, check_same_thread=False)
            self._connection.execute("PRAGMA query_only = ON")
            migrate.check_identity(self._connection, path)
        except sqlite3.Error as error:
            raise StoreError(f"the store {path} cannot be read: {error}", hint="run `paceline doctor`") from error

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def interrupt(self) -> None:
        """End a superseded query from another thread."""
        self._connection.interrupt()

    def data_version(self) -> int:
        """Changes when another connection committed: 2 us, so a screen may ask 20 times a second."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    @contextmanager
    def moment(self) -> Iterator[None]:
        """What is read within is of one moment, however many statements it takes and whatever is written meanwhile: a
        read transaction, which waits for nobody (SQLite, "Isolation In SQLite")."""
        try:
            self._connection.execute("BEGIN")
        except sqlite3.DatabaseError as error:  # `interrupt` may hit this statement too
            raise self._unreadable(error) from error
        try:
            yield
        finally:
            for _ in range(ENDS):
                if not self._connection.in_transaction:  # a fault of the disk ends it by itself
                    break
                with suppress(sqlite3.OperationalError):  # interrupted: the next one hardly is
                    self._connection.execute("ROLLBACK")

    def rows(self, sql: str, parameters: Any = ()) -> list[Row]:
        """The rows of one statement, also for the modules that read one subject. Raises StoreError."""
        try:
            cursor = self._connection.execute(sql, parameters)
            names = [column[0] for column in cursor.description]
            # Half the time of a dict of a sqlite3.Row: 2.8 ms against 5.3 for 400 rows of 25 columns.
            return [dict(zip(names, row, strict=True)) for row in cursor]
        except sqlite3.DatabaseError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: sqlite3.DatabaseError) -> StoreError:
        """Why a statement failed: tables that a migration has yet to make, or the database's own words."""
        try:
            migrate.check_current(self._connection, self.path)
        except StoreError as older:
            return older
        except sqlite3.Error:
            pass
        return StoreError(f"the store {self.path} cannot be read: {error}", hint="run `paceline db check`")

    def one(self, sql: str, parameters: Any = ()) -> Row | None:
        """The first row of one statement; None without one."""
        rows = self.rows(sql, parameters)
        return rows[0] if rows else None

    # sums

    def counts(self, scope: str = "all", scope_id: int = 0) -> dict[str, int]:
        """Jobs by state, every state named, for `all` (0), a campaign, a batch or a queue; plus `retry`: the part
        of `pending` that waits for another try."""
        counts = dict.fromkeys((*STATES, "retry"), 0)
        for row in self.rows(
            f"SELECT state, error_key, SUM(n) AS n FROM counters WHERE {_SCOPES[scope]} GROUP BY state, error_key",
            () if scope == "all" else (scope_id,),
        ):
            counts[row["state"]] += row["n"]
            if row["state"] == "pending" and row["error_key"]:
                counts["retry"] += row["n"]
        return counts

    def campaign_counts(self) -> dict[int, dict[str, int]]:
        """`counts` of every campaign in one read."""
        found: dict[int, dict[str, int]] = {}
        for row in self.rows("SELECT campaign_id, state, error_key, n FROM counters WHERE campaign_id <> 0"):
            counts = found.setdefault(row["campaign_id"], dict.fromkeys((*STATES, "retry"), 0))
            counts[row["state"]] += row["n"]
            if row["state"] == "pending" and row["error_key"]:
                counts["retry"] += row["n"]
        return found

    def rates(self, since: int, *, campaign_id: int | None = None, queue_id: int | None = None) -> list[Row]:
        """Finished attempts per minute since a time: `{minute (us), sent, failed, other, duration}` in order."""
        where, values = "minute >= ?", [since // MINUTE]
        if campaign_id is not None:
            where += " AND campaign_id = ?"
            values.append(campaign_id)
        if queue_id is not None:
            where += " AND queue_id = ?"
            values.append(queue_id)
        return self.rows(
            f"SELECT minute * {MINUTE} AS minute, "
            "SUM(CASE WHEN outcome = 'accepted' THEN n ELSE 0 END) AS sent, "
            "SUM(CASE WHEN outcome IN ('permanent', 'content') THEN n ELSE 0 END) AS failed, "
            "SUM(CASE WHEN outcome NOT IN ('accepted', 'permanent', 'content') THEN n ELSE 0 END) AS other, "
            f"SUM(duration) AS duration FROM outcome_minutes WHERE {where} GROUP BY minute ORDER BY minute",
            values,
        )

    # campaigns

    def campaigns(self) -> list[Row]:
        """Every campaign with `counts`, newest work first; `account` is its queue's name."""
        counts = self.campaign_counts()
        rows = self.rows(
            "SELECT c.id, c.name, c.state, c.pause_reason, c.pause_detail, q.name AS account, q.channel, c.priority, "
            "c.weight, c.concurrency, c.list, c.pacing, c.hours, c.settings, c.live, c.replanning, c.created_at, "
            "c.updated_at, c.started_at, "
            "c.completed_at, c.cancelled_at, c.before_cancel, c.last_start, c.seed, c.version, q.id AS queue_id, "
            "q.state AS queue_state, q.reason AS queue_reason, q.until_at AS queue_until, c.approval, c.approval_time, "
            "c.approved_at, c.approved_by, c.approval_note, c.letters "
            "FROM campaigns c JOIN queues q ON q.id = c.queue_id "
            "ORDER BY CASE c.state WHEN 'active' THEN 0 WHEN 'paused' THEN 1 WHEN 'draft' THEN 2 ELSE 3 END, "
            "c.updated_at DESC, c.id DESC"
        )
        for row in rows:
            row["counts"] = counts.get(row["id"], dict.fromkeys((*STATES, "retry"), 0))
            row["total"] = sum(row["counts"][state] for state in STATES)
            row["pacing"] = json.loads(row["pacing"])
            row["settings"] = json.loads(row["settings"])
            row["hours"] = json.loads(row["hours"] or "{}")
            row["live"] = bool(row["live"])
        return rows

    def campaign(self, name: str) -> Row:
        """One campaign as in `campaigns`, with `steps`, `accounts` (its queues: `id, name, channel, state`, the first
        one first), `recipients` (people in it), `imports`, `due` (first and last open due time). Raises
        NotFoundError."""
        row = next((c for c in self.campaigns() if c["name"] == name), None)
        if row is None:
            raise NotFoundError(f"there is no campaign '{name}'", hint="see `paceline campaign list`")
        steps = self.rows("SELECT * FROM steps WHERE campaign_id = ? ORDER BY position", (row["id"],))
        for step in steps:
            step["headers"] = json.loads(step["headers"])
            step["attachments"] = json.loads(step["attachments"])
            step["conditions"] = step["conditions"].split()
            step["wait"], step["pacing"] = json.loads(step["wait"] or "{}"), json.loads(step["pacing"] or "{}")
        row["steps"] = steps
        row["accounts"] = self.rows(
            "SELECT q.id, q.name, q.channel, q.state FROM lanes l JOIN queues q ON q.id = l.queue_id "
            "WHERE l.campaign_id = ? ORDER BY l.position, q.id",
            (row["id"],),
        )
        row["imports"] = self.rows("SELECT * FROM imports WHERE campaign_id = ? ORDER BY id", (row["id"],))
        row["recipients"] = sum(i["imported"] for i in row["imports"] if i["state"] == "done")
        row["due"] = self.due(row["id"])
        row["executions"] = self.rows(
            "SELECT * FROM executions WHERE campaign_id = ? ORDER BY id DESC LIMIT 20", (row["id"],)
        )
        return row

    def due(self, campaign_id: int) -> Row:
        """First and last due time of what is pending (None without)."""
        due = [
            self.one(
                "SELECT due_at FROM jobs WHERE campaign_id = ? AND state = 'pending' "
                f"ORDER BY due_at {order}, id {order} LIMIT 1",
                (campaign_id,),
            )
            for order in ("ASC", "DESC")
        ]
        return {"first": due[0] and due[0]["due_at"], "last": due[1] and due[1]["due_at"]}

    PEOPLE = "FROM recipients r LEFT JOIN jobs j ON j.id = (SELECT max(l.id) FROM jobs l WHERE l.recipient_id = r.id)"
    """People, each with the last message of their sequence."""
    PERSON = (
        "SELECT r.id, r.address, r.fields, r.stopped, r.row_number, r.created_at, j.id AS job_id, "
        "COALESCE(j.state, 'draft') AS state, COALESCE(j.reason, '') AS reason, COALESCE(j.attempts, 0) AS attempts, "
        "COALESCE(j.last_error, '') AS error, COALESCE(j.error_key, '') AS error_key, j.due_at, j.sent_at, "
        "j.updated_at, j.message_id, j.outcome, j.lease, j.campaign_id, j.step_id, "
        "r.profile, r.accepted_at, r.replied_at "
        f"{PEOPLE}"
    )
    VISIBLE = "r.import_id NOT IN (SELECT id FROM imports WHERE state = 'loading')"
    """Nobody of an unfinished import counts."""

    def recipients(self, campaign_id: int, *, after: int = 0, limit: int = 200) -> list[Row]:
        """A keyset page of people with their job, among the rest `id, address, fields, row_number, job_id, state,
        error, due_at, sent_at, message_id`. State is `draft` before a start. `storage.people_page` filters them."""
        rows = self.rows(
            f"{self.PERSON} WHERE r.campaign_id = ? AND r.id > ? AND {self.VISIBLE} ORDER BY r.id LIMIT ?",
            (campaign_id, after, limit),
        )
        for row in rows:
            row["fields"] = json.loads(row["fields"])
        return rows

    def all_recipients(self, campaign_id: int) -> Iterator[Row]:
        """Every person of a campaign, read in short pages so that the WAL never waits for a reader."""
        after = 0
        while page := self.recipients(campaign_id, after=after, limit=1000):
            yield from page
            after = page[-1]["id"]

    def executions(self, limit: int = 50) -> list[Row]:
        return self.rows(
            "SELECT e.*, c.name AS campaign FROM executions e LEFT JOIN campaigns c ON c.id = e.campaign_id "
            "ORDER BY e.id DESC LIMIT ?",
            (limit,),
        )

    # batches

    def batches(self, *, campaign_id: int | None = None, limit: int = 100) -> list[Row]:
        """Newest first, each with `counts` and `campaign` (its name)."""
        where, values = ("WHERE b.campaign_id = ?", [campaign_id]) if campaign_id is not None else ("", [])
        rows = self.rows(
            f"SELECT b.*, c.name AS campaign FROM batches b LEFT JOIN campaigns c ON c.id = b.campaign_id {where} "
            "ORDER BY b.id DESC LIMIT ?",
            (*values, limit),
        )
        for row in rows:
            row["counts"] = self.counts("batch", row["id"])
        return rows

    def batch_total(self, *, campaign_id: int | None = None) -> int:
        """How many batches there are, of one campaign or in all."""
        where, values = ("WHERE campaign_id = ?", (campaign_id,)) if campaign_id is not None else ("", ())
        row = self.one(f"SELECT count(*) AS n FROM batches {where}", values)
        return int(row["n"]) if row else 0

    def batch(self, batch_id: int) -> Row:
        row = self.one(
            "SELECT b.*, c.name AS campaign FROM batches b LEFT JOIN campaigns c ON c.id = b.campaign_id "
            "WHERE b.id = ?",
            (batch_id,),
        )
        if row is None:
            raise NotFoundError(f"there is no batch {batch_id}", hint="see `paceline batch list`")
        row["counts"] = self.counts("batch", batch_id)
        return row

    def batch_results(self, batch_id: int, *, after: int = 0, limit: int = 10) -> list[Row]:
        """A keyset page of a batch's jobs: `id, kind, stage, address, state, error, attempts, sent_at, fields`."""
        rows = self.rows(
            "SELECT j.id, j.kind, t.stage, r.address, j.state, j.last_error AS error, j.attempts, j.sent_at, r.fields "
            "FROM jobs j LEFT JOIN recipients r ON r.id = j.recipient_id LEFT JOIN tasks t ON t.job_id = j.id "
            "WHERE j.batch_id = ? AND j.id > ? ORDER BY j.id LIMIT ?",
            (batch_id, after, limit),
        )
        for row in rows:
            row["fields"] = json.loads(row["fields"] or "{}")
        return rows

    # jobs

    JOB = (
        "SELECT j.id, j.kind, j.state, j.reason, j.priority, j.due_at, j.gap, j.ready, j.attempts, j.tries, j.outcome, "
        "j.error_key, j.last_error AS error, j.message_id, j.sent_at, j.created_at, j.updated_at, j.lease, "
        "j.lease_until, j.campaign_id, j.batch_id, j.queue_id, j.step_id, j.follow, c.name AS campaign, "
        "(SELECT s.position FROM steps s WHERE s.id = j.step_id) AS step, "
        "q.name AS queue, r.address, r.id AS recipient_id, t.origin, t.stage, t.flag, t.done, t.total, t.note, "
        # A run that is under way began when it was claimed; renewing its lease changes nothing else.
        "CASE WHEN t.job_id IS NULL THEN NULL WHEN j.state = 'processing' THEN j.updated_at "
        f"ELSE {STARTED} END AS started_at, "
        f"CASE WHEN t.job_id IS NULL OR j.state = 'processing' THEN NULL ELSE {FINISHED} END AS finished_at "
        "FROM jobs j JOIN queues q ON q.id = j.queue_id LEFT JOIN campaigns c ON c.id = j.campaign_id "
        "LEFT JOIN recipients r ON r.id = j.recipient_id LEFT JOIN tasks t ON t.job_id = j.id"
    )
    """Jobs. A message has nothing of `origin` to `finished_at`, a background job no campaign, step and person."""

    def jobs(
        self,
        *,
        states: tuple[str, ...] = (),
        campaign_id: int | None = None,
        batch_id: int | None = None,
        error_key: str = "",
        after: int = 0,
        limit: int = 100,
    ) -> list[Row]:
        """A keyset page of jobs by id, narrowed by state, campaign, batch and normalised reason."""
        where, values = ["j.id > ?"], [after]
        if states:
            where.append(f"j.state IN ({', '.join('?' * len(states))})")
            values += list(states)  # type: ignore[arg-type]
        for column, value in (("campaign_id", campaign_id), ("batch_id", batch_id), ("error_key", error_key or None)):
            if value is not None:
                where.append(f"j.{column} = ?")
                values.append(value)  # type: ignore[arg-type]
        return self.rows(f"{self.JOB} WHERE {' AND '.join(where)} ORDER BY j.id LIMIT ?", (*values, limit))

    def job(self, job_id: int) -> Row:
        """One job with `attempts_log` (oldest first, with the server's words) and its person's `fields`."""
        row = self.one(f"{self.JOB} WHERE j.id = ?", (job_id,))
        if row is None:
            raise NotFoundError(f"there is no job {job_id}", hint="see `paceline job list`")
        row["attempts_log"] = self.rows("SELECT * FROM attempts WHERE job_id = ? ORDER BY id", (job_id,))
        if row["recipient_id"] is not None:
            person = self.one("SELECT fields FROM recipients WHERE id = ?", (row["recipient_id"],))
            row["fields"] = json.loads(person["fields"]) if person else {}
        return row

    # failures

    def failures(self, *, campaign_id: int | None = None) -> list[Row]:
        """Reasons of jobs that stand `failed`, `uncertain` or in retry, largest first; background jobs have campaign 0.

        Each: `error_key, campaign_id, campaign, queue, state (failed, uncertain, pending = will be retried), n,
        outcome, first_at, last_at, sample` and `hours`: [(hour (us), n)] for the spread in time.
        """
        where, values = ("AND k.campaign_id = ?", [campaign_id]) if campaign_id is not None else ("", [])
        rows = self.rows(
            "SELECT k.campaign_id, c.name AS campaign, q.name AS queue, k.state, k.error_key, SUM(k.n) AS n "
            "FROM counters k LEFT JOIN campaigns c ON c.id = k.campaign_id JOIN queues q ON q.id = k.queue_id "
            f"WHERE k.error_key <> '' {where} AND k.state IN ('failed', 'uncertain', 'pending', 'held') "
            "GROUP BY k.campaign_id, k.state, k.error_key HAVING SUM(k.n) > 0 ORDER BY n DESC, k.error_key",
            values,
        )
        for row in rows:
            hours = self.rows(
                "SELECT hour, n, outcome, first_at, last_at, sample FROM failure_hours "
                "WHERE error_key = ? AND campaign_id = ? ORDER BY hour",
                (row["error_key"], row["campaign_id"]),
            )
            row["hours"] = [(hour["hour"] * HOUR, hour["n"]) for hour in hours]
            row["outcome"] = hours[-1]["outcome"] if hours else ""
            row["first_at"] = hours[0]["first_at"] if hours else None
            row["last_at"] = hours[-1]["last_at"] if hours else None
            row["sample"] = hours[-1]["sample"] if hours else row["error_key"]
        return rows

    # queues, engine, events

    def queues(self) -> list[Row]:
        rows = self.rows(
            "SELECT id, name, channel, state, reason, until_at, cooling_step, last_start, limits, tuning, throttle, "
            "throttled_at, updated_at FROM queues ORDER BY name"
        )
        for row in rows:
            row["limits"], row["tuning"] = json.loads(row["limits"]), json.loads(row["tuning"])
            row["counts"] = self.counts("queue", row["id"])
        return rows

    def tuning(self, queue: str) -> Row:
        """What was tuned live in a queue, over the configuration; {} for nothing."""
        row = self.one("SELECT tuning FROM queues WHERE name = ?", (queue,))
        return dict(json.loads(row["tuning"])) if row else {}

    def used(self, queue_id: int, since: int) -> int:
        """Counted intents of a queue since a time: what its rolling cap has used."""
        row = self.one("SELECT count(*) AS n FROM attempts WHERE queue_id = ? AND counted_at > ?", (queue_id, since))
        return int(row["n"]) if row else 0

    def engine(self) -> Row:
        """The newest engine row plus `paused` (the whole engine) and `schema` (store version)."""
        row = self.one("SELECT * FROM engines ORDER BY id DESC LIMIT 1") or {}
        setting = self.one("SELECT value FROM settings WHERE key = 'paused'")
        row["paused"] = setting is not None and setting["value"] == "1"
        row["schema"] = self.rows("PRAGMA user_version")[0]["user_version"]
        return row

    def events(
        self, *, after: int = 0, limit: int = 100, campaign_id: int | None = None, kind: str = "", job_id: int = 0
    ) -> list[Row]:
        """The newest `limit` events after an id, oldest first; of one kind, or of all that begin with it and a dot."""
        where = "id > ?"
        values: list[int | str] = [after]
        if campaign_id is not None:
            where += " AND campaign_id = ?"
            values.append(campaign_id)
        if kind:
            where += " AND (kind = ? OR substr(kind, 1, ?) = ?)"
            values += [kind, len(kind) + 1, f"{kind}."]
        if job_id:
            where += " AND job_id = ?"
            values.append(job_id)
        rows = self.rows(f"SELECT * FROM events WHERE {where} ORDER BY id DESC LIMIT ?", (*values, limit))
        rows.reverse()
        for row in rows:
            row["data"] = json.loads(row["data"])
        return rows

    def check(self) -> list[str]:
        """SQLite's own integrity and foreign-key checks; [] when sound."""
        found = [r["integrity_check"] for r in self.rows("PRAGMA integrity_check(20)") if r["integrity_check"] != "ok"]
        found += [f"{r['table']} row {r['rowid']} points nowhere" for r in self.rows("PRAGMA foreign_key_check")[:20]]
        return found

    def counter_drift(self) -> list[str]:
        """Where the counters differ from a recount of the jobs, in words; [] when they agree. Reads every job."""
        return [
            f"counter of campaign {row['campaign_id']}, batch {row['batch_id']}, queue {row['queue_id']}: "
            f"{row['state']}{' of ' + repr(row['error_key']) if row['error_key'] else ''} says {row['kept']}, "
            f"there are {row['counted']} jobs"
            for row in self.rows(DRIFT)
        ] + [
            f"counter of kind {row['kind']}: {row['state']} says {row['kept']}, there are {row['counted']} jobs"
            for row in self.rows(KIND_DRIFT)
        ]

    def backup(self, target: Path) -> None:
        """A consistent copy while the engine goes on (SQLite's online backup)."""
        backup(self._connection, target)
