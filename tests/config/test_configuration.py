"""`paceline.toml` as a whole: what it gives, and the sentence for every mistake in it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from engine.account_base import CoolingTable, Defaults, RetryTable
from engine.accounts import PRESETS, OutboxAccount, SmtpAccount
from engine.alarm_settings import AlarmsTable
from engine.config import (
    EXAMPLE,
    Config,
    Safety,
    add_account,
    allow_listed,
    init_config,
    load_config,
)
from engine.config_errors import key_lines
from engine.inbox_settings import InboxTable
from engine.job_settings import Backoff, JobsTable, KindTable, QueueTable, RetentionTable
from engine.places import default_config_path, default_db_path
from engine.priority import Weights as PriorityWeights
from engine.unipile_account import UnipileAccount
from engine.webhook_account import SuccessTable, WebhookAccount
from storage.errors import NotFoundError, RefusedError, UsageError

SMTP = """
[accounts.main]
channel = "smtp"
host = "smtp.example.com"
from_address = "me@example.com"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "paceline.toml"
    path.write_bytes(text.encode())
    path.chmod(0o600)
    return path


def loaded(folder: Path, text: str) -> Config:
    return load_config(written(folder, text))


def refusal(folder: Path, text: str) -> list[str]:
    """The sentences for a file that is not valid, each without the folder."""
    with pytest.raises(UsageError) as caught:
        loaded(folder, text)
    return caught.value.message.replace(f"{folder}/", "").split("\n")


def test_an_empty_file_is_a_valid_start(tmp_path: Path) -> None:
    config = loaded(tmp_path, "")
    assert (config.environment, config.zone, config.safety.allow, config.accounts) == ("dev", "UTC", (), {})
    assert not config.is_production
    assert config.path == tmp_path / "paceline.toml"


def test_the_console_has_its_own_table_and_its_own_answers_without_one(tmp_path: Path) -> None:
    bare = loaded(tmp_path, "").console
    assert (bare.theme, bare.accent, bare.mouse) == ("terminal", None, False)
    chosen = loaded(tmp_path, "[console]\ntheme = 'light'\naccent = 'yellow'\nmouse = true").console
    assert (chosen.theme, chosen.accent, chosen.mouse) == ("light", "yellow", True)


@pytest.mark.parametrize(
    ("name", "is_one"), [("production", True), ("Prod", True), ("products", False), ("dev", False)]
)
def test_production_is_known_by_its_name(tmp_path: Path, name: str, is_one: bool) -> None:
    assert loaded(tmp_path, f"environment = '{name}'").is_production is is_one


def test_a_missing_file_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist") as caught:
        load_config(tmp_path / "paceline.toml")
    assert caught.value.hint == "paceline init"


def test_a_folder_in_the_place_of_the_file_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: is a directory"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('zone = "UTC"\nenvironment = prod\n', r"paceline.toml:2: column 15: not TOML: Invalid value"),
        ('zone = "UTC\n', r"paceline.toml:1: column 12: not TOML: .*"),
        ('zone = "UTC"\nzone = "UTC"\n', r"paceline.toml:2: column 13: not TOML: Cannot overwrite a value"),
        ("[accounts.main", r"paceline.toml:1: .*not TOML: .*"),
    ],
)
def test_a_file_that_is_no_toml_is_refused_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    (found,) = refusal(tmp_path, text)
    assert re.fullmatch(sentence, found)


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "paceline.toml"
    path.write_bytes(b'zone = "UTC"\nenvironment = "M\xfcnchen"\n')
    with pytest.raises(UsageError, match=r"paceline.toml:2: the file is not UTF-8"):
        load_config(path)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    assert loaded(tmp_path, '\ufeffzone = "Europe/Berlin"\r\n' + SMTP.replace("\n", "\r\n")).accounts["main"]


