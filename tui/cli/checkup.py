"""The findings of `doctor`: each looks at one thing and says what to do about it. Reads only."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from engine.config import Config
from engine.secrets import resolve
from storage.alarm_facts import STOPPED, Row, open_alarms
from storage.books import FEW, examine_books
from storage.errors import PacelineError
from storage.kind_facts import totals
from storage.lock import read_holder
from storage.model import MINUTE
from storage.reader import Reader
from storage.schedule_facts import silent, troubled
from storage.work_terms import CHANNEL
from tui.cli.checkup_work import examine_work
from tui.cli.findings import Finding
from tui.cli.output import iso
from tui.cli.session import Session
from tui.cli.times import now_us
from tui.keymap import keys_path, load_keymap

LOW_DISK = 200 << 20
"""Bytes below which a busy store may soon not be able to write."""
EPOCH_2024 = 1_704_067_200_000_000
"""A clock before this program was written cannot be right."""


def examine(session: Session) -> list[Finding]:
    """Every finding, in the order in which one would mend them."""
    return [*_configuration(session), *_store(session), *_engine(session), *_machine(session)]


def _configuration(session: Session) -> Iterator[Finding]:
    try:
        config = session.config()
    except PacelineError as error:
        yield Finding("configuration", "problem", error.message, error.hint)
        return
    yield Finding("configuration", "ok", f"{config.path}: {len(config.accounts)} accounts")
    for warning in config.warnings:
        yield Finding("configuration", "note", warning)
    yield from _keys(config)
    if not config.accounts:
        yield Finding("accounts", "problem", "no account is configured", "paceline account add --help")
    for name, account in sorted(config.accounts.items()):
        if not account.secrets:
            yield Finding("account", "ok", f"{name}: needs no password")
        for reference in account.secrets:
            try:
                resolve(reference)
            except PacelineError as error:
                yield Finding("account", "problem", f"{name}: {error.message}", error.hint)
            else:
                yield Finding("account", "ok", f"{name}: its secret can be read ({reference.describe()})")


def _keys(config: Config) -> Iterator[Finding]:
    path = keys_path(config.path)
    keymap, wrong = load_keymap(path)
    for sentence in wrong:
        yield Finding("keys", "problem", sentence, "until then the program's own keys count; paceline keys lists ids")
    if keymap.changed:
        yield Finding("keys", "ok", f"{path}: {len(keymap.changed)} changed")


def _store(session: Session) -> Iterator[Finding]:
    path = session.db
    try:
        reader = session.reader()
    except PacelineError as error:
        yield Finding("store", "problem", error.message, error.hint)
        return
    with reader:
        try:
            yield from _inside(reader, path)
            yield from _without_account(session, reader)
            yield from examine_work(session, reader)
        except PacelineError as error:
            yield Finding("store", "problem", error.message, error.hint)
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + ".lock")):
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
            yield Finding("rights", "problem", f"{file} is open to other users", f"chmod 600 {file}")


def examine_store(session: Session) -> list[Finding]:
    """What `db check` looks at: the database file alone. Raises PacelineError when it cannot be read."""
    with session.reader() as reader:
        return list(_sound(reader, session.db))


def _sound(reader: Reader, path: Path) -> Iterator[Finding]:
    """Integrity, schema, counters, and what was left half done."""
    wrong = reader.check()
    for problem in wrong:
        remedy = "stop the engine, then: paceline db restore BACKUP (the damaged file is kept)"
        yield Finding("store", "problem", f"{path} is damaged: {problem}", remedy)
    if wrong:
        return
    yield Finding("store", "ok", f"{path}: integrity is ok, schema {reader.engine()['schema']}")
    drift = reader.counter_drift()
    for sentence in drift[:FEW]:
        yield Finding("counters", "problem", sentence, "with no engine running: paceline db recount")
    if not drift:
        yield Finding("counters", "ok", "the counters equal a recount")
    for odd in examine_books(reader, now=now_us(), owned=read_holder(path) is not None):
        yield Finding(odd.subject, "problem" if odd.wrong else "note", odd.message, odd.remedy)


def _inside(reader: Reader, path: Path) -> Iterator[Finding]:
    found = list(_sound(reader, path))
    yield from found
    if any(finding.check == "store" and finding.level == "problem" for finding in found):
        return
    counts, work = reader.counts(), totals(reader).values()
    uncertain, held = (counts[state] - sum(kind[state] for kind in work) for state in ("uncertain", "held"))
    if uncertain:
        message = f"{uncertain:,} messages are uncertain: sent or not?"
        yield Finding("jobs", "note", message, "paceline job list --state uncertain --kind send")
    if held:
        yield Finding("jobs", "note", f"{held:,} messages are held", "paceline job list --state held --kind send")
    alarms = open_alarms(reader)
    told = {alarm["queue_id"] for alarm in alarms if alarm["urgency"] == STOPPED}
    for queue in reader.queues():
        if queue["id"] in told:
            continue
        if queue["state"] in ("needs_attention", "restricted"):
            message = f"{queue['name']} is {queue['state']}: {queue['reason']}"
            yield Finding("queue", "problem", message, f"mend it, then: paceline queue resume {queue['name']}")
        elif queue["state"] != "ready":
            yield Finding("queue", "note", f"{queue['name']} is {queue['state']}: {queue['reason']}")
    for alarm in alarms:
        level = "note" if alarm["acknowledged_by"] or alarm["urgency"] > STOPPED else "problem"
        yield Finding("alarm", level, f"{alarm['name']}: {alarm['text']}", _alarm_remedy(alarm))
    for row in troubled(reader):
        message = f"{row['name']} fired without a job: {row['trouble']}"
        yield Finding("schedule", "problem", message, f"mend it: paceline schedule edit {row['name']}")
    for row in silent(reader, now_us()):
        message = f"{row['name']} fires nothing before {iso(row['decided_at'])}: the clock was ahead"
        remedy = f"paceline schedule disable {row['name']}, then enable it: it counts from now"
        yield Finding("schedule", "problem", message, remedy)
    newest = max((event["at"] for event in reader.events(limit=1)), default=0)
    if newest > now_us() + MINUTE:
        yield Finding("clock", "problem", "the store holds events from the future", "set this machine's clock")
    if reader.engine()["paused"]:
        yield Finding("engine", "note", "everything is paused", "paceline engine resume")


def _alarm_remedy(alarm: Row) -> str:
    if alarm["urgency"] > STOPPED:
        return f"paceline queue show {alarm['queue']}"
    noun = "campaign" if alarm["campaign"] else "queue"
    return f"mend it, then: paceline {noun} resume {alarm['name']}"


def _without_account(session: Session, reader: Reader) -> Iterator[Finding]:
    """Queues whose messages nobody can send: their account is not configured any more."""
    try:
        accounts = session.config().accounts
    except PacelineError:
        return
    for queue in reader.queues():
        waiting = queue["counts"]["pending"] + queue["counts"]["processing"]
        if waiting and queue["channel"] != CHANNEL and queue["name"] not in accounts:
            message = f"{waiting:,} messages wait for account {queue['name']}, which is not configured"
            yield Finding("queue", "problem", message, "add it again under its name: paceline account add --help")


def _engine(session: Session) -> Iterator[Finding]:
    holder = read_holder(session.db) if session.db.parent.is_dir() else None
    if holder is None:
        yield Finding("engine", "note", "no engine is running: nothing is sent", "paceline engine run")
        return
    if holder.role == "command":
        yield Finding("engine", "ok", f"{holder.describe()} holds the store")
        return
    from tui.client import SocketControl, this_actor

    try:
        control = SocketControl(holder.socket, this_actor("doctor"))
        try:
            status = control.call("engine.status")
        finally:
            control.close()
    except PacelineError as error:
        yield Finding("engine", "problem", f"{holder.describe()}: {error.message}", error.hint)
        return
    yield Finding("engine", "ok", f"{holder.describe()} runs and answers")
    if status["store_trouble"]:
        yield Finding("engine", "problem", f"it cannot write: {status['store_trouble']}", "make room, check the disk")
    for queue in status["queues"]:
        if queue["trouble"] and queue["trouble"] != status["store_trouble"]:
            remedy = f"paceline account test {queue['queue']}"
            yield Finding("queue", "problem", f"{queue['queue']}: {queue['trouble']}", remedy)
    for queue in status["work"]:
        if queue["trouble"] and queue["trouble"] != status["store_trouble"]:
            yield Finding("queue", "problem", f"background jobs, {queue['queue']}: {queue['trouble']}")


def _machine(session: Session) -> Iterator[Finding]:
    if now_us() < EPOCH_2024:
        yield Finding("clock", "problem", "this machine's clock is years behind", "set it, or start its time service")
    folder = session.db.absolute().parent
    if folder.is_dir():
        free = shutil.disk_usage(folder).free
        level, remedy = ("problem", "make room") if free < LOW_DISK else ("ok", "")
        yield Finding("disk", level, f"{free >> 20:,} MB free", remedy)
        if not os.access(folder, os.W_OK):
            yield Finding("disk", "problem", f"{folder} cannot be written", "check its owner and rights")
    yield Finding("sqlite", "ok", f"version {sqlite3.sqlite_version}")
