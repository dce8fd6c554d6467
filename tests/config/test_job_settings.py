"""`[jobs]`: what is checked, where its folder stands, what the environment may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import load_config
from engine.priority import Weights, priority_of
from storage.errors import UsageError
from storage.model import MINUTE, SECOND

ACCOUNT = '[accounts.a]\nchannel = "outbox"\nfolder = "o"\nfrom_address = "a@example.com"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "paceline.toml"
    path.write_text(ACCOUNT + text)
    path.chmod(0o600)
    return path


def test_a_file_without_jobs_has_the_defaults_and_a_folder_beside_it(tmp_path: Path) -> None:
    jobs = load_config(written(tmp_path, "")).jobs
    assert (jobs.concurrency, jobs.retries, jobs.timeout, jobs.poll) == (3, 3, 5 * MINUTE, MINUTE)
    assert jobs.folder == tmp_path / "work"
    assert jobs.queue_names() == {"default": 3}


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_QUEUE_CONCURRENCY", "5")
    monkeypatch.setenv("JOB_QUEUE_POLL_INTERVAL", "5000")
    jobs = load_config(written(tmp_path, "[jobs]\nconcurrency = 2\n")).jobs
    assert (jobs.concurrency, jobs.poll) == (5, 5 * SECOND)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("JOB_QUEUE_CONCURRENCY", "many", "JOB_QUEUE_CONCURRENCY=many: must be a whole number"),
        ("JOB_QUEUE_CONCURRENCY", "0", "concurrency"),
        ("JOB_QUEUE_PERSISTENCE", "false", "always kept on the disk"),
    ],
)
def test_an_environment_that_makes_no_sense_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=said):
        load_config(written(tmp_path, ""))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[jobs.queues.a]\n", "jobs.queues.a: is an account's name"),
        ('[jobs.kinds.x]\nqueue = "fast"\n', "there is no queue 'fast'"),
        ("[jobs]\nretries = -1\n", "retries"),
        ("[jobs.backoff]\nfactor = 0.5\n", "factor"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_config(written(tmp_path, text))


@pytest.mark.parametrize(
    ("known", "priority"),
    [
        ({}, 5),
        ({"urgency": "high", "tier": "vip", "value": 15_000}, 10),
        ({"urgency": "low"}, 3),
        ({"urgency": "low", "tier": "premium"}, 5),
        ({"value": 1_000}, 5),
        ({"value": 1_001}, 6),
        ({"value": 5_001}, 7),
        ({"value": 10_001}, 8),
        ({"urgency": "critical"}, 10),
        ({"urgency": "critical", "tier": "vip"}, 10),
        ({"value": -5.0}, 5),
    ],
)
def test_a_priority_follows_from_urgency_tier_and_value(known: dict, priority: int) -> None:  # type: ignore[type-arg]
    assert priority_of(Weights(), **known) == priority


def test_weights_are_settings(tmp_path: Path) -> None:
    text = "[jobs.priority]\nbase = 1\nurgency = { now = 9 }\nvalue = [{ over = 10, add = 2 }]\n"
    weights = load_config(written(tmp_path, text)).jobs.priority
    assert priority_of(weights, urgency="now") == 10
    assert priority_of(weights, value=11) == 3
    with pytest.raises(UsageError, match="there is no urgency 'high'"):
        priority_of(weights, urgency="high")
    with pytest.raises(UsageError, match="must be a number"):
        priority_of(weights, value=float("nan"))