ZONE = 'must be an IANA time zone such as "Europe/Berlin"'
LENGTH = 'must be a duration such as "30s", "5m" or "1h30m"'
RATE = 'must be a rate of at least one, such as "60/min" or "30/h"'
DURATION = 'must be a duration with its unit in quotes, such as "30s" or "5m"'
WHOLE = "must be a whole number without quotes"
MODES = "must be one of 'none', 'starttls', 'opportunistic' or 'implicit'"
CHANNELS = 'channel = "smtp", "unipile", "webhook" or "outbox"'
LINK = "must be an https address with a path, such as https://example.com/leave?m={message_id}"
NAMES = "an account's name has letters, digits, - and _ only (at most 63)"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("zone = 'Mars/Base'", f"1: zone: {ZONE} (got 'Mars/Base')"),
        ("zone = '../UTC'", f"1: zone: {ZONE} (got '../UTC')"),
        ("\nenviroment = 'x'", "2: enviroment: is not a key of this table: did you mean environment?"),
        ("[accounts.a]\nfolder='x'", f"1: accounts.a: needs a channel: {CHANNELS}"),
        ("[accounts.a]\nchannel='fax'", '1: accounts.a: channel must be "smtp", "unipile", "webhook" or "outbox"'),
        ("\n[accounts.a]\nchannel='outbox'\nfolder='x'", "2: accounts.a.from_address: is required"),
        ("[accounts]\na = 1", "2: accounts.a: must be a table (got 1)"),
        ("accounts = 1", "1: accounts: must be a table (got 1)"),
        ("defaults = 1", "1: defaults: must be a table (got 1)"),
        ("[console]\ntheme = 'pink'", "2: console.theme: must be one of 'terminal', 'dark' or 'light' (got 'pink')"),
        ("[console]\nacent = 'red'", "2: console.acent: is not a key of this table: did you mean accent?"),
        (SMTP.replace("main", '"my box"'), f"2: accounts.my box: {NAMES} (got 'my box')"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_field(tmp_path: Path, text: str, sentence: str) -> None:
    assert refusal(tmp_path, text) == ["paceline.toml:" + sentence]


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("port = 99999", "port: must be between 1 and 65535 (got 99999)"),
        ("port = '25'", f"port: {WHOLE} (got '25')"),
        ("concurrency = true", f"concurrency: {WHOLE} (got True)"),
        ("tls = 'ssl'", f"tls: {MODES} (got 'ssl')"),
        ("reply_timeout = 600", f"reply_timeout: {DURATION} (got 600)"),
        ("reply_timeout = 'soon'", 'reply_timeout: must be a duration such as "30s", "5m" or "1h30m" (got \'soon\')'),
        ("rate = '0/min'", 'rate: must be a rate of at least one, such as "60/min" or "30/h" (got \'0/min\')'),
        ("reply_timeout = '2d'", "reply_timeout: must be between 1s and 1h (got '2d')"),
        ("folder = 'x'", "folder: is not a key of this table"),
        ('from_name = "a\\nb"', "from_name: must not hold line breaks or control characters (got 'a\\nb')"),
        ("reply_to = 'a@x.org,b@x.org'", "reply_to: must be one plain e-mail address (got 'a@x.org,b@x.org')"),
        ("unsubscribe_url = 'http://x.org'", f"unsubscribe_url: {LINK} (got 'http://x.org')"),
        ("retry = { jitter = 3 }", "retry.jitter: input should be less than or equal to 0.5 (got 3)"),
        ("retry.give_up = '6d'", "retry.give_up: must be between 0s and 5d (got '6d')"),
        ("retry.delays = [\n '5m',\n 5,\n]", f"retry.delays.1: {DURATION} (got 5)"),
    ],
)
def test_a_mistake_in_an_account_is_named_by_its_key(tmp_path: Path, key: str, sentence: str) -> None:
    assert refusal(tmp_path, SMTP + key) == [f"paceline.toml:6: accounts.main.{sentence}"]


