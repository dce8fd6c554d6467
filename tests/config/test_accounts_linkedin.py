"""LinkedIn accounts: low figures whatever else is set, one at a time, and a key that never travels in clear."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import load_config
from engine.planning.caps import Cap
from engine.unipile_account import UnipileAccount
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND

KEYS = "url = 'https://api1.unipile.com:13111'\naccount_id = 'acc-1'\napi_key = { env = 'KEY' }\n"


def linkedin(folder: Path, keys: str = "", base: str = KEYS, rest: str = "") -> UnipileAccount:
    path = folder / "paceline.toml"
    path.write_text(f"{rest}\n[accounts.me]\nchannel = 'unipile'\n{base}{keys}\n")
    account = load_config(path).account("me")
    assert isinstance(account, UnipileAccount)
    return account


def refusal(folder: Path, keys: str, base: str = KEYS) -> str:
    with pytest.raises(UsageError) as refused:
        linkedin(folder, keys, base)
    return refused.value.message


@pytest.mark.parametrize(
    ("keys", "day", "week", "note"),
    [
        ("", 20, 100, 300),
        ("plan = 'paid'", 20, 100, 300),
        ("plan = 'free'", 10, 80, 200),
        ("preset = 'linkedin-free'", 10, 80, 200),
        ("preset = 'linkedin'", 20, 100, 300),
        ("preset = 'linkedin'\nplan = 'free'", 20, 100, 200),
        ("plan = 'free'\nnote_limit = 150", 10, 80, 150),
    ],
)
def test_the_low_figures_hold_with_and_without_a_preset(
    tmp_path: Path, keys: str, day: int, week: int, note: int
) -> None:
    account = linkedin(tmp_path, keys)
    assert account.ceilings == (Cap(day, DAY), Cap(week, 7 * DAY))
    assert (account.min_gap, account.concurrency) == (15 * MINUTE, 1)
    assert account.most_characters == note
    assert account.look_up_cap == Cap(80, DAY)


def test_the_pace_of_the_other_accounts_does_not_reach_it(tmp_path: Path) -> None:
    account = linkedin(tmp_path, rest="[defaults]\nconcurrency = 50\nmin_gap = '1s'\nconnect_timeout = '7s'\n")
    assert (account.concurrency, account.min_gap) == (1, 15 * MINUTE)
    assert account.connect_timeout == 7 * SECOND


def test_its_own_keys_win(tmp_path: Path) -> None:
    account = linkedin(tmp_path, "daily_cap = 5\ncaps = ['25/week']\nmin_gap = '1h'\nlook_ups = '40/day'\n")
    assert account.ceilings == (Cap(5, DAY), Cap(25, 7 * DAY))
    assert (account.min_gap, account.look_up_cap) == (HOUR, Cap(40, DAY))


@pytest.mark.parametrize("keys", ["concurrency = 2", "concurrency = true", "concurrency = 0"])
def test_invitations_leave_one_at_a_time(tmp_path: Path, keys: str) -> None:
    assert "one at a time" in refusal(tmp_path, keys)


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("https://API1.unipile.com:13111/", "https://api1.unipile.com:13111"),
        ("https://api1.unipile.com:13111/api/v1/", "https://api1.unipile.com:13111"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_address_is_host_and_port(tmp_path: Path, url: str, given: str) -> None:
    settings = linkedin(tmp_path, base=KEYS.replace("https://api1.unipile.com:13111", url)).settings()
    assert settings.base_url == given


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://api1.unipile.com", "in clear"),
        ("http://10.0.0.1", "in clear"),
        ("ftp://api1.unipile.com", "such as https"),
        ("api1.unipile.com:13111", "such as https"),
        ("https://user:secret@api1.unipile.com", "no user"),
        ("https://api1.unipile.com/api/v2", "end after the host"),
        ("https://api1.unipile.com?key=1", "such as https"),
        ("https://[", "such as https"),
        ("https://api1.unipile.com:99999", "such as https"),
    ],
)
def test_an_address_that_would_betray_the_key_is_refused(tmp_path: Path, url: str, reason: str) -> None:
    sentence = refusal(tmp_path, "", KEYS.replace("https://api1.unipile.com:13111", url))
    assert reason in sentence
    assert "secret" not in sentence


def test_the_key_stands_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "in clear" in refusal(tmp_path, "", KEYS.replace("{ env = 'KEY' }", "'topsecret'"))
    monkeypatch.setenv("KEY", "topsecret")
    account = linkedin(tmp_path)
    assert account.settings().api_key() == "topsecret"
    assert "topsecret" not in repr(account) + repr(account.settings())


def test_a_preset_of_mail_is_none_of_its_own(tmp_path: Path) -> None:
    assert "preset" in refusal(tmp_path, "preset = 'gmail'")
