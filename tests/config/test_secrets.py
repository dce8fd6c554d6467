"""Secrets by reference: where they may stand, and what no message ever tells."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
from pydantic import ValidationError

from engine.secrets import Secret, SecretRef, resolve
from storage.errors import RefusedError, UsageError


def python(program: str) -> SecretRef:
    return SecretRef(command=(sys.executable, "-c", program))


def private_file(folder: Path, content: bytes) -> Path:
    path = folder / "password"
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_a_variable_gives_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", " hünter2 ")
    assert resolve(SecretRef(env="SMTP_PASSWORD")) == " hünter2 "


def test_a_missing_variable_is_named_together_with_its_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMTP_PASSWORD", raising=False)
    with pytest.raises(UsageError, match="account main: environment variable SMTP_PASSWORD is not set"):
        resolve(SecretRef(env="SMTP_PASSWORD"), account="main")


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_a_file_loses_one_line_end_and_nothing_else(tmp_path: Path, ending: bytes) -> None:
    assert resolve(SecretRef(file=private_file(tmp_path, b"hunter2 " + ending))) == "hunter2 "


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620])
def test_a_file_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = private_file(tmp_path, b"hunter2")
    path.chmod(mode)
    with pytest.raises(RefusedError) as caught:
        resolve(SecretRef(file=path), account="main")
    assert caught.value.hint == f"chmod 600 {path}"


def test_a_file_of_the_own_group_may_be_read(tmp_path: Path) -> None:
    path = private_file(tmp_path, b"hunter2")
    path.chmod(0o640)
    assert resolve(SecretRef(file=path)) == "hunter2"


@pytest.mark.parametrize("content", [b"", b"\n", b"hunter2\nmore", b"hunter2\n\n", b"hunter2\xff", b"h" * 70_000])
def test_a_file_that_holds_no_single_line_of_text_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(SecretRef(file=private_file(tmp_path, content)))
    assert "hunter2" not in caught.value.message + caught.value.hint
    assert caught.value.__context__ is None or "hunter2" not in repr(caught.value.__context__)


def test_a_missing_file_and_a_folder_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        resolve(SecretRef(file=tmp_path / "none"))
    with pytest.raises(UsageError, match="not a regular file"):
        resolve(SecretRef(file=tmp_path))


def test_a_command_runs_without_a_shell(tmp_path: Path) -> None:
    assert resolve(SecretRef(command=("echo", "$HOME; id"))) == "$HOME; id"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("print('hunter2'); import sys; sys.stderr.write('hunter2'); sys.exit(3)", "ended with status 3"),
        ("", "is empty"),
        ("print('hunter2'); print('login: me')", "more than one line"),
    ],
)
def test_a_command_that_gives_no_password_is_named_but_its_words_are_not_shown(program: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        resolve(python(program), account="main")
    assert "hunter2" not in str(caught.value)
    assert sys.executable in str(caught.value)


def test_a_command_that_hangs_is_ended() -> None:
    with pytest.raises(UsageError, match=r"gave no answer in 0.2 s"):
        resolve(python("import time; time.sleep(60)"), timeout=0.2)


def test_a_command_that_does_not_exist_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="did not start: no such file"):
        resolve(SecretRef(command=("paceline-no-such-program",)))


def test_a_keyring_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        resolve(SecretRef(keyring="smtp.example.com/me"), account="main")
    assert "paceline[keyring]" in caught.value.hint


@pytest.fixture
def fake_keyring(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    entries: dict[tuple[str, str], str] = {}

    class KeyringError(Exception):
        pass

    def get_password(service: str, user: str) -> str | None:
        if service == "locked":
            raise KeyringError("hunter2")
        return entries.get((service, user))

    errors = types.ModuleType("keyring.errors")
    errors.KeyringError = KeyringError  # type: ignore[attr-defined]
    package = types.ModuleType("keyring")
    package.get_password = get_password  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", package)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return entries


def test_a_keyring_entry_is_found_by_service_and_user(fake_keyring: dict[tuple[str, str], str]) -> None:
    fake_keyring["smtp.example.com/submission", "me@example.com"] = "hunter2"
    assert resolve(SecretRef(keyring="smtp.example.com/submission/me@example.com")) == "hunter2"


@pytest.mark.usefixtures("fake_keyring")
@pytest.mark.parametrize(("entry", "message"), [("a/b", "does not exist"), ("locked/b", "KeyringError")])
def test_a_keyring_that_has_no_answer_says_so(entry: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        resolve(SecretRef(keyring=entry))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", ["hunter2", 42, ["hunter2"], {}, {"env": "A", "file": "b"}, {"env": "a b"}])
def test_a_reference_names_exactly_one_place_and_never_is_the_secret(value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        SecretRef.model_validate(value)
    assert "hunter2" not in str(caught.value)


def test_no_representation_shows_a_secret_or_the_arguments_of_a_command() -> None:
    ref = SecretRef(command=("vault", "--token=hunter2"))
    secret = Secret(ref, "main")
    assert "hunter2" not in f"{ref!r} {ref} {secret!r} {secret} {ref.describe()}"


def test_a_secret_is_read_anew_at_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = Secret(SecretRef(env="SMTP_PASSWORD"), "main")
    monkeypatch.setenv("SMTP_PASSWORD", "first")
    assert secret() == "first"
    monkeypatch.setenv("SMTP_PASSWORD", "second")
    assert secret() == "second"