def test_a_mistake_below_an_account_is_found_under_its_own_header(tmp_path: Path) -> None:
    (found,) = refusal(tmp_path, SMTP + "[accounts.main.retry]\n\ngive_up = '6d'")
    assert found.startswith("paceline.toml:8: accounts.main.retry.give_up: ")


def test_the_name_of_the_queue_of_background_jobs_is_taken(tmp_path: Path) -> None:
    (found,) = refusal(tmp_path, SMTP.replace("main", "default"))
    assert found.startswith("paceline.toml:2: accounts.default: this name belongs to the queue of background jobs")


@pytest.mark.parametrize(
    ("allow", "sentence"),
    [
        ("['me@example.com', '*@*']", "safety.allow.1: would allow strangers"),
        ("['*@**.*']", "safety.allow.0: would allow strangers"),
        ("['*@*.com']", "safety.allow.0: would allow strangers"),
        ("['me@example.*']", "safety.allow.0: would allow strangers"),
        ("'me@example.com'", "safety.allow: must be a list in square brackets"),
        ("['example.com']", 'safety.allow.0: must be an address or a pattern such as "*@example.org"'),
    ],
)
def test_an_allow_list_that_could_not_protect_is_refused(tmp_path: Path, allow: str, sentence: str) -> None:
    (found,) = refusal(tmp_path, f"[safety]\nallow = {allow}")
    assert found.startswith(f"paceline.toml:2: {sentence}")


def test_several_mistakes_are_all_listed_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = 'zone = "Nowhere"\n' + SMTP + "port = 0\nport_ = 1\n"
    assert [line.split(": ")[:2] for line in refusal(tmp_path, text)] == [
        ["paceline.toml:1", "zone"],
        ["paceline.toml:7", "accounts.main.port"],
        ["paceline.toml:8", "accounts.main.port_"],
    ]


def test_a_wrong_default_is_reported_once_and_not_again_for_every_account(tmp_path: Path) -> None:
    assert refusal(tmp_path, "[defaults]\nconcurrency = 0\n" + SMTP + SMTP.replace("main", "other")) == [
        "paceline.toml:2: defaults.concurrency: must be between 1 and 100 (got 0)"
    ]


@pytest.mark.parametrize(
    "line",
    ['password = "hunter2"', 'pasword = "hunter2"', 'password = { env = "A", clear = "hunter2" }',
     'password = { env = "hunter2!" }', 'password = ["hunter2"]', "password = hunter2"],
)  # fmt: skip
def test_a_password_in_clear_is_refused_and_never_shown(tmp_path: Path, line: str) -> None:
    found = "\n".join(refusal(tmp_path, SMTP + 'username = "me"\n' + line))
    assert "paceline.toml:7:" in found
    assert "hunter2" not in found


def test_a_password_in_clear_is_answered_with_the_remedy(tmp_path: Path) -> None:
    (found,) = refusal(tmp_path, SMTP + 'username = "me"\npassword = "x"')
    assert 'write { env = "NAME" }, { file = "PATH" }' in found


