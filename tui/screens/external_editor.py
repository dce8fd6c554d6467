"""The operator's own editor: it gets the terminal, and the console waits for its end."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported

from storage.errors import UsageError

USUAL = ("sensible-editor", "nano", "vim", "vi")
LARGEST = 512 << 10


def editor_command() -> list[str]:
    """`$VISUAL`, `$EDITOR`, or one that is usually there. Raises UsageError where none is."""
    for name in ("VISUAL", "EDITOR"):
        if (set_to := os.environ.get(name, "").strip()) and (words := _words(set_to)):
            return words
    found = next((path for name in USUAL if (path := shutil.which(name))), None)
    if found is None:
        raise UsageError("there is no editor here", hint="set EDITOR, for example EDITOR=nano")
    return [found]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return []


def write_in(app: App[Any], content: str, suffix: str) -> str:
    """Let the operator change `content` in their editor; returns what they saved.

    The screen stands still meanwhile; an embedded engine goes on in its own thread. Raises UsageError when the editor
    cannot be run, fails, or leaves what is no UTF-8 text or larger than 512 KB.
    """
    command = editor_command()
    with tempfile.TemporaryDirectory(prefix="paceline-") as folder:
        file = Path(folder) / f"message{suffix}"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
            opened.write(content)
        try:
            with app.suspend():
                code = _run([*command, str(file)])
        except SuspendNotSupported:
            raise UsageError("this terminal cannot be handed to an editor", hint="write it here instead") from None
        if code:
            raise UsageError(f"{command[0]} ended with {code}: nothing was changed", hint="set EDITOR to another one")
        return _saved(file)


def _run(command: list[str]) -> int:
    try:
        child = subprocess.Popen(command)
    except OSError as error:
        problem = f"{command[0]} cannot be run: {(error.strerror or 'unknown reason').lower()}"
        raise UsageError(problem, hint="set EDITOR to another one") from None
    # Keys such as ^C are the editor's while it has the terminal: they must not drain the engine behind it.
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _saved(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST:
            raise UsageError("the message is larger than 512 KB: nothing was changed", hint="make it smaller")
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problem = f"what the editor saved cannot be read: {(error.strerror or 'unknown reason').lower()}"
        raise UsageError(problem, hint="save it under the name that it was opened with") from None
    except UnicodeDecodeError:
        raise UsageError("the editor saved no UTF-8 text: nothing was changed", hint="save it as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
