"""`paceline unsubscribe`: whoever left by a link, by its token or out of the log of the operator's own web server."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import click

from storage.errors import RefusedError, UsageError
from tui.cli.output import Json, emit, out, say
from tui.cli.session import Session
from tui.cli.verbs import Change
from tui.client import Control
from tui.safe_text import safe_text

_TOKEN = re.compile(r"(?<![A-Za-z0-9])[a-z2-7]{20,40}(?![A-Za-z0-9])", re.IGNORECASE)
_METHOD = re.compile(r"(?<![A-Za-z])(GET|HEAD|POST|PUT|OPTIONS|DELETE|PATCH)(?![A-Za-z])")
LONGEST = 16_384
"""Characters of a line that are looked at."""
SLICE = 200
"""Tokens of one request."""
MOST_IN_LINE = 5


@click.command("unsubscribe", cls=Change)
@click.argument("token", required=False)
@click.option("--from-file", "source", metavar="FILE", help="A token, link or line of a web log each; - for stdin.")
@click.option("--get", is_flag=True, help="Let lines of GET requests count too: mail scanners open links.")
@click.pass_obj
def unsubscribe(session: Session, token: str | None, source: str | None, get: bool) -> int:
    """Leave whoever a TOKEN (or the link that holds it) names alone: on everything, or on their list alone where
    `unsubscribe_scope` says so. A token that was not made here changes nothing.

    Of the lines of a web log only POST requests count (RFC 8058): programs that check mails open every link. Reading a
    log twice counts each line once.
    """
    if (token is None) == (source is None):
        raise UsageError("name a token, or a file with --from-file", hint="paceline unsubscribe --help")
    if token is not None:
        return _one(session, token)
    return _from_file(session, source or "-", get=get)


def _one(session: Session, text: str) -> int:
    found = _TOKEN.findall(text)
    if not found:
        raise UsageError(
            f"{text[:80]!r} holds no token: nothing was changed", hint="it has 20 to 40 letters and digits"
        )
    with session.control() as control:
        told = [_ask(control, [(token, "")], "command line") for token in found[:MOST_IN_LINE]]
    known = [one["items"][0] for one in told if one["items"][0]["effect"] != "unknown"]
    if not known:
        raise RefusedError(
            "this token was not made here: nothing was changed", hint="copy the whole link out of the message"
        )
    if session.json:
        emit({"success": True, **known[0]})
        return 0
    where = f"list {known[0]['list']}" if known[0]["list"] else "every campaign"
    had = " had left" if known[0]["effect"] == "already" else " is unsubscribed from"
    out(safe_text(f"{known[0]['address']}{had} {where}"))
    return 0


def _from_file(session: Session, source: str, *, get: bool) -> int:
    counts: Counter[str] = Counter()
    problems: list[Json] = []
    with _opened(source) as file, session.control() as control:
        for batch in _batches(_wanted(file, counts, get=get)):
            answer = _ask(control, [(token, digest) for _, token, digest in batch], Path(source).name[-200:])
            for (number, _, _), item in zip(batch, answer["items"], strict=True):
                counts[item["effect"]] += 1
                if item["effect"] == "unknown" and len(problems) < 10:
                    problems.append({"line": number, "reason": "the token was not made here"})
    if session.json:
        kept = ("lines", "unsubscribed", "already", "unknown", "get")
        emit({"success": True, **{name: counts[name] for name in kept}, "problems": problems})
        return 0
    out(
        f"{counts['lines']:,} lines: {counts['unsubscribed']:,} unsubscribed, {counts['already']:,} had left before, "
        f"{counts['unknown']:,} tokens that were not made here"
    )
    if counts["get"]:
        say(f"{counts['get']:,} lines of requests other than POST were left out; --get counts those too")
    for problem in problems[:5]:
        say(f"line {problem['line']}: {problem['reason']}")
    return 0


def _wanted(file: Iterable[str], counts: Counter[str], *, get: bool) -> Iterator[tuple[int, str, str]]:
    """(line number, token, digest of the line) of every token that counts."""
    for number, line in enumerate(file, 1):
        counts["lines"] += 1
        line = line[:LONGEST].strip()
        tokens = list(dict.fromkeys(token.lower() for token in _TOKEN.findall(line)))[:MOST_IN_LINE]
        if not tokens:
            continue
        method = _METHOD.search(line)
        if method is not None and method[1] != "POST" and not get:
            counts["get"] += 1
            continue
        for token in tokens:
            # Only a line that says more than the token tells one click from the next.
            digest = hashlib.sha256(f"{token}\n{line}".encode("utf-8", "replace")).hexdigest() if method else ""
            yield number, token, digest


def _batches(found: Iterable[tuple[int, str, str]]) -> Iterator[list[tuple[int, str, str]]]:
    batch: list[tuple[int, str, str]] = []
    for one in found:
        batch.append(one)
        if len(batch) == SLICE:
            yield batch
            batch = []
    if batch:
        yield batch


def _ask(control: Control, tokens: list[tuple[str, str]], source: str) -> Json:
    items = [{"token": token, "digest": digest} for token, digest in tokens]
    return control.call("unsubscribe", {"items": items, "source": source})


@contextlib.contextmanager
def _opened(source: str) -> Iterator[TextIO]:
    if source == "-":
        yield sys.stdin
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(Path(source).open(encoding="utf-8", errors="replace"))
        except OSError as error:
            trouble = (error.strerror or "cannot be read").lower()
            raise UsageError(f"{source}: {trouble}", hint="check the path") from error
        yield file
