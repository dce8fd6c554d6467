"""A home for one operator: configuration, database, files; and two ways to run `paceline`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tui.cli.root import run
from tui.demo.ledger import Accepted, Ledger

TEMPLATE = "Subject: Hello {{ first_name }}\n\nDear {first_name},\n\nthis is for you.\n"
PEOPLE = "email,first_name,company\nada@example.com,Ada,Alder\nben@example.org,Ben,\ncleo@example.net,Cleo,Cove\n"


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, data, narration."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Home:
    """One operator's folder. Calling it runs a command in this process."""

    folder: Path
    _capture: Callable[[], Any]

    @property
    def database(self) -> Path:
        return self.folder / "paceline.db"

    @property
    def config(self) -> Path:
        return self.folder / "paceline.toml"

    def __call__(self, *args: object) -> Done:
        self._capture()
        code = run([str(arg) for arg in args])
        said = self._capture()
        return Done(code, said.out, said.err)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def program(self, *args: object, timeout: float = 60, **environment: str) -> Done:
        """The real program in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "tui", *map(str, args)],
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *args: object) -> subprocess.Popen[str]:
        """The real program, left running; the test ends it."""
        return subprocess.Popen(
            [sys.executable, "-m", "tui", *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Home:
    """A home in which nothing was made yet."""
    home = Home(tmp_path, capfd.readouterr)
    monkeypatch.setenv("PACELINE_DB", str(home.database))
    monkeypatch.setenv("PACELINE_CONFIG", str(home.config))
    monkeypatch.setenv("PACELINE_USER", "tester")
    return home


@pytest.fixture
def home(empty: Home) -> Home:
    """A home after `paceline init`, with a template and a file of three people."""
    assert empty("init").code == 0
    empty.write("message.txt", TEMPLATE)
    empty.write("people.csv", PEOPLE)
    return empty


@pytest.fixture
def drafted(home: Home) -> Home:
    """`home` with the draft `spring` on the outbox account, its three people imported."""
    assert home("campaign", "new", "spring", "-a", "outbox", "-t", home.folder / "message.txt").code == 0
    assert home("recipients", "import", home.folder / "people.csv", "-c", "spring").code == 0
    return home


@dataclass(frozen=True)
class RunningRelay:
    port: int
    ledger_file: Path

    def accepted(self) -> list[Accepted]:
        return Ledger.read(self.ledger_file) if self.ledger_file.exists() else []


def _relay(folder: Path, *options: str) -> Iterator[RunningRelay]:
    ledger = folder / "ledger.jsonl"
    child = subprocess.Popen(
        [sys.executable, "-m", "tui.demo.attended", "relay", "--ledger", str(ledger), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    found = re.search(r":(\d+)", child.stdout.readline())
    assert found is not None
    yield RunningRelay(int(found[1]), ledger)
    child.stdin.close()
    assert child.wait(60) == 0
    child.stdout.close()


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RunningRelay]:
    """A relay that accepts everything at once."""
    yield from _relay(tmp_path, "--plain")


@pytest.fixture
def slow_relay(tmp_path: Path) -> Iterator[RunningRelay]:
    """A relay that takes a second before each acceptance."""
    yield from _relay(tmp_path, "--plain", "--latency", "1")


@pytest.fixture
def believable_relay(tmp_path: Path) -> Iterator[RunningRelay]:
    """A relay on an ordinary day: greylisting, unknown users, a full mailbox."""
    yield from _relay(tmp_path)


def add_relay(home: Home, port: int, *more: str) -> None:
    """An account `relay` for a relay of this machine."""
    done = home(
        "account", "add", "relay", "--channel", "smtp", "--host", "127.0.0.1", "--port", port, "--tls", "none",
        "--from", "me@example.com", *more,
    )  # fmt: skip
    assert done.code == 0, done.err
