"""From a step's JSON template and one recipient's fields to the body of a request.

The template is JSON whose texts are templates. Its structure is compiled once and is the same for everybody: a field
only ever becomes the inside of a text, or a number or truth value that was checked to be one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from engine.account_base import AccountBase
from engine.channels.channel import Message
from engine.channels.webhook.headers import check_header
from engine.compose.errors import ComposeError, MissingField, OutputTooLarge, RenderError, TemplateError
from engine.compose.template import MAX_OUTPUT, Compile, Template, compile_template
from storage.nouns import Step

SUPPLIED: Final = ("address", "profile", "message_id")
"""Names that a template may use without a column of their own; a recipient's own column wins, except for
`message_id`."""
NUMBER: Final = "$number"
BOOLEAN: Final = "$boolean"
MAX_DEPTH: Final = 64
"""Objects and lists inside one another."""

_TOKEN = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>-?\d[\d.eE+-]*)|(?P<mark>[{}\[\],:])|(?P<word>-?[A-Za-z]+)', re.DOTALL
)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
"""RFC 8259 section 6."""
_BOOLEANS = {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false", "0": "false"}


@dataclass(frozen=True, slots=True)
class Hole:
    """A text of the template that differs between people. `kind` is "" for a text, else `NUMBER` or `BOOLEAN`; `path`
    is its JSON pointer."""

    template: Template
    kind: str
    path: str

    def value(self, fields: Mapping[str, object]) -> str:
        """The finished JSON value. Raises as `Template.render`, and RenderError for what is no number or truth value;
        an empty text is null there."""
        text = self.template.render(fields)
        if not self.kind:
            return json.dumps(text, ensure_ascii=False)
        text = text.strip()
        found: str | None = "null"
        if text:
            found = _BOOLEANS.get(text.lower()) if self.kind == BOOLEAN else _NUMBER.fullmatch(text) and text
        if found is None:
            # Without the value, so that equal mistakes of many people fall into one group.
            what = "a number such as 12.5" if self.kind == NUMBER else "true, false, yes, no, 1 or 0"
            names = ", ".join(sorted(self.template.fields))
            where = f" (field {names})" if names else ""
            raise RenderError(f"{self.path or '/'} must come out as {what}{where}", hint="Correct the field's value.")
        return found


class PayloadFactory:
    """Makes one step's JSON bodies for any recipient; immutable, safe to share."""

    def __init__(self, step: Step, account: AccountBase, *, compile: Compile = compile_template) -> None:
        """Compile `step`. Raises ComposeError with line and column for a template that is no JSON or not allowed, and
        for a step with parts that a webhook does not have."""
        for part, given in (("subject", step.subject.strip()), ("html", step.html.strip())):
            if given:
                raise ComposeError(f"a webhook has no {part}", hint="Put it into the JSON of the step's text.")
        if step.attachments:
            raise ComposeError("a webhook has no attachments", hint="Put a link into the JSON of the step's text.")
        self.sender = account.name
        self._headers = tuple(_header(name, value) for name, value in step.headers.items())
        self._literals, self._holes = compile_payload(step.text, compile)
        self._typed = tuple(hole for hole in self._holes if hole.kind)
        used = frozenset[str]().union(*(hole.template.fields for hole in self._holes))
        required = frozenset[str]().union(*(hole.template.required for hole in self._holes))
        self._supplies = bool(used & set(SUPPLIED))
        self.fields = used - set(SUPPLIED)
        """Every field name that the step uses and a recipient may bring."""
        self.required = required - set(SUPPLIED)
        """Field names that every recipient must bring."""
        self.plain = not self._typed

    def lacks(self, address: str, profile: str) -> str:
        """Nothing: a person is whoever the file says, and what the JSON prints are its fields."""
        return ""

    def missing(self, fields: Mapping[str, object], *, address: str = "") -> tuple[str, ...]:
        """Every name that `build` would report for these fields, each once: for preflight.
        Raises OutputTooLarge and RenderError."""
        known = self._known(fields, address or "nobody@example.org", "nobody", "0@example.org")
        names = [name for hole in self._holes for name in hole.template.missing(known)]
        if not names:
            for hole in self._typed:
                hole.value(known)
        return tuple(dict.fromkeys(names))

    def build(
        self, *, address: str, fields: Mapping[str, object], message_id: str, date: int, profile: str = ""
    ) -> Message:
        """The finished body for one recipient, as UTF-8; `date` is not part of it. Raises MissingField with all names
        at once, OutputTooLarge, RenderError."""
        known = self._known(fields, address, profile, message_id)
        try:
            values = [hole.value(known) for hole in self._holes]
        except MissingField:
            raise MissingField(self.missing(fields, address=address)) from None
        pieces = [self._literals[0]]
        for value, literal in zip(values, self._literals[1:], strict=True):
            pieces += (value, literal)
        content = "".join(pieces).encode("utf-8", "replace")
        if len(content) > MAX_OUTPUT:
            raise OutputTooLarge("text", MAX_OUTPUT)
        return Message(self.sender, address, message_id, content, headers=self._headers)

    def _known(self, fields: Mapping[str, object], address: str, profile: str, message_id: str) -> Mapping[str, object]:
        if not self._supplies:
            return fields
        own = {"address": fields.get("address") or address, "profile": fields.get("profile") or profile}
        return {**fields, **own, "message_id": message_id.strip("<>")}


