"""The demo's own folder and its two servers: a configuration, a database, example campaigns. Nothing else is special.

Engine and storage know of no demo: retries within seconds and a short cooling are settings like any other.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import platformdirs

from storage.errors import LockHeldError, PacelineError, RefusedError, UsageError
from storage.lock import read_holder
from tui.demo import unipile_server
from tui.demo.ledger import Ledger
from tui.demo.unipile_rules import InvitationLedger

MARK = ".paceline-demo"
PREVIOUS = "previous"
CAMPAIGNS = Path(__file__).parent / "campaigns"
"""The example campaigns; those of the same names in `examples/` are the same folders."""
CAMPAIGN = "welcome"
"""The one that is sent at once and counted by the relay."""
INVITATIONS = "introductions"
"""The one beside it, through a LinkedIn account."""
LATER = "follow-up"
"""The one whose pace is looked at: it takes days."""
_STARTING = "listening on "
_KEY_FILE = "linkedin.key"
_SEED = 542
"""With it the invited people meet every kind of answer, and nobody who could be invited only in three weeks."""

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
port = {relay}
tls = "none"
concurrency = 10
from_name = "The fair's team"
from_address = "team@fair.example.com"

# A LinkedIn account at a service of this machine. A real one waits 15 minutes and more between two invitations.
[accounts.linkedin]
channel = "unipile"
url = "http://127.0.0.1:{linkedin}"
account_id = "demo-account"
api_key = {{ file = {key} }}
min_gap = "1s"

# Where messages for prospects would go that somebody has approved: files, nothing leaves the machine.
[accounts.outbox]
channel = "outbox"
folder = "approved"
from_name = "Paula Example"
from_address = "paula@fair.example.com"

# One person's mailbox: a few a day. Its messages are files beside this one, nothing leaves the machine.
[accounts.personal]
channel = "outbox"
folder = "outbox"
zone = "Europe/Berlin"
caps = ["12/day calendar"]
from_name = "Ana of the fair's team"
from_address = "ana@fair.example.com"

# Background jobs: their files stand beside this one.
[jobs]
folder = "work"

[jobs.backoff]
first = "1s"
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

    @property
    def invitations(self) -> Path:
        return self.folder / "invitations.jsonl"


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
    old = [path for path in (place.database, place.ledger, place.invitations) if path.exists()]
    if not old:
        return f"demo in {place.folder} (reused)"
    previous = place.folder / PREVIOUS
    previous.mkdir(mode=0o700, exist_ok=True)
    for name in (place.database.name, place.ledger.name, place.invitations.name):
        for ending in ("", "-wal", "-shm", ".lock", ".sock"):
            (previous / (name + ending)).unlink(missing_ok=True)
            if (part := place.folder / (name + ending)).exists():
                # Its lock and its socket belong to no running engine; the journal goes with its database.
                part.replace(previous / part.name) if ending in ("", "-wal", "-shm") else part.unlink()
    return (
        f"demo in {place.folder} (reused): the last run's database and ledgers are in {PREVIOUS}/, new ones replace "
        f"them"
    )


class Ports(NamedTuple):
    """Where the demo's servers listen."""

    relay: int
    linkedin: int


def write_config(place: Place, ports: Ports) -> None:
    """The configuration for the servers' ports, and the key of the LinkedIn service beside it; both 0600."""
    key = place.folder / _KEY_FILE
    _write(key, f"{unipile_server.KEY}\n")
    # A basic string of TOML is one of JSON, as far as paths go.
    _write(place.config, CONFIG.format(relay=ports.relay, linkedin=ports.linkedin, key=json.dumps(str(key))))


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


@contextlib.contextmanager
def running_servers(place: Place) -> Iterator[Ports]:
    """The relay and the LinkedIn service, each in a process of its own that ends with this one; gives their ports."""
    with (
        _running("relay", "--ledger", str(place.ledger)) as relay,
        _running("linkedin", "--ledger", str(place.invitations), "--seed", str(_SEED)) as linkedin,
    ):
        yield Ports(relay, linkedin)


@contextlib.contextmanager
def _running(*words: str) -> Iterator[int]:
    child = subprocess.Popen(
        [sys.executable, "-m", "tui.demo.attended", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A Ctrl-C in the terminal is for the console, not for the server.
        start_new_session=True,
    )
    try:
        yield _port(child, words[0])
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


def _port(child: subprocess.Popen[str], name: str) -> int:
    line = child.stdout.readline() if child.stdout is not None else ""
    found = re.fullmatch(rf"{_STARTING}\S+:(\d+)\s*", line)
    if found is None:
        raise PacelineError(f"the demo's {name} did not start", hint=f"python -m tui.demo.attended {name} says why")
    return int(found[1])


@dataclass(frozen=True, slots=True)
class Judgement:
    """A server's own ledger: how much it accepted for whom, and who got one message more than once."""

    per_person: Counter[str]
    twice: tuple[str, ...]

    @property
    def accepted(self) -> int:
        return self.per_person.total()


def judge(place: Place) -> Judgement:
    """Read the relay's ledger. Two steps of a sequence have different Message-IDs; one that came twice has one."""
    entries = Ledger.read(place.ledger) if place.ledger.exists() else []
    return _judgement((entry.recipient.lower(), entry.message_id) for entry in entries)


def judge_invitations(place: Place) -> Judgement:
    """Read the LinkedIn service's ledger: nobody is to be invited twice, whatever the steps."""
    entries = InvitationLedger.read(place.invitations) if place.invitations.exists() else []
    return _judgement((entry.profile, "") for entry in entries)


def _judgement(accepted: Iterable[tuple[str, str]]) -> Judgement:
    per_message = Counter(accepted)
    per_person = Counter(person for person, _ in per_message.elements())
    return Judgement(per_person, tuple(sorted({person for (person, _), n in per_message.items() if n > 1})))
