"""A webhook in `paceline.toml`: what it gives, and what is refused before anything starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.channels.make import make_channel
from engine.channels.webhook.channel import WebhookChannel
from engine.channels.webhook.success import SuccessRule
from engine.config import Config, load_config
from engine.webhook_account import WebhookAccount
from storage.errors import UsageError

HOOK = '[accounts.hook]\nchannel = "webhook"\n'
URL = 'url = "https://example.com/hooks/orders"\n'


def loaded(folder: Path, text: str) -> Config:
    path = folder / "paceline.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return load_config(path)


def hook(folder: Path, text: str, before: str = "") -> WebhookAccount:
    account = loaded(folder, before + HOOK + text).account("hook")
    assert isinstance(account, WebhookAccount)
    return account


def test_an_address_is_enough(tmp_path: Path) -> None:
    account = hook(tmp_path, URL)
    assert (account.target, account.sender, account.mail, account.concurrency) == ("example.com", "hook", None, 10)
    settings = account.settings()
    assert (settings.method, settings.secret, settings.token) == ("POST", None, None)
    assert (settings.idempotent, settings.allow_private) == (False, False)
    assert (settings.connect_timeout, settings.reply_timeout) == (30.0, 30.0)
    assert settings.rule == SuccessRule()
    assert isinstance(make_channel(account), WebhookChannel)


def test_everything_can_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "one")
    monkeypatch.setenv("HOOK_TOKEN", "two")
    text = """
url = "http://127.0.0.1:8080/in?key=1"
method = "PUT"
secret = { env = "HOOK_SECRET" }
token = { env = "HOOK_TOKEN" }
token_header = "X-Api-Key"
idempotent = true
allow_private = true
ca_file = "ca.pem"
connect_timeout = "5s"
success = { statuses = [200, "202-204"], pointer = "/results/0/status", equals = "ok" }
"""
    account = hook(tmp_path, text, before='[defaults]\nreply_timeout = "2m"\n')
    settings = account.settings()
    assert "key=1" not in repr(account) + repr(settings)
    assert (settings.method, settings.token_header) == ("PUT", "X-Api-Key")
    assert settings.secret is not None
    assert settings.token is not None
    assert (settings.secret(), settings.token()) == ("one", "two")
    assert (settings.idempotent, settings.allow_private) == (True, True)
    assert settings.rule == SuccessRule(((200, 200), (202, 204)), "/results/0/status", "ok")
    assert settings.ca_file == str(tmp_path / "ca.pem")
    assert (settings.connect_timeout, settings.reply_timeout) == (5.0, 120.0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "accounts.hook.url: is required"),
        ('url = "example.com/hook"', "accounts.hook.url: must be an address such as"),
        ('url = "https://us:s3cret@example.com/"', "accounts.hook.url: must not hold a user name or password"),
        ('url = "https://{{ host }}/x"', "accounts.hook.url: must be one plain address"),
        ('url = "http://example.com/"', "url must begin with https://"),
        ('url = "http://example.com/"\nallow_private = 1', "accounts.hook.allow_private: "),
        ('url = "http://1.1.1.1/"\nallow_private = true', "url: 1.1.1.1 is a public address, which needs https"),
        ('url = "https://10.0.0.1/"', "url: 10.0.0.1 is not a public address"),
        ('url = "https://169.254.169.254/latest"\nallow_private = true', "metadata service"),
        (URL + 'secret = "s3cret"', "accounts.hook.secret: a secret may not stand here in clear"),
        (URL + 'token = "s3cret"', "accounts.hook.token: a secret may not stand here in clear"),
        ('url = "http://10.0.0.1/"\nallow_private = true\ntoken = { env = "T" }', "the token would travel in clear"),
        (URL + 'token_header = "Host"', "accounts.hook.token_header: the header Host is written by Paceline"),
        (URL + 'method = "GET"', "accounts.hook.method: must be one of 'POST' or 'PUT'"),
        (URL + 'preset = "gmail"', "accounts.hook.preset: has no presets for this channel"),
        (URL + 'from_address = "me@example.com"', "accounts.hook.from_address: is not a key of this table"),
        (URL + 'succes = "200"', "did you mean success?"),
        (URL + "success = { statuses = 99 }", "accounts.hook.success.statuses: must be a status from 200 to 599"),
        (URL + "success = { statuses = [] }", "accounts.hook.success.statuses: must be statuses"),
        (URL + 'success = { pointer = "ok" }', "accounts.hook.success.pointer: must be a JSON pointer"),
        (URL + "success = { equals = true }", "accounts.hook.success: equals needs a pointer"),
    ],
)
def test_a_mistake_is_one_sentence_without_a_secret(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        hook(tmp_path, text)
    assert sentence in caught.value.message
    assert "s3cret" not in caught.value.message


DOCUMENT = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL))
def test_the_examples_of_the_document_are_valid(tmp_path: Path, example: str) -> None:
    assert loaded(tmp_path, example).accounts
