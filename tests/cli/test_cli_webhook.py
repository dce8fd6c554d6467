"""Webhook accounts on the command line: added, listed without their secrets, examined, tested."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from engine.config import load_config
from engine.webhook_account import WebhookAccount
from tests.cli.conftest import Home

URL = "https://hooks.example/services/aB3dE5gH7jK9mN1pQ3sT5vX7?key=k3y"


def add(home: Home, *options: object, name: str = "hook", url: str = URL) -> int:
    return home("account", "add", name, "--channel", "webhook", "--url", url, *options).code


def configured(path: Path, name: str = "hook") -> WebhookAccount:
    account = load_config(path).account(name)
    assert isinstance(account, WebhookAccount)
    return account


def test_everything_that_counts_is_written(home: Home) -> None:
    secrets = ("--secret-env", "HOOK_SECRET", "--password-command", "pass show 'my hook'", "--token-header", "X-Key")
    success = ("--success", "200,202-204", "--success-pointer", "/ok", "--idempotent", "--method", "PUT")
    assert add(home, *secrets, *success, "--daily-cap", 50) == 0
    account = configured(home.config)
    assert account.secret is not None
    assert account.token is not None
    assert (account.secret.env, account.token.command) == ("HOOK_SECRET", ("pass", "show", "my hook"))
    assert (account.token_header, account.method, account.idempotent) == ("X-Key", "PUT", True)
    assert (account.success.statuses, account.success.pointer) == (("200", "202-204"), "/ok")
    assert account.daily_cap == 50


def test_an_address_alone_is_enough(home: Home) -> None:
    assert add(home) == 0
    account = configured(home.config)
    assert (account.idempotent, account.allow_private, account.success.statuses) == (False, False, ("200-299",))


def test_lists_show_no_secret_part_of_an_address(home: Home) -> None:
    add(home, "--secret-env", "HOOK_SECRET")
    for done in (home("account", "list"), home("account", "list", "--json")):
        assert done.code == 0
        assert "https://hooks.example/services/***?key=***" in done.out
        assert "environment variable HOOK_SECRET" in done.out
        assert "k3y" not in done.out + done.err


def test_an_address_that_may_not_be_asked_is_not_written(home: Home) -> None:
    before = home.config.read_text()
    assert add(home, url="https://us:s3cret@hooks.example/") == 2
    assert add(home, url="http://10.0.0.1/") == 2
    assert add(home, "--secret-env", "A", "--secret-file", "b") == 2
    assert home.config.read_text() == before


def test_doctor_reads_every_secret(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "t")
    add(home, "--secret-env", "HOOK_SECRET", "--password-env", "HOOK_TOKEN")
    findings = [row for row in home("doctor", "--json").json["findings"] if "HOOK" in row["message"]]
    assert [(row["level"], row["message"]) for row in findings] == [
        ("ok", "hook: its secret can be read (environment variable HOOK_TOKEN)"),
        ("problem", "hook: environment variable HOOK_SECRET is not set"),
    ]


def test_a_mistake_in_a_json_template_names_file_line_and_column(home: Home) -> None:
    add(home)
    template = home.write("order.json", '{"name": "{{ first_name }}",\n "n": {"$number": "{{ x() }}"}}')
    done = home("campaign", "new", "c", "--account", "hook", "--template", template)
    assert done.code == 2
    assert "order.json, line 2, column 19: /n: calls are not allowed" in done.err


def test_a_test_connects_and_sends_nothing(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/in"
        assert add(home, "--allow-private", url=url) == 0
        done = home("account", "test", "hook", "--json")
        assert (done.code, done.json["success"]) == (0, True)
        with server.accept()[0] as connection:
            connection.settimeout(10)
            assert connection.recv(100) == b""
    done = home("account", "test", "hook")
    assert done.code == 1
    assert "refused the connection" in done.err
