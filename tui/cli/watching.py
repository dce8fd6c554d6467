"""Following a batch or a job that another process works on: its progress on stderr, line by line."""

from __future__ import annotations

import time

from storage import work_facts
from storage.lock import read_holder
from tui.cli.facts import progress
from tui.cli.output import Json, say
from tui.cli.session import Session

LOOK = 0.2
"""Seconds between two looks at the batch."""


def watch_batch(session: Session, batch_id: int) -> None:
    """A line a step of 10 %, until it is done, nothing of it can go on by itself, or no engine runs.
    Raises NotFoundError."""
    told = -1
    with session.reader() as reader:
        while True:
            row = reader.batch(batch_id)
            steps = progress(row["counts"])
            if steps["percentage"] // 10 > told:
                told = steps["percentage"] // 10
                say(
                    f"Progress: {steps['current']}/{steps['total']} ({steps['percentage']}%) - "
                    f"Success: {steps['sent']}, Failed: {steps['failed']}"
                )
            moving = row["counts"]["pending"] + row["counts"]["processing"]
            # The last outcome and the end of its batch are two commits: between them nothing moves and it is not done.
            if row["state"] == "done" or (not moving and row["counts"]["held"]):
                return
            if row["stage"] and any(one["id"] == batch_id for one in work_facts.blocked(reader)):
                say("its later stages wait for a person: something of an earlier one ended badly")
                return
            if read_holder(session.db) is None:
                say("no engine is running, so nothing more is sent: paceline engine run")
                return
            time.sleep(LOOK)


def watch_job(session: Session, job_id: int) -> tuple[Json, bool]:
    """A line whenever a job's state or progress changes, until it is over, waits for a person, or no engine runs.
    Returns the job as `job_show.whole` gives it, and whether it came to an end or to a person. Raises NotFoundError."""
    from tui.cli.job_show import progress_words, whole

    told = ""
    with session.reader() as reader:
        while True:
            row = reader.job(job_id)
            words = progress_words(row) if row["origin"] is not None else ""
            line = f"job {job_id}: {row['state']}{f' {words}' if words else ''}"
            if line != told:
                say(line)
            told = line
            if row["state"] not in ("pending", "processing"):
                return whole(reader, job_id), True
            if read_holder(session.db) is None:
                say("no engine is running, so nothing of it is done: paceline engine run, or paceline job work")
                return whole(reader, job_id), False
            time.sleep(LOOK)
