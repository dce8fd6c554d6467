"""The payload of a prospect pipeline: what it gives, and the sentence for every mistake in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from engine.prospects.criteria import Criteria, Weights
from engine.prospects.expectations import Expectations
from engine.prospects.http_source import HttpSource
from engine.prospects.settings import ProspectSettings, SourceTable
from engine.prospects.source import FileSource
from storage.errors import UsageError
from storage.model import MINUTE

FOLDER = Path("folder")
LEAST: dict[str, Any] = {"campaign": "spring", "source": "people.csv", "template": "message.txt"}


def read(**changes: Any) -> ProspectSettings:
    return ProspectSettings.from_payload(LEAST | changes, FOLDER)


def test_little_needs_to_be_said() -> None:
    found = read()
    assert (found.campaign, found.per_day, found.per_run, found.generator) == ("spring", 50, 50, "template")
    assert found.source.source() == FileSource(FOLDER / "people.csv")
    assert (found.draft_options.template, found.draft_options.html) == (FOLDER / "message.txt", None)
    assert (found.bounds.rows, found.criteria.min_score, found.criteria.high_score) == (10_000, 50, 80)
    assert found.expect.missed({}) == ()


def test_a_whole_path_stays_as_it_is(tmp_path: Path) -> None:
    assert read(source=str(tmp_path / "x.csv")).source.source() == FileSource(tmp_path / "x.csv")


def test_an_address_is_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEOPLE_TOKEN", "t0ken")
    table = {
        "url": "https://people.example/v1?key=abc", "token": {"env": "PEOPLE_TOKEN"}, "timeout": "5m", "max_pages": 7,
        "max_rows": 200,
    }  # fmt: skip
    found = read(source=table)
    source = found.source.source()
    assert isinstance(source, HttpSource)
    assert (source.endpoint.host, source.timeout, source.most_pages, source.allow_private) == (
        "people.example", 300.0, 7, False,
    )  # fmt: skip
    assert source.token is not None and source.token() == "t0ken"
    assert found.bounds.rows == 200 and found.source.timeout == 5 * MINUTE
    assert found.source.shown == "https://people.example/v1?key=***"
    assert "abc" not in repr(found) + repr(source)
    assert isinstance(read(source="https://people.example/").source.source(), HttpSource)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"campaign": ""}, "campaign: "),
        ({"source": {}}, "source: must have either a file or a url"),
        ({"source": {"file": "a.csv", "url": "https://x.example/"}}, "source: must have either a file or a url"),
        ({"source": {"file": "a.csv", "token": {"env": "X"}}}, "source: a token is for a url"),
        ({"source": {"url": "https://x.example/", "sheet": "a"}}, "source: a sheet is for a file"),
        ({"source": "http://x.example/"}, "source: url must begin with https://"),
        ({"source": "https://10.0.0.7/"}, "source: url: 10.0.0.7 is not a public address"),
        ({"source": {"url": "http://x.example/", "allow_private": True, "token": {"env": "X"}}}, "in clear"),
        ({"source": "https://me:secret@x.example/"}, "source.url: must not hold a user name or password"),
        ({"source": {"url": "https://x.example/", "token": "s3cret"}}, "a secret may not stand here in clear"),
        ({"source": {"url": "https://x.example/", "token_header": "Host"}}, "the header Host is written by Paceline"),
        ({"per_run": 0}, "per_run: must be between 1 and 10000"),
        ({"per_day": "50"}, "per_day: must be a whole number without quotes"),
        ({"per_dya": 50}, "per_dya: is not a key of this table: did you mean per_day?"),
        ({"criteria": {"weights": {"industry": 41}}}, "criteria.weights: the weights must add up to 100"),
        ({"criteria": {"min_score": 90}}, "criteria: high_score must not be below min_score"),
        ({"criteria": {"industries": "Retail"}}, "criteria.industries: must be a list in square brackets"),
        ({"criteria": {"min_siz": 10}}, "did you mean min_size?"),
        ({"expect": {"queued": [50, 25]}}, "expect.queued: must be two whole numbers from 0 on, the lower one first"),
        ({"expect": {"queued": 25}}, "expect.queued: must be two numbers, such as [50, 150]"),
        ({"expect": {"sent": [1, 2]}}, "expect.sent: is not a key of this table"),
        ({"template": None}, "needs template = "),
        ({"columns": {"A": 5}}, "columns.A: must be text in quotes"),
    ],
)
def test_every_mistake_has_its_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(**changes)
    assert sentence in caught.value.message
    assert "secret@" not in caught.value.message and "s3cret" not in caught.value.message
    assert caught.value.hint


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        read(per_run=0, per_day=0)
    assert len(caught.value.message.split("\n")) == 2


def test_another_generator_needs_no_template_and_has_its_options() -> None:
    found = read(template=None, generator="writer", options={"tone": "warm"})
    assert found.draft_options.options == {"tone": "warm"}


def test_a_counter_outside_its_range_is_told_with_what_was_expected() -> None:
    expect = read(expect={"discovered": [50, 150], "scored": [40, 120], "queued": [25, 50]}).expect
    assert expect.missed({"discovered": 150, "scored": 40, "queued": 50}) == ()
    assert expect.missed({"discovered": 1_151, "scored": 120}) == (
        "1,151 discovered, where 50 to 150 are expected",
        "0 queued, where 25 to 50 are expected",
    )


@pytest.mark.parametrize("table", [ProspectSettings, SourceTable, Criteria, Weights, Expectations])
def test_the_page_names_every_key(table: type[BaseModel]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "prospects.md").read_text("utf-8")
    assert [name for name in table.model_fields if not re.search(rf"\b{name}\b", page)] == []


def test_to_check_settings_loads_nothing_that_only_a_run_needs() -> None:
    program = (
        "import sys; from pathlib import Path; from engine.prospects.settings import ProspectSettings as S; "
        "S.from_payload({'campaign': 'a', 'source': 'a.csv', 'template': 'a.txt'}, Path()); "
        "print([m for m in ('aiosmtplib', 'h11', 'jinja2', 'python_calamine') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
