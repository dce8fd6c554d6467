"""Drafts: the message to one prospect, written before anybody decides that it may leave.

A generator is chosen by name. `template` fills the operator's template; others come with installed packages, through
the entry point group `paceline.drafts`, whose entries are functions from `DraftOptions` to a `DraftGenerator`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, Protocol

from engine.compose.documents import checked_template, read_text, split_headers
from engine.compose.headers import clean
from engine.compose.template import MAX_OUTPUT, Template
from engine.prospects.prospect import Prospect
from engine.prospects.settings import TEMPLATE
from storage.errors import PacelineError, UsageError

GROUP: Final = "paceline.drafts"
_LATER: Final = frozenset({"message_id", "unsubscribe_url", "unsubscribe_token"})
"""What a template may print in a campaign, but is known only when a message leaves."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as it would leave: `text`, `html` or both. It is text, never a template: what stands in braces in it is
    printed as it is."""

    subject: str
    text: str = ""
    html: str = ""


@dataclass(frozen=True, slots=True)
class Undrafted:
    """Why there is no message for a prospect, as a sentence, and what to do."""

    prospect: Prospect
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class DraftOptions:
    """What a generator is made from: the template's files (None: none given), and `options` of its own."""

    template: Path | None = None
    html: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class DraftGenerator(Protocol):
    """Writes messages; many may be asked for at once."""

    async def draft(self, prospect: Prospect, fields: Mapping[str, str]) -> Draft:
        """The message to `prospect`; `fields` is everything that may be printed, by name. Raises PacelineError with a
        remedy where there can be none for this prospect; the run goes on."""
        ...


class TemplateDrafts:
    """Fills templates: the same rules, and the same missing fields, as in a campaign's message."""

    def __init__(self, subject: Template, text: Template | None, html: Template | None) -> None:
        self._subject = subject
        self._text = text
        self._html = html

    async def draft(self, prospect: Prospect, fields: Mapping[str, str]) -> Draft:
        """Raises MissingField, OutputTooLarge and RenderError."""
        return Draft(
            clean(self._subject.render(fields)),
            self._text.render(fields) if self._text is not None else "",
            self._html.render(fields) if self._html is not None else "",
        )


def template_drafts(options: DraftOptions) -> TemplateDrafts:
    """The generator `template`. A file begins with `Subject:` and a blank line; with both files one of them does, or
    both with the same. Blocks on the files. Raises UsageError naming file and line."""
    if options.options:
        raise UsageError("the generator template takes no options", hint="take options out, or name another generator")
    subjects: dict[str, Template] = {}
    parts: dict[bool, Template] = {}
    for path, html in ((options.template, False), (options.html, True)):
        if path is None:
            continue
        headers, body, skipped = split_headers(read_text(path, "template"))
        for name, (value, line) in headers.items():
            if name.lower() != "subject":
                hint = "a draft has a subject and a text; headers belong to the campaign"
                raise UsageError(f"{path.name}, line {line}: the header {name} cannot stand in a draft", hint=hint)
            subjects[value] = _checked(value, path, line, html=False)
        if not body.strip():
            raise UsageError(f"{path.name}: the template has no text", hint="write the message below its subject")
        parts[html] = _checked(body, path, skipped + 1, html=html)
    if not parts:
        raise UsageError("the drafts have no template", hint='name a file: template = "message.txt"')
    if len(subjects) != 1:
        problem = "have two different subjects" if subjects else "have no subject"
        raise UsageError(f"the drafts {problem}", hint='begin one file with "Subject: ..." and a blank line')
    (subject,) = subjects.values()
    return TemplateDrafts(subject, parts.get(False), parts.get(True))


def make_generator(name: str, options: DraftOptions) -> DraftGenerator:
    """The generator of that name. Blocks: it may read files and import a package. Raises UsageError for a name that no
    installed package brings, one that two bring, and a package that fails to start."""
    if name == TEMPLATE:
        return template_drafts(options)
    entries = tuple(entry_points(group=GROUP))
    found = [entry for entry in entries if entry.name == name]
    if len(found) != 1:
        known = ", ".join(sorted({TEMPLATE, *(entry.name for entry in entries)}))
        problem = f"two packages bring a generator {name!r}" if found else f"there is no generator {name!r}"
        raise UsageError(problem, hint=f"installed are: {known}" if not found else "uninstall one of the two")
    return _started(found[0], options)


async def draft_one(generator: DraftGenerator, prospect: Prospect, *, timeout: float = 30.0) -> Draft | Undrafted:
    """One prospect's message, or why there is none; `timeout` in seconds. Whatever a generator does, only this prospect
    goes without."""
    try:
        async with asyncio.timeout(timeout):
            draft = await generator.draft(prospect, prospect.values())
    except PacelineError as error:
        return Undrafted(prospect, error.message, error.hint)
    except TimeoutError:
        return Undrafted(prospect, f"the generator gave no draft within {timeout:g} s", "run it again later")
    except Exception as error:  # a generator is somebody else's code
        return Undrafted(prospect, f"the generator failed: {_told(error)}", "tell whoever wrote it")
    if reason := _fault(draft):
        return Undrafted(prospect, f"the generator gave no usable draft: {reason}", "correct its template or settings")
    return draft


def _checked(source: str, path: Path, line: int, *, html: bool) -> Template:
    template = checked_template(source, path.name, line, html=html)
    if later := sorted(template.fields & _LATER):
        hint = "write it in the campaign's message, around the draft"
        raise UsageError(f"{path.name}: {later[0]} is known only when a message leaves", hint=hint)
    return template


def _started(entry: EntryPoint, options: DraftOptions) -> DraftGenerator:
    try:
        make: Callable[[DraftOptions], DraftGenerator] = entry.load()
        generator = make(options)
    except PacelineError:
        raise
    except Exception as error:
        problem = f"the generator {entry.name!r} ({entry.value}) does not start: {_told(error)}"
        raise UsageError(problem, hint="update or reinstall its package") from error
    if not callable(getattr(generator, "draft", None)):
        raise UsageError(
            f"the generator {entry.name!r} ({entry.value}) has no draft function", hint="update its package"
        )
    return generator


def _fault(draft: object) -> str:
    """What is wrong with what a generator gave; "" for nothing."""
    if not isinstance(draft, Draft) or not all(
        isinstance(part, str) for part in (draft.subject, draft.text, draft.html)
    ):
        return "it is not a draft"
    if not draft.subject.strip():
        return "the subject is empty"
    if draft.subject != clean(draft.subject):
        return "the subject is not one plain line"
    if not draft.text.strip() and not draft.html.strip():
        return "the text is empty"
    if max(map(len, (draft.subject, draft.text, draft.html))) > MAX_OUTPUT:
        return f"it holds more than {MAX_OUTPUT:,} characters"
    return ""


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}".rstrip(": ")
