"""The demo's own folder and its relay: a configuration, a database, an example campaign. Nothing else is special.

Engine and storage know of no demo: retries within seconds and a short cooling are settings like any other.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from storage.errors import LockHeldError, PacelineError, RefusedError, UsageError
from storage.lock import read_holder
from tui.demo.ledger import Ledger

MARK = ".paceline-demo"
PREVIOUS = "previous"
CAMPAIGNS = Path(__file__).parent / "campaigns"
"""The example campaigns; `examples/welcome` and `examples/follow-up` are the same folders."""
CAMPAIGN = "welcome"
"""The one that is sent at once and counted by the relay."""
LATER = "follow-up"
"""The one whose pace is looked at: it takes days."""
_STARTING = "listening on "

CONFIG = """\
# The demo's configuration, written anew by every `paceline demo`.
environment = "demo"

# Everything within seconds, so that the whole story fits into one look.
[defaults.retry]
delays = ["1s", "2s", "4s"]
give_up = "20s"

[defaults.cooling]
steps = ["2s"]

# A relay of this machine that behaves as real ones do; nothing leaves the machine.
[accounts.relay]
channel = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
concurrency = 10
from_name = "The fair's team"
from_address = "team@fair.example.com"

# One person's mailbox: a few a day. Its messages are files beside this one, nothing leaves the machine.
[accounts.personal]
channel = "outbox"
folder = "outbox"
zone = "Europe/Berlin"
caps = ["12/day calendar"]
from_name = "Ana of the fair's team"
from_address = "ana@fair.example.com"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The demo's folder and what stands in it."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "paceline.toml"

    @property
    def database(self) -> Path:
        return self.folder / "paceline.db"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.jsonl"


def default_folder() -> Path:
    """`.demo` in a checkout of Paceline, else `demo` in the platform's data folder."""
    here = Path.cwd()
    project = here / "pyproject.toml"
    if (here / "tui" / "demo").is_dir() and project.is_file() and 'name = "paceline"' in project.read_text("utf-8"):
        return here / ".demo"
    return platformdirs.user_data_path("paceline", False) / "demo"


def make_place(folder: Path) -> tuple[Place, str]:
    """The demo's folder, emptied of the last demo's run, and a sentence that says what was done.

    The last database and ledger move to `previous`. Raises RefusedError for a folder with anybody else's files,
    LockHeldError while a demo runs in it.
    """
    place = Place(folder)
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
        if not (folder / MARK).exists():
            if any(folder.iterdir()):
                raise RefusedError(
                    f"{folder} holds files that are not a demo's", hint="name an empty folder with --dir"
                )
            (folder / MARK).write_text("Made by `paceline demo`, which replaces what stands here.\n")
            return place, f"demo in {folder}"
        holder = read_holder(place.database)
        if holder is not None:
            raise LockHeldError(f"a demo runs in {folder}: {holder.describe()}", hint="end it, or give another --dir")
        return place, _put_away(place)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise UsageError(f"{folder} cannot be used: {reason}", hint="name another folder with --dir") from None


def _put_away(place: Place) -> str:
    old = [path for path in (place.database, place.ledger) if path.exists()]
    if not old:
        return f"demo in {place.folder} (reused)"
    previous = place.folder / PREVIOUS
    previous.mkdir(mode=0o700, exist_ok=True)
    for name in (place.database.name, place.ledger.name):
        for ending in ("", "-wal", "-shm", ".lock", ".sock"):
            (previous / (name + ending)).unlink(missing_ok=True)
            if (part := place.folder / (name + ending)).exists():
                # Its lock and its socket belong to no running engine; the journal goes with its database.
                part.replace(previous / part.name) if ending in ("", "-wal", "-shm") else part.unlink()
    return (
        f"demo in {place.folder} (reused): the last run's database and ledger are in {PREVIOUS}/, new ones replace them"
    )


def write_config(place: Place, port: int) -> None:
    """The configuration for the relay's port, 0600."""
    place.config.unlink(missing_ok=True)
    with os.fdopen(os.open(place.config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(CONFIG.format(port=port))


@contextlib.contextmanager
def running_relay(place: Place) -> Iterator[int]:
    """The relay in a process of its own; gives its port. It ends with this one."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tui.demo.attended", "--ledger", str(place.ledger)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A Ctrl-C in the terminal is for the console, not for the relay.
        start_new_session=True,
    )
    try:
        yield _port(child)
    finally:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(5)
        if child.poll() is None:
            child.kill()
            child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def _port(child: subprocess.Popen[str]) -> int:
    line = child.stdout.readline() if child.stdout is not None else ""
    found = re.fullmatch(rf"{_STARTING}\S+:(\d+)\s*", line)
    if found is None:
        raise PacelineError("the demo's relay did not start", hint="python -m tui.demo.relay says why")
    return int(found[1])


@dataclass(frozen=True, slots=True)
class Judgement:
    """The relay's own ledger: messages it accepted, different people, and who got more than one."""

    accepted: int
    people: int
    twice: tuple[str, ...]
    addresses: frozenset[str]


def judge(place: Place) -> Judgement:
    """Read the relay's ledger."""
    entries = Ledger.read(place.ledger) if place.ledger.exists() else []
    per_person = Counter(entry.recipient.lower() for entry in entries)
    twice = tuple(sorted(address for address, n in per_person.items() if n > 1))
    return Judgement(len(entries), len(per_person), twice, frozenset(per_person))
