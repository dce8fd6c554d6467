"""A report as a file for other people: Markdown, or one HTML page that loads nothing from anywhere. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from tui.reporting.words import Section
from tui.safe_text import safe_text

_MARKED = re.compile(r"([\\`*_{}\[\]<>#|~!])")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:.5rem 0}th,td{text-align:left;padding:.2rem 1rem .2rem 0;"
    "border-bottom:1px solid #ddd;vertical-align:top}dt{float:left;clear:left;width:8rem;color:#666}"
    "dd{margin-left:8rem}p{color:#666}"
)


def markdown(sections: Iterable[Section]) -> str:
    """Sections as Markdown with pipe tables; what the data holds is never taken for markup."""
    lines: list[str] = []
    for level, section in enumerate(sections):
        lines += [f"{'##' if level else '#'} {_plain(section.title)}", ""]
        if section.pairs:
            lines += [*(f"- {label}: {_plain(text)}" for label, text in section.pairs), ""]
        if section.rows:
            lines += [_bars(section.head), _bars(["---"] * len(section.head)), *map(_bars_plain, section.rows), ""]
        if section.note:
            lines += [_plain(section.note), ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    return _MARKED.sub(r"\\\1", safe_text(text, 1_000))


def _bars(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _bars_plain(cells: Sequence[str]) -> str:
    return _bars([_plain(cell) for cell in cells])


def page(title: str, sections: Iterable[Section]) -> str:
    """Sections as one HTML page without scripts and addresses; all that the data holds is text."""
    body: list[str] = []
    for level, section in enumerate(sections):
        body.append(_tag("h2" if level else "h1", section.title))
        if section.pairs:
            body.append(
                "<dl>" + "".join(_tag("dt", label) + _tag("dd", text) for label, text in section.pairs) + "</dl>"
            )
        if section.rows:
            head = "".join(_tag("th", cell) for cell in section.head)
            rows = "".join(f"<tr>{''.join(_tag('td', cell) for cell in row)}</tr>" for row in section.rows)
            body.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
        if section.note:
            body.append(_tag("p", section.note))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"{_tag('title', title)}<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _tag(name: str, text: str) -> str:
    return f"<{name}>{html.escape(safe_text(text, 1_000))}</{name}>"
