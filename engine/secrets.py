"""Secrets by reference: a configuration names where a password stands, never the password itself.

A reference is read anew each time a connection needs it, so a changed password counts from the next login on.
"""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from storage.errors import PacelineError, RefusedError, UsageError

COMMAND_SECONDS = 30.0
"""How long a secret's command may take."""

MAX_BYTES = 64 * 1024
"""Nobody's password is longer; a wrong path could be."""

FORMS = '{ env = "NAME" }, { file = "PATH" }, { keyring = "SERVICE/USER" } or { command = ["pass", "smtp"] }'


class SecretRef(BaseModel):
    """Where a secret stands: exactly one of the four places.

    `env` is a variable's name, `file` a path, `keyring` is "service/user", `command` a program with its arguments.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    file: Path | None = None
    keyring: str | None = Field(default=None, pattern=r"^.+/[^/]+$")
    command: tuple[str, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _refuse_clear_text(cls, value: object) -> object:
        if isinstance(value, (dict, SecretRef)):
            return value
        raise ValueError(f"a secret may not stand here in clear: write {FORMS}")

    @model_validator(mode="after")
    def _exactly_one(self) -> SecretRef:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"must name exactly one place: {FORMS}")
        return self

    def describe(self) -> str:
        """The reference in words for messages and logs. A command's arguments stay out: they may be private."""
        if self.env is not None:
            return f"environment variable {self.env}"
        if self.file is not None:
            return f"file {self.file}"
        if self.keyring is not None:
            return f"keyring entry {self.keyring}"
        return f"command {self.command[0] if self.command else ''}"

    def __repr__(self) -> str:
        return f"SecretRef({self.describe()})"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Secret:
    """A callable that reads one account's secret when it is asked; it holds no secret itself."""

    ref: SecretRef
    account: str = ""

    def __call__(self) -> str:
        """The secret. Blocks (a command for up to 30 s): call it in a thread. Raises as `resolve` does."""
        return resolve(self.ref, account=self.account)


def resolve(ref: SecretRef, *, account: str = "", timeout: float = COMMAND_SECONDS) -> str:
    """Read the secret that `ref` names; `account` is for messages, `timeout` (seconds) bounds a command.

    One line end at the end is dropped. Raises UsageError when it is missing, empty or more than one line, and
    RefusedError when its file can be read by everybody on this machine. No message holds any part of the secret.
    """
    try:
        if ref.env is not None:
            text = _from_env(ref.env)
        elif ref.file is not None:
            text = _from_file(ref.file)
        elif ref.keyring is not None:
            text = _from_keyring(ref.keyring)
        else:
            text = _from_command(ref.command or (), timeout)
        return _one_line(text)
    except PacelineError as error:
        whose = f"account {account}: " if account else ""
        raise type(error)(f"{whose}{ref.describe()} {error.message}", hint=error.hint) from None


def _one_line(text: str) -> str:
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise UsageError("is empty", hint="put the password there")
    if any(end in text for end in "\r\n\0"):
        raise UsageError("holds more than one line", hint="leave only the password, on one line")
    return text


def _from_env(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise UsageError("is not set", hint=f"set {name} where the engine starts, or name another place")
    return value


def _from_file(path: Path) -> str:
    path = path.expanduser()
    try:
        # Without O_NONBLOCK a named pipe would hold the engine up until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(
            f"cannot be read: {(error.strerror or 'unknown reason').lower()}", hint="check the path and its owner"
        ) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UsageError("is not a regular file", hint="name a file that holds only the password")
        if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
            raise RefusedError("is open to other users", hint=f"chmod 600 {path}")
        return _decoded(os.read(descriptor, MAX_BYTES + 1))
    finally:
        os.close(descriptor)


def _from_keyring(entry: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise UsageError(
            "needs the keyring package, which is not installed", hint="pip install 'paceline[keyring]'"
        ) from None
    service, _, user = entry.rpartition("/")
    try:
        value = keyring.get_password(service, user)
    except KeyringError as error:
        raise UsageError(
            f"could not be read ({type(error).__name__})", hint="unlock the keyring, or name another place"
        ) from None
    if value is None:
        raise UsageError("does not exist", hint=f"keyring set {service} {user}")
    return str(value)


def _from_command(command: tuple[str, ...], timeout: float) -> str:
    # The program's own words are never shown: they may hold what it was asked for.
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"gave no answer in {timeout:g} s", hint="run it in a terminal: it may ask for something"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it cannot be run"
        raise UsageError(f"did not start: {reason.lower()}", hint="check the program's name and path") from None
    if done.returncode != 0:
        raise UsageError(f"ended with status {done.returncode}", hint="run it in a terminal to see why")
    return _decoded(done.stdout)


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise UsageError(f"holds more than {MAX_BYTES // 1024} KB", hint="leave only the password there")
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    # Raised outside the handler: a UnicodeDecodeError carries the bytes that it choked on.
    raise UsageError("is not UTF-8 text", hint="write the password as UTF-8")
