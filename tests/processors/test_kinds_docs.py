"""`docs/jobs.md`: its payloads, settings, commands and its processor are tried."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from engine.config import load_config
from engine.processors.opportunities import OfferRules
from engine.processors.processor import Processor
from engine.processors.registry import Registry, check_payload
from engine.webhook_account import Receiver
from tests.processors.kinds_world import KindsWorld
from tests.support.commands import check_command

TEXT = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", TEXT, re.DOTALL)
KINDS = re.findall(r"^\| `(\w+)` \| `(\{.*?\})` \|", TEXT, re.MULTILINE)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


@pytest.mark.parametrize(("kind", "payload"), KINDS, ids=[kind for kind, _ in KINDS])
def test_the_payload_of_each_kind_is_one(kind: str, payload: str, tmp_path: Path) -> None:
    check_payload(Registry().get(kind), json.loads(payload), tmp_path)


def test_every_installed_kind_is_explained() -> None:
    assert sorted(kind for kind, _ in KINDS) == Registry().kinds()


@pytest.mark.parametrize("settings", [text for text in blocks("toml") if "[jobs" in text])
def test_the_settings_are_ones(settings: str, tmp_path: Path) -> None:
    (tmp_path / "paceline.toml").write_text(settings)
    jobs = load_config(tmp_path / "paceline.toml").jobs
    for kind, model in (("process_payment", Receiver), ("process_opportunity_offer", OfferRules)):
        if kind in jobs.kinds:
            model.model_validate(jobs.kind(kind).options)


def _commands() -> list[str]:
    lines = "\n".join(blocks("")).splitlines()
    shown = [line.partition("#")[0].strip() for line in lines]
    told = re.findall(r"`((?:job|db) [^`]+)`", TEXT)
    return [line for line in shown if line.startswith("paceline")] + [f"paceline {line}" for line in told]


@pytest.mark.parametrize("line", _commands())
def test_every_command_exists_with_its_options(line: str) -> None:
    check_command(shlex.split(line)[1:])


async def test_the_processor_of_the_page_runs(kinds: KindsWorld) -> None:
    [source] = blocks("python")
    names: dict[str, Any] = {"__name__": "my_package.images"}
    exec(compile(source.replace("from __future__", "#"), "docs/jobs.md", "exec"), names)
    made: type[Processor[Any]] = names["ResizeImages"]
    [entry] = [tomllib.loads(text) for text in blocks("toml") if "entry-points" in text]
    [kind] = entry["project"]["entry-points"]["paceline.processors"]
    kinds.registry = Registry({kind: made})
    for name in ("one.png", "two.png", "notes.txt"):
        kinds.write(f"images/{name}", "x")
    (kinds.work / "none").mkdir()
    await kinds.start()
    assert (await kinds.run_job(kind, {"folder": "images"}))["result"] == {"resized": 2, "failed": 0}
    assert (await kinds.run_job(kind, {"folder": "none"}))["flag"] == "empty: none has no images"
    assert (await kinds.run_job(kind, {"folder": "gone"}))["last_error"] == "there is no folder gone"