def test_a_file_that_others_may_change_is_read_with_a_warning(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    assert load_config(path).warnings == ()
    path.chmod(0o620)
    (warning,) = load_config(path).warnings
    assert f"chmod 600 {path}" in warning


def test_relative_paths_count_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    text = "[accounts.box]\nchannel = 'outbox'\nfolder = 'out/box'\nfrom_address = 'me@example.com'"
    account = loaded(tmp_path, text).account("box")
    assert account.channel == "outbox"
    assert account.folder == tmp_path / "out/box"


def test_an_unknown_account_is_answered_with_the_names_that_exist(tmp_path: Path) -> None:
    config = loaded(tmp_path, SMTP + SMTP.replace("main", "cold"))
    assert config.account("cold").name == "cold"
    with pytest.raises(NotFoundError, match="no account 'mian'; there are: cold, main"):
        config.account("mian")
    with pytest.raises(NotFoundError, match="none is configured"):
        loaded(tmp_path, "").account("main")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("me@example.com", True),
        ("Me@Example.COM", True),
        ("anybody@example.org", True),
        ("qa-7@team.example.net", True),
        ("jo@any.test", True),
        ("you@example.com", False),
        ("me@example.com.evil.example", False),
        ("me@sub.example.org", False),
        ("x@evil.example@example.org", False),
        ("meXexample.com", False),
        ("jo@münchen.example", True),
        ("jo@xn--mnchen-3ya.example", True),
        ("", False),
    ],
)
def test_the_allow_list_holds_addresses_and_patterns(tmp_path: Path, address: str, allowed: bool) -> None:
    text = (
        '[safety]\nallow = ["me@example.com", "*@Example.org", "qa-*@*.example.net", "*@MÜNCHEN.example", "*@*.test"]'
    )
    assert allow_listed(loaded(tmp_path, text), address) is allowed


def test_an_empty_allow_list_allows_nobody(tmp_path: Path) -> None:
    assert not allow_listed(loaded(tmp_path, ""), "me@example.com")


def test_the_paths_come_from_the_environment_or_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (default_config_path().name, default_db_path().name) == ("paceline.toml", "paceline.db")
    monkeypatch.setenv("PACELINE_CONFIG", str(tmp_path / "a.toml"))
    monkeypatch.setenv("PACELINE_DB", str(tmp_path / "b.db"))
    assert (default_config_path(), default_db_path()) == (tmp_path / "a.toml", tmp_path / "b.db")


def test_init_writes_a_private_example_that_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "new" / "paceline.toml"
    init_config(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(load_config(path).accounts) == ["outbox"]
    assert load_config(path).warnings == ()


def test_the_account_that_the_example_shows_in_comments_is_valid_too(tmp_path: Path) -> None:
    start = EXAMPLE.index("# [accounts.main]")
    uncommented = re.sub(r"^# ?", "", EXAMPLE[start:], flags=re.MULTILINE)
    account = loaded(tmp_path, EXAMPLE[:start] + uncommented).account("main")
    assert account.daily_cap == 1000


def test_the_example_says_what_the_defaults_are() -> None:
    shown = tomllib.loads(EXAMPLE)
    assert Config.model_validate({"defaults": shown["defaults"]}).defaults == Config().defaults


def test_init_leaves_a_file_that_exists_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "# mine")
    with pytest.raises(RefusedError, match="exists"):
        init_config(path)
    assert path.read_text() == "# mine"


def test_adding_an_account_keeps_comments_and_mode_and_writes_what_was_asked(tmp_path: Path) -> None:
    path = tmp_path / "paceline.toml"
    init_config(path)
    path.chmod(0o640)
    values = {
        "channel": "smtp",
        "host": "smtp.example.com",
        "username": "me",
        "password": {"env": "SMTP_PASSWORD"},
        "from_address": "me@example.com",
        "reply_timeout": "300s",
        "daily_cap": None,
        "retry": {"delays": ["1m", "2m"]},
    }
    add_account(path, "second", values)
    text = path.read_text()
    assert text.startswith(EXAMPLE)
    assert 'password = {env = "SMTP_PASSWORD"}' in text
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["paceline.toml"]
    account = load_config(path).account("second")
    assert account.channel == "smtp"
    assert (account.reply_timeout, account.daily_cap) == (300_000_000, None)


