"""The filter language: one parser for `/`, `:`, the command line and key bindings.

    state:failed,retry  -state:done  campaign:spring*  error:~421  try:>3  id:100..200  age:>1h  "free words"

Which fields and words there are depends on the list (`storage.filter_languages`). Terms stand beside each other and
must all hold; commas inside one mean "one of". The result is a tree of frozen dataclasses; `render` writes the text
that parses back to the same tree, `storage.filter_sql` makes SQL of it, `storage.filter_rows` compares texts with it.
A text that does not parse raises FilterError with the column: it never means more than was meant.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

from storage.errors import FilterError
from storage.filter_languages import JOBS, KNOWN, Language
from storage.filter_terms import (
    NUMBERS,
    TIMES,
    UNITS,
    Contains,
    Filter,
    Match,
    Not,
    Number,
    States,
    Term,
    Time,
    Word,
    literal,
    quoted,
)
from storage.model import DAY

LONGEST = 2_000
"""Characters of a filter."""
_DURATION = re.compile(r"(\d{1,6})([wdhms])")
_LONGEST_TIME = 3_650 * DAY
_LARGEST = 10**18 - 1

Character = tuple[str, bool]
"""A character, and whether quotes make it mean only itself."""
Token = tuple[int, list[Character]]
"""Where it begins, and what it is made of."""


def parse(text: str, language: Language = JOBS) -> Filter:
    """Raises FilterError that names the column (from 1) and the remedy."""
    if len(text) > LONGEST:
        raise FilterError(f"a filter has at most {LONGEST:,} characters", hint="split it")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise FilterError("the filter holds a character that is none", hint="type it anew")
    return Filter(tuple(_term(token, language) for token in _tokens(text)))


def _wrong(column: int, message: str, hint: str) -> FilterError:
    return FilterError(f"column {column + 1}: {message}", hint=hint)


def _tokens(text: str) -> Iterator[Token]:
    start, quote, found = 0, -1, list[Character]()
    position = 0
    while position < len(text):
        character = text[position]
        if quote >= 0:
            if character == "\\" and text[position + 1 : position + 2] in ('"', "\\"):
                position += 1
                found.append((text[position], True))
            elif character == '"':
                quote = -1
                found.append(("", True))
            else:
                found.append((character, True))
        elif character.isspace():
            if found:
                yield start, found
            found = []
        else:
            start = start if found else position
            if character == '"':
                quote = position
                found.append(("", True))
            else:
                found.append((character, False))
        position += 1
    if quote >= 0:
        raise _wrong(quote, "this quote is not closed", 'close it with "')
    if found:
        yield start, found


def _text(characters: list[Character]) -> str:
    return "".join(character for character, _ in characters)


def _term(token: Token, language: Language) -> Term | Not:
    start, found = token
    if found[0] == ("-", False):
        if len(found) == 1:
            raise _wrong(start, "'-' stands alone", "write it before a term: -state:done")
        return Not(_positive(start + 1, found[1:], language))
    return _positive(start, found, language)


def _positive(start: int, found: list[Character], language: Language) -> Term:
    if (":", False) not in found:
        text = _text(found)
        if not text or text == "-":
            raise _wrong(start, "a word is missing", "write one, or leave the sign out")
        return Word(text)
    colon = found.index((":", False))
    name = _text(found[:colon])
    field = language.same.get(name.lower(), name.lower())
    if field not in language.fields:
        raise _no_field(start, name, field, language)
    at = start + colon + 1
    values = _split(found[colon + 1 :])
    if not all(any(character for character, _ in value) for value in values):
        raise _wrong(at, f"'{field}:' has no value", f"for example {language.examples[field]}")
    return _valued(field, at, values, language)


def _no_field(start: int, name: str, field: str, language: Language) -> FilterError:
    there = f"there are: {', '.join(language.fields)}"
    if field in KNOWN:
        return _wrong(start, f"{language.of} have no field '{field}'", there)
    close = difflib.get_close_matches(field, language.fields, n=1)
    there = f"did you mean '{close[0]}:'?" if close else there
    return _wrong(start, f"there is no field '{name[:40]}'", f"{there} To look for the text itself, quote it")


def _split(found: list[Character]) -> list[list[Character]]:
    values: list[list[Character]] = [[]]
    for character in found:
        if character == (",", False):
            values.append([])
        else:
            values[-1].append(character)
    return values


def _valued(field: str, at: int, values: list[list[Character]], language: Language) -> Term:
    example = f"for example {language.examples[field]}"
    if field == "state":
        return States(tuple(dict.fromkeys(state for value in values for state in _states(at, _text(value), language))))
    if field == "error" and values[0][0] == ("~", False):
        texts = [_text(values[0][1:]), *map(_text, values[1:])]
        if not all(texts):
            raise _wrong(at, "'error:~' has no text", example)
        return Contains(tuple(dict.fromkeys(texts)))
    if field not in (*NUMBERS, *TIMES):
        return Match(field, tuple(dict.fromkeys(map(_pattern, values))))
    if len(values) > 1:
        raise _wrong(at, f"'{field}:' takes one value", example)
    text = _text(values[0])
    return _number(field, at, text, example) if field in NUMBERS else _time(field, at, text, example)


def _states(at: int, word: str, language: Language) -> tuple[str, ...]:
    known = word.lower()
    if known in language.states:
        return (known,)
    if known in language.aliases:
        return language.aliases[known]
    close = difflib.get_close_matches(known, [*language.states, *language.aliases], n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(language.states)}"
    raise _wrong(at, f"there is no state '{word[:40]}'", hint)


def _pattern(value: list[Character]) -> str:
    return "".join("*" if character == ("*", False) else literal(character[0]) for character in value)


def _number(field: str, at: int, text: str, example: str) -> Number:
    found = re.fullmatch(r"(>=?|<=?|=)?(\d{1,18})", text, re.ASCII)
    if found is not None:
        value = int(found[2])
        low, high = {
            ">": (value + 1, None), ">=": (value, None), "<": (None, value - 1), "<=": (None, value),
        }.get(found[1], (value, value))  # fmt: skip
        if (high is not None and high < 0) or (low is not None and low > _LARGEST):
            raise _wrong(at, f"'{text[:40]}' can be true of nothing", example)
        return Number(field, low, high)
    between = re.fullmatch(r"(\d{1,18})\.\.(\d{1,18})", text, re.ASCII)
    if between is None:
        raise _wrong(at, f"'{text[:40]}' is no number or range", example)
    if int(between[1]) > int(between[2]):
        raise _wrong(at, f"'{text[:40]}' ends before it begins", f"write {field}:{between[2]}..{between[1]}")
    return Number(field, int(between[1]), int(between[2]))


def _time(field: str, at: int, text: str, example: str) -> Time:
    sign = re.match(r"[<>]=?", text)
    if (sign is None) != (field == "since"):
        raise _wrong(at, f"'{field}:' takes {'no sign' if sign else '> or <'}", example)
    duration = text[sign.end() if sign else 0 :].lower()
    if not re.fullmatch(r"(\d{1,6}[wdhms])+", duration, re.ASCII):
        raise _wrong(at, f"'{duration[:40]}' is not a duration", f"{example}; units are s, m, h, d, w")
    total = sum(int(n) * UNITS[unit] for n, unit in _DURATION.findall(duration))
    if total > _LONGEST_TIME:
        raise _wrong(at, f"'{duration[:40]}' is longer than ten years", example)
    return Time(field, sign is not None and sign[0][0] == ">", total)


def complete(
    text: str, cursor: int, known: Mapping[str, Sequence[str]] | None = None, language: Language = JOBS
) -> list[str]:
    """What the word that ends at `cursor` can become, best first; `known` has names by what they name (campaign,
    queue, kind). Each answer replaces the whole word."""
    word = text[:cursor].split()[-1] if text[:cursor] and not text[cursor - 1].isspace() else ""
    sign, rest = ("-", word[1:]) if word.startswith("-") else ("", word)
    if ":" not in rest:
        return [f"{sign}{field}:" for field in language.fields if field.startswith(rest.lower())]
    field, _, value = rest.partition(":")
    before, comma, last = value.rpartition(",")
    choices = _choices(language.same.get(field.lower(), field.lower()), known or {}, language, first=not value)
    taken = {part.lower() for part in before.split(",")}
    start = last.strip('"').lower()
    return [
        f"{sign}{field}:{before}{comma}{choice}"
        for choice in choices
        if choice.strip('"').lower().startswith(start) and choice.lower() not in taken and choice != last
    ]


def _choices(field: str, known: Mapping[str, Sequence[str]], language: Language, *, first: bool) -> list[str]:
    if field not in language.fields:
        return []
    if field == "state":
        return [*language.states, *language.aliases]
    if field in language.values:
        return list(language.values[field])
    if (names := language.names.get(field, field)) in known:
        return [quoted(name) for name in known[names]]
    return [language.examples[field].partition(":")[2]] if first else []