def compile_payload(source: str, compile: Compile = compile_template) -> tuple[tuple[str, ...], tuple[Hole, ...]]:
    """The constant JSON around the holes, one piece more than there are holes, and the holes in their order.

    Raises ComposeError, which says line and column and what is wrong there.
    """
    return _Compiler(source, compile).compiled()


class _Compiler:
    """One walk over the tokens of a text that is known to be JSON."""

    def __init__(self, source: str, compile: Compile) -> None:
        self._source = source
        self._compile = compile
        self._tokens = _tokens(source)
        self._at = 0
        self._depth = 0
        self._literals = [""]
        self._holes: list[Hole] = []

    def compiled(self) -> tuple[tuple[str, ...], tuple[Hole, ...]]:
        self._value("")
        return tuple(self._literals), tuple(self._holes)

    def _next(self) -> re.Match[str]:
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self, ahead: int = 0) -> str:
        return self._tokens[self._at + ahead][0] if self._at + ahead < len(self._tokens) else ""

    def _put(self, text: str) -> None:
        self._literals[-1] += text

    def _value(self, path: str) -> None:
        token = self._next()
        match token[0]:
            case "{" | "[":
                self._depth += 1
                if self._depth > MAX_DEPTH:
                    _refuse(self._source, token.start(), f"nested deeper than {MAX_DEPTH} levels")
                self._object(path) if token[0] == "{" else self._array(path)
                self._depth -= 1
            case _ if token["text"]:
                self._text(token, "", path)
            case "NaN" | "Infinity" | "-Infinity":
                _refuse(self._source, token.start(), f"{token[0]} is not JSON (RFC 8259 section 6)")
            case literal:
                self._put(literal)

    def _array(self, path: str) -> None:
        self._put("[")
        index = 0
        while self._peek() != "]":
            if self._peek() == ",":
                self._put(self._next()[0])
            self._value(f"{path}/{index}")
            index += 1
        self._put(self._next()[0])

    def _object(self, path: str) -> None:
        if self._special(path):
            return
        self._put("{")
        seen: set[str] = set()
        while self._peek() != "}":
            if self._peek() == ",":
                self._put(self._next()[0])
            token = self._next()
            name = json.loads(token[0])
            self._check_name(token, name, seen)
            seen.add(name)
            self._put(f"{json.dumps(name, ensure_ascii=False)}{self._next()[0]}")
            self._value(f"{path}/{name.replace('~', '~0').replace('/', '~1')}")
        self._put(self._next()[0])

    def _special(self, path: str) -> bool:
        """`{"$number": TEXT}` and `{"$boolean": TEXT}`, which stand for one value."""
        kind = self._peek().strip('"')
        if kind not in (NUMBER, BOOLEAN):
            return False
        start = self._next().start()
        self._next()
        value = self._next()
        if not value["text"] or self._peek() != "}":
            _refuse(self._source, start, f'{kind} stands alone with one text: {{"{kind}": "{{{{ field }}}}"}}')
        self._next()
        self._text(value, kind, path)
        return True

    def _check_name(self, token: re.Match[str], name: str, seen: set[str]) -> None:
        if name in seen:
            _refuse(self._source, token.start(), f"the name {name[:40]!r} stands twice in one object")
        if name in (NUMBER, BOOLEAN):
            _refuse(self._source, token.start(), f"{name} stands alone in its object")
        if self._template(token, name, name).fields:
            _refuse(self._source, token.start(), "a name is the same for everybody: fields stand in values only")

    def _text(self, token: re.Match[str], kind: str, path: str) -> None:
        template = self._template(token, json.loads(token[0]), path or "/")
        hole = Hole(template, kind, path)
        if template.fields:
            self._holes.append(hole)
            self._literals.append("")
            return
        try:
            self._put(hole.value({}))
        except RenderError as error:
            _refuse(self._source, token.start(), error.message)

    def _template(self, token: re.Match[str], text: str, path: str) -> Template:
        name = f"text at {path}"
        try:
            return self._compile(text, name=name)
        except TemplateError as error:
            words = error.message.removeprefix(f"{name}, line {error.line}: ")
            _refuse(self._source, token.start(), f"{path}: {words}", error.hint)


def _tokens(source: str) -> list[re.Match[str]]:
    """The tokens of `source`, which is then known to be JSON. Raises ComposeError."""
    if not source.strip():
        raise ComposeError("the step has no text", hint='Write its JSON, such as {"name": "{{ first_name }}"}.')
    if len(source) > MAX_OUTPUT:
        raise OutputTooLarge("text", MAX_OUTPUT)
    try:
        json.loads(source)
    except json.JSONDecodeError as error:
        hint = "Inside a text write \\\" for a quotation mark, or single quotes: {{ name | default('there') }}."
        _refuse(source, error.pos, f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}", hint)
    except (RecursionError, ValueError):
        # A number of 5,000 digits is refused by Python itself.
        raise ComposeError("text: nested too deeply, or a number too long") from None
    return list(_TOKEN.finditer(source))


def _header(name: str, value: str) -> tuple[str, str]:
    try:
        header = check_header(name, value)
    except ValueError as error:
        raise ComposeError(str(error), hint="The account's own keys set method, credentials and signature.") from None
    if compile_template(value, name=f"header {name}").fields:
        raise ComposeError(f"the header {name} is the same for everybody", hint="Fields stand in the JSON only.")
    return header


def _refuse(source: str, position: int, message: str, hint: str = "") -> NoReturn:
    """Say where it is, both counted from 1."""
    line = source.count("\n", 0, position) + 1
    column = position - source.rfind("\n", 0, position)
    raise ComposeError(f"text, line {line}, column {column}: {message}", hint=hint)