def test_adding_an_account_to_an_empty_file_and_a_second_one_after_it(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    values = {"channel": "outbox", "folder": "out", "from_address": "me@example.com"}
    add_account(path, "one", values)
    add_account(path, "two", values)
    assert list(load_config(path).accounts) == ["one", "two"]


def test_an_account_is_added_between_tables_in_any_order_and_without_a_last_line_end(tmp_path: Path) -> None:
    path = written(tmp_path, SMTP + "[defaults]\nconcurrency = 3\n" + SMTP.replace("main", "other").rstrip())
    add_account(path, "one", {"channel": "outbox", "folder": "out", "from_address": "me@example.com"})
    assert {name: account.concurrency for name, account in load_config(path).accounts.items()} == {
        "main": 3,
        "other": 3,
        "one": 3,
    }


def test_accounts_on_one_line_cannot_be_added_to_and_stay_as_they_are(tmp_path: Path) -> None:
    path = written(tmp_path, "accounts = {}")
    with pytest.raises(UsageError, match="on one line"):
        add_account(path, "one", {"channel": "outbox", "folder": "out", "from_address": "me@example.com"})
    assert path.read_text() == "accounts = {}"


def test_a_taken_name_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, SMTP)
    with pytest.raises(RefusedError, match="'main' exists"):
        add_account(path, "main", {"channel": "outbox", "folder": "x", "from_address": "me@example.com"})
    assert path.read_text() == SMTP


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("new", {"channel": "smtp", "host": "h", "port": 0}, "accounts.new.from_address: is required"),
        ("bad name", {"channel": "outbox"}, "accounts.bad name: an account's name has letters"),
        ("new", {"channel": "outbox", "pasword": "hunter2"}, "accounts.new.pasword: is not a key"),
    ],
)
def test_values_that_are_not_valid_change_nothing(
    tmp_path: Path, name: str, values: dict[str, object], sentence: str
) -> None:
    path = written(tmp_path, SMTP)
    with pytest.raises(UsageError, match=re.escape(sentence)) as caught:
        add_account(path, name, values)
    assert "hunter2" not in caught.value.message
    assert path.read_text() == SMTP


def test_adding_through_a_link_changes_the_file_and_keeps_the_link(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    add_account(link, "one", {"channel": "outbox", "folder": "out", "from_address": "me@example.com"})
    assert link.is_symlink()
    assert "one" in load_config(path).accounts


def test_lines_are_found_for_headers_dotted_and_inline_keys() -> None:
    text = "a = 1\n[ x . 'y z' ]\nb.c = 2\n# d = 3\nd = { e = 1, f = 2 }\n[[l]]\n[x]\n"
    assert key_lines(text) == {
        ("a",): 1,
        ("x",): 2,
        ("x", "y z"): 2,
        ("x", "y z", "b"): 3,
        ("x", "y z", "b", "c"): 3,
        ("x", "y z", "d"): 5,
        ("x", "y z", "d", "e"): 5,
        ("x", "y z", "d", "f"): 5,
    }


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_but_never_breaks(text: str) -> None:
    assert all(1 <= line <= text.count("\n") + 1 for line in key_lines(text).values())


DOCUMENT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL))
def test_every_example_of_the_document_is_valid(tmp_path: Path, example: str) -> None:
    assert loaded(tmp_path, example).accounts


@pytest.mark.parametrize(
    "model",
    [
        *(Config, Safety, Defaults, RetryTable, CoolingTable, AlarmsTable, SuccessTable, InboxTable),
        *(JobsTable, Backoff, QueueTable, KindTable, RetentionTable, PriorityWeights),
        *(SmtpAccount, OutboxAccount, UnipileAccount, WebhookAccount),
    ],
    ids=lambda m: m.__name__,
)
def test_the_document_explains_every_key(model: type[BaseModel]) -> None:
    explained = {word for code in re.findall(r"`([^`\n]+)`", DOCUMENT) for word in re.findall(r"\w+", code)}
    assert sorted(set(model.model_fields) - explained) == []


def test_the_document_shows_the_figures_of_every_preset() -> None:
    for name, figures in PRESETS.items():
        assert f"| `{name}` |" in DOCUMENT
        for key, value in figures.items():
            assert f"`{key} = {json.dumps(value)}`" in DOCUMENT
