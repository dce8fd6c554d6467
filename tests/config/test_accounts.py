"""Accounts: whose figure counts, and the objects that the engine gets from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.accounts import PRESETS, OutboxAccount, SmtpAccount
from engine.alarm_rules import AlarmRules
from engine.alarm_settings import AlarmsTable
from engine.config import Config, load_config
from engine.planning.caps import Cap
from engine.retry import CoolingLadder, RetryPolicy
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND


def configured(folder: Path, keys: str, rest: str = "") -> Config:
    path = folder / "paceline.toml"
    path.write_text(f"[accounts.main]\nchannel = 'smtp'\nfrom_address = 'me@example.com'\n{keys}\n{rest}")
    return load_config(path)


def smtp(folder: Path, keys: str, rest: str = "") -> SmtpAccount:
    account = configured(folder, keys, rest).account("main")
    assert isinstance(account, SmtpAccount)
    return account


@pytest.mark.parametrize(
    ("preset", "daily_cap", "concurrency", "per_connection"),
    [("gmail", 400, 5, 100), ("workspace", 1500, 15, 100), ("yahoo", None, 10, 20), ("cold", 30, 10, 100)],
)
def test_a_preset_brings_the_figures_of_its_provider(
    tmp_path: Path, preset: str, daily_cap: int | None, concurrency: int, per_connection: int
) -> None:
    host = "host = 'smtp.example.com'" if "host" not in PRESETS[preset] else ""
    account = smtp(tmp_path, f"preset = '{preset}'\n{host}")
    assert account.daily_cap == daily_cap
    assert account.concurrency == concurrency
    assert account.messages_per_connection == per_connection


def test_an_account_wins_over_its_preset_and_the_preset_over_the_defaults(tmp_path: Path) -> None:
    rest = "[defaults]\nconcurrency = 3\nmin_gap = '2s'"
    assert smtp(tmp_path, "preset = 'gmail'\nconcurrency = 4", rest).concurrency == 4
    assert smtp(tmp_path, "preset = 'gmail'", rest).concurrency == 5
    assert smtp(tmp_path, "host = 'h'", rest).concurrency == 3
    assert smtp(tmp_path, "preset = 'gmail'", rest).min_gap == 2 * SECOND


def test_defaults_that_an_outbox_has_no_use_for_do_not_disturb_it(tmp_path: Path) -> None:
    path = tmp_path / "paceline.toml"
    path.write_text(
        "[defaults]\nreply_timeout = '5m'\nconcurrency = 2\n"
        "[accounts.box]\nchannel = 'outbox'\nfolder = 'box'\nfrom_address = 'me@example.com'\npreset = 'gmail'"
    )
    account = load_config(path).account("box")
    assert isinstance(account, OutboxAccount)
    assert (account.concurrency, account.daily_cap) == (5, 400)


def test_an_account_that_sets_nothing_has_the_documented_figures(tmp_path: Path) -> None:
    account = smtp(tmp_path, "host = 'h'")
    assert (account.tls, account.server_port, account.concurrency, account.min_gap) == ("starttls", 587, 10, 0)
    assert account.ceilings == ()
    assert account.reply_timeout == 600 * SECOND


@pytest.mark.parametrize(("tls", "port"), [("implicit", 465), ("starttls", 587), ("opportunistic", 25), ("none", 25)])
def test_the_port_follows_the_tls_mode_unless_it_is_given(tmp_path: Path, tls: str, port: int) -> None:
    assert smtp(tmp_path, f"host = 'h'\ntls = '{tls}'").server_port == port
    assert smtp(tmp_path, f"host = 'h'\ntls = '{tls}'\nport = 2525").server_port == 2525


def test_rate_and_daily_cap_hold_together(tmp_path: Path) -> None:
    account = smtp(tmp_path, "host = 'h'\nrate = '60/min'\ndaily_cap = 1000")
    assert account.ceilings == (Cap(60, MINUTE), Cap(1000, DAY))


def test_a_rate_that_does_not_parse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"paceline.toml:5: accounts.main.rate: "):
        smtp(tmp_path, "host = 'h'\nrate = 'fast'")


def test_retry_and_cooling_come_from_the_documented_defaults(tmp_path: Path) -> None:
    config = configured(tmp_path, "host = 'h'")
    delays = (5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR)
    account = config.account("main")
    assert account.retry_policy(config.defaults) == RetryPolicy(delays, 3 * DAY, 0.1, None)
    assert account.cooling_ladder(config.defaults) == CoolingLadder((1 * MINUTE, 5 * MINUTE, 15 * MINUTE, 60 * MINUTE))


def test_an_account_overrides_retry_and_cooling_key_by_key(tmp_path: Path) -> None:
    rest = (
        "[accounts.main.retry]\ndelays = ['1s', '2s', '4s']\n[accounts.main.cooling]\nsteps = ['2s']\n"
        "[defaults.retry]\ngive_up = '20s'\njitter = 0.0"
    )
    config = configured(tmp_path, "host = 'h'", rest)
    account = config.account("main")
    policy = account.retry_policy(config.defaults)
    assert policy == RetryPolicy((SECOND, 2 * SECOND, 4 * SECOND), 20 * SECOND, 0.0, None)
    assert account.cooling_ladder(config.defaults) == CoolingLadder((2 * SECOND,))


def test_an_account_overrides_alarms_key_by_key(tmp_path: Path) -> None:
    rest = (
        "[accounts.main.alarms]\nbounce_share = 0.02\nbehind = '30m'\n[alarms]\nbounce_least = 50\nbounce_share = 0.1"
    )
    config = configured(tmp_path, "host = 'h'", rest)
    rules = config.account("main").alarm_rules(config.alarms)
    assert rules == AlarmRules(bounce_share=0.02, bounce_least=50, behind=30 * MINUTE)
    assert AlarmsTable().rules() == AlarmRules()


@pytest.mark.parametrize("wrong", ["bounce_share = 5", "bounce_share = 0.0", "behind = 60", "complaints = 0"])
def test_an_alarm_s_threshold_out_of_bounds_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(UsageError, match=f"alarms.{wrong.partition(' ')[0]}"):
        configured(tmp_path, "host = 'h'", f"[alarms]\n{wrong}")


def test_a_login_needs_both_its_halves(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="password is missing"):
        smtp(tmp_path, "host = 'h'\nusername = 'me'")
    with pytest.raises(UsageError, match="username is missing"):
        smtp(tmp_path, "host = 'h'\npassword = { env = 'P' }")


@pytest.mark.parametrize("tls", ["none", "opportunistic"])
def test_a_password_never_travels_in_clear_over_a_network(tmp_path: Path, tls: str) -> None:
    login = f"tls = '{tls}'\nusername = 'me'\npassword = {{ env = 'P' }}"
    with pytest.raises(UsageError, match="could send the password in clear"):
        smtp(tmp_path, f"host = 'smtp.example.com'\n{login}")
    for here in ("127.0.0.1", "::1", "localhost"):
        assert smtp(tmp_path, f"host = '{here}'\n{login}").tls == tls


def test_the_password_is_a_callable_that_shows_only_its_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P", "hunter2")
    account = smtp(tmp_path, "host = 'h'\nusername = 'me'\npassword = { env = 'P' }")
    settings = account.settings()
    assert settings.password is not None
    assert settings.password() == "hunter2"
    assert "hunter2" not in repr(settings) + repr(account)
    monkeypatch.delenv("P")
    with pytest.raises(UsageError, match="account main: environment variable P is not set"):
        settings.password()


def test_the_channel_gets_seconds_and_a_path_from_the_folder_of_the_file(tmp_path: Path) -> None:
    settings = smtp(tmp_path, "host = 'h'\ncommand_timeout = '90s'\nca_file = 'ca.pem'").settings()
    assert (settings.connect_timeout, settings.command_timeout, settings.reply_timeout) == (30.0, 90.0, 600.0)
    assert settings.ca_file == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    "url",
    ["https://example.com/u/{address}", "https://example.com/u?a={{ address }}&m={message_id}", "https://example.com/"],
)
def test_an_unsubscribe_address_may_hold_placeholders(tmp_path: Path, url: str) -> None:
    assert smtp(tmp_path, f"host = 'h'\nunsubscribe_url = '{url}'").unsubscribe_url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://{address}/u",
        "https:///u",
        "https://example.com",
        "https://example.com/a b",
        "https://example.com/{a",
        "ftp://x.org",
    ],
)
def test_an_unsubscribe_address_that_cannot_work_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match=r"accounts.main.unsubscribe_url"):
        smtp(tmp_path, f"host = 'h'\nunsubscribe_url = '{url}'")
