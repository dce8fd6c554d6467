"""HTML as the text that it shows, as far as words matter.

One pass over the source: the standard library's parser takes minutes for 200 KB of tags that are never closed.
"""

from __future__ import annotations

import re
from html import unescape

_MARK = re.compile(r"<!--|<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*>|<[!?][^<>]*>")
_BLOCKS = frozenset(
    (
        *("p", "div", "br", "tr", "li", "table", "pre", "hr", "ul", "ol", "dl", "dd", "dt", "blockquote"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "header", "footer"),
    )
)
_UNSEEN = frozenset(("script", "style", "head", "title"))


def text_of_html(source: str) -> str:
    """The words of an HTML text, a line for each block; each line of a quotation begins with `> `."""
    page = _Page()
    at = 0
    while (mark := _MARK.search(source, at)) is not None:
        page.words(source[at : mark.start()])
        at = mark.end()
        if mark[0] == "<!--":
            end = source.find("-->", at)
            at = end + 3 if end >= 0 else len(source)
        elif mark[2]:
            page.tag(mark[2].lower(), closing=bool(mark[1]))
    page.words(source[at:])
    return page.text()


class _Page:
    def __init__(self) -> None:
        self._lines: list[tuple[bool, list[str]]] = [(False, [])]
        self._unseen = ""
        self._quotes = 0

    def tag(self, name: str, *, closing: bool) -> None:
        if self._unseen:
            # A browser shows nothing until the same name is closed.
            self._unseen = "" if closing and name == self._unseen else self._unseen
            return
        if name in _UNSEEN and not closing:
            self._unseen = name
        if name == "blockquote":
            self._quotes = max(0, self._quotes + (-1 if closing else 1))
        if name in _BLOCKS:
            self._lines.append((self._quotes > 0, []))
        elif name in ("td", "th"):
            self._lines[-1][1].append(" ")

    def words(self, text: str) -> None:
        if text and not self._unseen:
            self._lines[-1][1].append(unescape(text))

    def text(self) -> str:
        shown = ((quoted, " ".join("".join(pieces).split())) for quoted, pieces in self._lines)
        return "\n".join(f"> {line}" if quoted and line else line for quoted, line in shown)
