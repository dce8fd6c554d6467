"""Drafts: filled from a template or by a generator of somebody else; one prospect's trouble stays that prospect's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.prospects.drafts import (
    GROUP,
    Draft,
    DraftGenerator,
    DraftOptions,
    Undrafted,
    draft_one,
    make_generator,
    template_drafts,
)
from engine.prospects.prospect import Prospect
from storage.errors import RefusedError, UsageError

ADA = Prospect(2, "ada@alder.example", "ada@alder.example", "Alder Ltd", "Construction", 120, "US", "Ada")


def files(folder: Path, text: str = "", html: str = "") -> DraftOptions:
    for name, content in (("message.txt", text), ("message.html", html)):
        if content:
            (folder / name).write_text(content, "utf-8")
    return DraftOptions(folder / "message.txt" if text else None, folder / "message.html" if html else None)


async def test_a_template_is_filled_with_what_is_known_of_the_prospect(tmp_path: Path) -> None:
    text = (
        "Subject: For {{ company }}\n\nHello {{ first_name }}, {{ size }} at {{ city | default('home') }}, {email}?\n"
    )
    draft = await draft_one(make_generator("template", files(tmp_path, text)), ADA)
    assert draft == Draft("For Alder Ltd", "Hello Ada, 120 at home, ada@alder.example?\n")


async def test_both_parts_may_be_given_and_only_html_is_escaped(tmp_path: Path) -> None:
    options = files(tmp_path, "Subject: Hi\n\n{{ company }}\n", "<p>{{ company }}</p>\n")
    draft = await draft_one(template_drafts(options), Prospect(1, company="A & <b>"))
    assert draft == Draft("Hi", "A & <b>\n", "<p>A &amp; &lt;b&gt;</p>\n")


async def test_what_a_prospect_is_called_is_never_a_template(tmp_path: Path) -> None:
    generator = template_drafts(files(tmp_path, "Subject: {{ company }}\n\n{{ company }}\n"))
    draft = await draft_one(generator, Prospect(1, company="{{ 7 * 7 }} {email}\r\nBcc: x@y.example"))
    assert isinstance(draft, Draft)
    assert draft.subject == "{{ 7 * 7 }} {email} Bcc: x@y.example", "one line, and as it was written"
    assert draft.text.startswith("{{ 7 * 7 }} {email}")


async def test_a_missing_field_is_the_trouble_of_one_prospect(tmp_path: Path) -> None:
    generator = template_drafts(files(tmp_path, "Subject: Hi {{ first_name }}\n\n{{ first_name }} in {{ city }}\n"))
    berlin = {"city": "Berlin"}
    people = [Prospect(1, first_name="Ada", fields=berlin), Prospect(2, fields=berlin), Prospect(3, first_name="Cleo")]
    one, two, three = [await draft_one(generator, person) for person in people]
    assert isinstance(one, Draft)
    assert isinstance(two, Undrafted) and two.prospect is people[1]
    assert two.reason == "field is missing or empty: first_name" and "default" in two.hint
    assert isinstance(three, Undrafted) and "city" in three.reason


@pytest.mark.parametrize(
    ("text", "html", "words"),
    [
        ("", "", "the drafts have no template"),
        ("No subject\n\nHello\n", "", "the drafts have no subject"),
        ("Subject: One\n\nHello\n", "Subject: Two\n\n<p>Hello</p>\n", "two different subjects"),
        ("Subject: One\n\n \n", "", "message.txt: the template has no text"),
        ("Subject: One\nX-Tag: a\n\nHello\n", "", "message.txt, line 2: the header X-Tag"),
        ("Subject: {{ a.b }}\n\nHello\n", "", "message.txt, line 1: "),
        ("Subject: One\n\nHello\n{{ f() }}\n", "", "message.txt, line 4: calls are not allowed"),
        ("Subject: One\n\n{{ unsubscribe_url }}\n", "", "unsubscribe_url is known only when a message leaves"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_at_once(tmp_path: Path, text: str, html: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        template_drafts(files(tmp_path, text, html))
    assert words in caught.value.message and caught.value.hint


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        template_drafts(DraftOptions(tmp_path / "nowhere.txt"))


class _Echo:
    """A generator as an installed package would bring it."""

    def __init__(self, said: Callable[[Prospect], Any]) -> None:
        self._said = said

    async def draft(self, prospect: Prospect, fields: Mapping[str, str]) -> Draft:
        found: Draft = self._said(prospect)
        return found


def echo(options: DraftOptions) -> DraftGenerator:
    """What the package below registers, as the three after it."""
    tone = options.options["tone"]
    return _Echo(lambda prospect: Draft(f"{tone} {prospect.company}", "Hello"))


def shy(options: DraftOptions) -> DraftGenerator:
    raise RefusedError("no licence for this year", hint="renew it")


def broken(options: DraftOptions) -> DraftGenerator:
    raise RuntimeError("no model")


nothing = repr


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two packages as an installer leaves them; both bring a generator of the name `twice`."""
    here = {name: f"{__name__}:{name}" for name in ("echo", "shy", "broken", "nothing")}
    packages = {"writers": {**here, "gone": "no_such_module_here:make", "twice": "a:b"}, "others": {"twice": "c:d"}}
    for package, entries in packages.items():
        folder = tmp_path / "site" / f"{package}-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", "utf-8")
        lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in entries.items())]
        (folder / "entry_points.txt").write_text("\n".join(lines), "utf-8")
    monkeypatch.syspath_prepend(tmp_path / "site")


