"""Templates: text with fields, checked when saved and rendered once a recipient.

Jinja2 in a sandbox, behind the allow-list of `engine.compose.syntax`. Data is only ever a value: it is never
compiled, and in an HTML part it is escaped. A template of plain substitutions is filled without Jinja2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import jinja2
from jinja2 import filters, pass_context
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import escape

from engine.compose.errors import MissingField, OutputTooLarge, RenderError, TemplateError
from engine.compose.syntax import ALLOWED, Segment, Syntax, read_syntax

MAX_OUTPUT = 1_000_000
"""Bytes of UTF-8 that one template may give or take."""

_MISSING = "_missing"


class Template:
    """A checked template. Made by `compile_template`; immutable, safe to share between threads."""

    __slots__ = ("_escape", "_program", "fields", "name", "required", "segments")

    def __init__(self, name: str, syntax: Syntax, program: jinja2.Template | None, *, html: bool) -> None:
        self.name = name
        self.fields = frozenset(syntax.fields)
        """Every field name that the template uses, in conditions and with defaults too."""
        self.required = frozenset(syntax.required)
        """Names that every rendering prints without a default: outside conditions."""
        self.segments: tuple[Segment, ...] | None = syntax.segments
        """The pieces of a plain-substitution template; None when rendering needs the template engine."""
        self._program = program
        self._escape: Callable[[str], str] | None = _escape if html else None

    def render(self, fields: Mapping[str, object]) -> str:
        """The text for one recipient.

        Raises MissingField with every field that is printed without a default and is missing, None or blank;
        OutputTooLarge; RenderError for a value that is no text or number.
        """
        missing: list[str] = []
        text = self._run(fields, missing)
        if missing:
            raise MissingField(missing)
        return text

    def missing(self, fields: Mapping[str, object]) -> tuple[str, ...]:
        """The names that `render` would report, each once, in order; a branch not taken counts for nothing.
        Raises OutputTooLarge and RenderError as `render` does."""
        missing: list[str] = []
        self._run(fields, missing)
        return tuple(dict.fromkeys(missing))

    def values(self, fields: Mapping[str, object]) -> list[str]:
        """What stands after each literal of `segments` but the last: escaped if HTML. Raises as `render`;
        ValueError if the template is no plain substitution."""
        missing: list[str] = []
        values = self._values(fields, missing)
        if missing:
            raise MissingField(missing)
        return values

    def _values(self, fields: Mapping[str, object], missing: list[str]) -> list[str]:
        if self.segments is None:
            raise ValueError("not a plain substitution")
        values: list[str] = []
        for _, name, fallback in self.segments[:-1]:
            value = fields.get(name)
            if type(value) is not str:
                value = _plain_text(name, value)
            if not value or value.isspace():
                if fallback is None:
                    missing.append(name)
                value = fallback or ""
            values.append(value if self._escape is None else self._escape(value))
        return values

    def _run(self, fields: Mapping[str, object], missing: list[str]) -> str:
        if self._program is None or self.segments is not None:
            values = self._values(fields, missing)
            return self._bounded(_interleave(self.segments or (), values))
        known: dict[str, object] = {_MISSING: missing}
        for name in self.fields:
            value = _known(name, fields.get(name))
            if value is not None:
                known[name] = value
        return self._bounded(self._program.root_render_func(self._program.new_context(known)))

    def _bounded(self, chunks: Iterable[str]) -> str:
        parts: list[str] = []
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > MAX_OUTPUT:
                raise OutputTooLarge(self.name, MAX_OUTPUT)
            parts.append(chunk)
        text = "".join(parts)
        if size * 4 > MAX_OUTPUT and len(text.encode("utf-8", "replace")) > MAX_OUTPUT:
            raise OutputTooLarge(self.name, MAX_OUTPUT)
        return text


def literal_template(source: str, *, html: bool = False, name: str = "text") -> Template:
    """`source` as it stands: nothing in it is a field. For a text that was written for one person. Raises
    TemplateError."""
    if len(source) > MAX_OUTPUT:
        raise TemplateError(f"longer than {MAX_OUTPUT:,} characters", 1, name, hint="Shorten the text.")
    return Template(name, Syntax(segments=(Segment(source),)), None, html=html)


class Compile(Protocol):
    """How a source becomes a template: `compile_template`, or `literal_template`."""

    def __call__(self, source: str, *, html: bool = False, name: str = "text") -> Template: ...


def compile_template(source: str, *, html: bool = False, name: str = "text") -> Template:
    """Check `source` and make it ready for rendering.

    `html` escapes data and leaves `<style>` blocks their braces; `name` stands in messages ("subject").
    Raises TemplateError with the line and what is allowed.
    """
    if len(source) > MAX_OUTPUT:
        raise TemplateError(f"longer than {MAX_OUTPUT:,} characters", 1, name, hint="Shorten the template.")
    environment = _HTML if html else _TEXT
    try:
        for line, token, _ in environment.lex(source):
            if token == "raw_begin":  # noqa: S105 - a lexer's token
                raise TemplateError("raw is not allowed", line, name, hint=ALLOWED)
        tree = environment.parse(source)
        syntax = read_syntax(tree, name, html=html)
        program = None
        if syntax.segments is None:
            tree.set_environment(environment)
            program = jinja2.Template.from_code(environment, environment.compile(tree, name, name), {})
    except jinja2.TemplateSyntaxError as error:
        message = error.message or "cannot be read"
        raise TemplateError(message, error.lineno, name, hint=ALLOWED) from None
    except (SyntaxError, RecursionError, ValueError, OverflowError):
        # Depth and number limits of Python itself: nested parentheses or ifs, a constant of 5,000 digits.
        raise TemplateError("nested too deeply or a number too long", 1, name, hint=ALLOWED) from None
    return Template(name, syntax, program, html=html)


def _interleave(segments: tuple[Segment, ...], values: list[str]) -> Iterable[str]:
    for segment, value in zip(segments[:-1], values, strict=True):
        yield segment.literal
        yield value
    yield segments[-1].literal


def _escape(text: str) -> str:
    return str(escape(text))


def _plain_text(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (str, int, float)):
        return str(value)
    kind = "a list" if isinstance(value, list) else f"a {type(value).__name__}"
    raise RenderError(f"field {name} is {kind}, which cannot be printed", hint="Only text and numbers can be printed.")


def _known(name: str, value: object) -> object:
    """A field as the template engine may see it: text, a number, the rows, or None where it is empty."""
    if name == "rows" and isinstance(value, (list, tuple)):
        return [_Row(row) for row in value if isinstance(row, Mapping)] or None
    if isinstance(value, (int, float)):
        return value
    text = _plain_text(name, value)
    return None if not text or text.isspace() else text


class _Row(dict[str, object]):
    """One grouped row; a missing or empty column is undefined and knows its name."""

    def __init__(self, row: Mapping[Any, object]) -> None:
        known = ((str(key), _known(f"item.{key}", value)) for key, value in row.items())
        super().__init__((key, value) for key, value in known if value is not None)

    def __missing__(self, key: str) -> Undefined:
        return Undefined(name=f"item.{key}")


@pass_context
def _finalize(context: Context, value: object) -> object:
    """Every printed value passes here: an undefined one is noted and prints nothing."""
    if isinstance(value, Undefined):
        context.parent[_MISSING].append(value._undefined_name)
        return ""
    return value


@pass_context
def _rows(context: Context, value: object) -> object:
    if isinstance(value, list):
        return value
    context.parent[_MISSING].append("rows")
    return ()


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _equal(left: object, right: object) -> bool:
    """Cells of a spreadsheet are text: `orders == 5` holds for the text "5"; text with text is exact."""
    left, right = (("" if isinstance(side, Undefined) or side is None else side) for side in (left, right))
    if isinstance(left, str) != isinstance(right, str):
        numbers = _number(left), _number(right)
        return numbers[0] is not None and numbers[0] == numbers[1]
    return left == right


def _less(left: object, right: object) -> bool:
    """By number where both are numbers (or read as such), else by text; an empty field is never less."""
    if isinstance(left, Undefined) or isinstance(right, Undefined):
        return False
    numbers = _number(left), _number(right)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0] < numbers[1]
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    shown = next((side for side in (left, right) if isinstance(side, str)), "")
    raise RenderError(f"cannot compare {shown[:40]!r} with a number", hint="Correct the field's value.")


def _contains(part: object, whole: object) -> bool:
    if isinstance(part, Undefined) or isinstance(whole, Undefined):
        return False
    return str(part) in str(whole)


def _default(value: object, fallback: object) -> object:
    return fallback if isinstance(value, Undefined) else value


def _keeping_undefined(change: Callable[[str], str]) -> Callable[[object], object]:
    def apply(value: object) -> object:
        return value if isinstance(value, Undefined) else str(change(str(value)))

    return apply


def _environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(autoescape=html, finalize=_finalize, keep_trailing_newline=True)
    environment.globals.clear()
    environment.tests.clear()
    environment.filters = {
        "default": _default,
        "upper": _keeping_undefined(str.upper),
        "lower": _keeping_undefined(str.lower),
        "title": _keeping_undefined(filters.do_title),
        "capitalize": _keeping_undefined(str.capitalize),
        "trim": _keeping_undefined(str.strip),
        "_rows": _rows,
        "_eq": _equal,
        "_ne": lambda left, right: not _equal(left, right),
        "_lt": _less,
        "_gt": lambda left, right: _less(right, left),
        "_in": _contains,
        "_notin": lambda left, right: not _contains(left, right),
    }
    return environment


_TEXT = _environment(html=False)
_HTML = _environment(html=True)
