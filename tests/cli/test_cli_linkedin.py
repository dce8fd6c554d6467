"""LinkedIn accounts on the command line: added with a warning, listed without the key, tested at the service."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.conftest import Home
from tui.demo.unipile_server import ACCOUNT, KEY


@pytest.fixture
def service() -> Iterator[str]:
    """The scripted service in a process of its own; gives its address."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tui.demo.unipile_server", "--plain"], stdout=subprocess.PIPE, text=True
    )
    try:
        line = child.stdout.readline() if child.stdout else ""
        found = re.search(r":(\d+)\s*$", line)
        assert found, line
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        child.terminate()
        child.communicate(timeout=60)


def add(home: Home, name: str, url: str, *more: str) -> Any:
    return home(
        *("account", "add", name, "--channel", "unipile", "--url", url, "--account-id", ACCOUNT),
        *("--password-env", "UNIPILE_KEY", *more),
    )


def test_the_first_account_warns_once_and_is_listed_without_its_key(
    home: Home, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIPILE_KEY", KEY)
    done = add(home, "ana", service, "--plan", "free")
    assert done.code == 0, done.err
    assert "user agreement forbids automation" in done.err
    assert "forbids" not in add(home, "bob", service).err
    listed = {row["account"]: row for row in home("account", "list", "--json").json["accounts"]}
    assert listed["ana"]["password"] == "environment variable UNIPILE_KEY"
    assert (listed["ana"]["plan"], listed["ana"]["caps"], listed["ana"]["note_limit"]) == (
        "free",
        ["10/day", "80/week"],
        200,
    )
    shown = home("account", "list")
    assert service in shown.out
    assert KEY not in shown.out + home.config.read_text()


def test_an_account_is_tested_at_the_service(home: Home, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIPILE_KEY", KEY)
    add(home, "ana", service)
    done = home("account", "test", "ana", "--json")
    assert (done.code, done.json["success"]) == (0, True)
    monkeypatch.setenv("UNIPILE_KEY", "topsecret")
    refused = home("account", "test", "ana")
    assert refused.code == 1
    assert "missing credentials" in refused.err
    assert "topsecret" not in refused.err


def test_what_a_mail_account_has_is_no_key_of_it(home: Home) -> None:
    done = add(home, "ana", "https://api1.unipile.com:13111", "--from", "ana@example.com")
    assert done.code == 2
    assert "from_address" in done.err
    assert "ana" not in {row["account"] for row in home("account", "list", "--json").json["accounts"]}
