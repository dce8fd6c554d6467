"""A message as its reader will see it: parsed back from the very bytes that would leave."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser

from engine.compose.factory import Factory

_SPACES = re.compile(r"[ \t\r\n\f]+")
_HIDDEN = frozenset(("script", "style", "head", "title", "template"))
_PARAGRAPHS = frozenset(("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "hr"))
_LINES = frozenset(("div", "li", "tr", "br", "section", "article", "header", "footer", "dt", "dd", "address", "center"))
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Preview:
    """Decoded headers in order, the text part (made from the HTML if there is none), and the HTML part as
    text ("" if none). Line ends are "\\n"."""

    headers: list[tuple[str, str]]
    text: str
    html_text: str


def preview(
    factory: Factory, address: str, fields: Mapping[str, object], message_id: str, date: int, profile: str = ""
) -> Preview:
    """What `factory.build` makes for this recipient, read back. Raises as `Factory.build`."""
    built = factory.build(address=address, fields=fields, message_id=message_id, date=date, profile=profile)
    if not built.content.startswith(b"From:"):
        # A note or a JSON body: all of it is text.
        return Preview([("To", built.recipient)], built.content.decode("utf-8", "replace"), "")
    message = message_from_bytes(built.content, _class=EmailMessage, policy=default)
    text = _body(message, "plain")
    html_text = html_to_text(_body(message, "html"))
    headers = [(name, str(value)) for name, value in message.items()]
    return Preview(headers, text or html_text, html_text)


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


def html_to_text(html: str) -> str:
    """`html` as readable text: links as `text (url)`, list items with a dash, scripts and styles dropped."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.result()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._hidden = 0
        self._pre = 0
        self._link = ""
        self._link_start = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag == "body":
            self._hidden = 0
        elif tag in _PARAGRAPHS:
            self._break(2)
            self._pre += tag == "pre"
            if tag == "hr":
                self._out.append("---")
                self._break(2)
        elif tag == "br":
            self._out.append("\n")
        elif tag in _LINES:
            self._break(1)
            if tag == "li":
                self._out.append("- ")
        elif tag in ("td", "th"):
            self._write(" ")
        elif tag == "a":
            self._close_link()
            self._link, self._link_start = named.get("href") or "", len(self._out)
        elif tag == "img" and named.get("alt"):
            self._write(f"[{named['alt']}]")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _PARAGRAPHS:
            self._break(2)
            self._pre = max(0, self._pre - (tag == "pre"))
        elif tag in _LINES:
            self._break(1)
        elif tag == "a":
            self._close_link()

    def _close_link(self) -> None:
        url, self._link = self._link, ""
        if not url or url.startswith("#"):
            return
        shown = "".join(self._out[self._link_start :]).strip()
        if shown not in (url, url.removeprefix("mailto:")):
            self._write(f" ({url})" if shown else url)

    def handle_data(self, data: str) -> None:
        self._write(data if self._pre else _SPACES.sub(" ", data))

    def _write(self, text: str) -> None:
        if self._hidden:
            return
        if not self._pre and (not self._out or self._out[-1].endswith((" ", "\n"))):
            text = text.lstrip(" ")
        if text:
            self._out.append(text)

    def _break(self, lines: int) -> None:
        """End the line, with a blank one after it for `lines` = 2."""
        while lines and self._out and self._out[-lines:] != ["\n"] * lines:
            self._out.append("\n")

    def result(self) -> str:
        lines = (line.rstrip(" ") for line in "".join(self._out).split("\n"))
        return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip("\n")
