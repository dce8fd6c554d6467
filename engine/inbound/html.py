"""HTML as the text that it shows, as far as words matter."""

from __future__ import annotations

from html.parser import HTMLParser

_BLOCKS = frozenset(("p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "table", "pre", "hr", "ul", "ol", "dd"))
_UNSEEN = frozenset(("script", "style", "head", "title"))


def text_of_html(source: str) -> str:
    """The words of an HTML text, a line for each block; each line of a quotation begins with `> `."""
    reader = _Reader()
    try:
        reader.feed(source)
        reader.close()
    except (AssertionError, ValueError):
        pass
    return reader.text()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[str] = [""]
        self._unseen = 0
        self._quotes = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "blockquote":
            self._quotes += 1
        if tag in _BLOCKS or tag == "blockquote":
            self._break()

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag == "blockquote":
            self._break()
            self._quotes = max(0, self._quotes - 1)
        if tag in _BLOCKS:
            self._break()
        elif tag in ("td", "th"):
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        words = " ".join(data.split())
        if words and not self._lines[-1] and self._quotes:
            self._lines[-1] = "> "
        lead = " " if data[:1].isspace() else ""
        tail = " " if data[-1:].isspace() and words else ""
        self._lines[-1] += lead + words + tail

    def _break(self) -> None:
        self._lines.append("")

    def text(self) -> str:
        return "\n".join(" ".join(line.split()) if not line.startswith("> ") else line.strip() for line in self._lines)