@pytest.mark.usefixtures("installed")
async def test_a_package_may_bring_a_generator_with_options_of_its_own() -> None:
    generator = make_generator("echo", DraftOptions(options={"tone": "Dear"}))
    assert await draft_one(generator, ADA) == Draft("Dear Alder Ltd", "Hello")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "words", "hint"),
    [
        ("nobody", "there is no generator 'nobody'", "template"),
        ("twice", "two packages bring a generator 'twice'", "uninstall"),
        ("gone", "ModuleNotFoundError", "reinstall"),
        ("broken", "RuntimeError: no model", "reinstall"),
        ("echo", "KeyError", "reinstall"),
        ("nothing", "has no draft function", "update"),
    ],
)
def test_a_generator_that_does_not_start_says_why(name: str, words: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_generator(name, DraftOptions())
    assert words in caught.value.message and hint in caught.value.hint


@pytest.mark.usefixtures("installed")
def test_a_generator_may_refuse_in_its_own_words() -> None:
    with pytest.raises(RefusedError, match="no licence"):
        make_generator("shy", DraftOptions())


def test_without_packages_there_is_the_template_alone() -> None:
    with pytest.raises(UsageError) as caught:
        make_generator("writer", DraftOptions())
    assert "template" in caught.value.hint


def test_options_that_nobody_reads_are_refused(tmp_path: Path) -> None:
    text = files(tmp_path, "Subject: Hi\n\nHello\n")
    with pytest.raises(UsageError, match="takes no options"):
        make_generator("template", DraftOptions(text.template, options={"tone": "warm"}))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "it is not a draft"),
        ("Hello", "it is not a draft"),
        (Draft("Hi", 7), "it is not a draft"),  # type: ignore[arg-type]
        (Draft(" ", "Hello"), "the subject is empty"),
        (Draft("Hi\r\nBcc: x@y.example", "Hello"), "the subject is not one plain line"),
        (Draft("Hi", " \n"), "the text is empty"),
        (Draft("Hi", "x" * 1_000_001), "1,000,000 characters"),
    ],
)
async def test_a_draft_that_cannot_be_sent_is_none(given: object, words: str) -> None:
    found = await draft_one(_Echo(lambda prospect: given), ADA)
    assert isinstance(found, Undrafted)
    assert words in found.reason and found.hint


async def test_whatever_a_generator_raises_stays_with_its_prospect() -> None:
    def fails(prospect: Prospect) -> Draft:
        raise ZeroDivisionError("division by zero")

    found = await draft_one(_Echo(fails), ADA)
    assert isinstance(found, Undrafted)
    assert found.reason == "the generator failed: ZeroDivisionError: division by zero"


async def test_a_generator_that_does_not_answer_is_given_up() -> None:
    class Slow:
        async def draft(self, prospect: Prospect, fields: Mapping[str, str]) -> Draft:
            await asyncio.Event().wait()
            raise AssertionError

    found = await draft_one(Slow(), ADA, timeout=0.05)
    assert isinstance(found, Undrafted) and "within 0.05 s" in found.reason


async def test_a_cancelled_run_is_cancelled_and_not_a_failed_draft() -> None:
    begun = asyncio.Event()

    class Slow:
        async def draft(self, prospect: Prospect, fields: Mapping[str, str]) -> Draft:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

    task = asyncio.create_task(draft_one(Slow(), ADA))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
