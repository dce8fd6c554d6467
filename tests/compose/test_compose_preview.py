"""Previews: what the reader will see, read back from the bytes that would leave."""

from __future__ import annotations

import pytest

from engine.compose.identity import Identity
from engine.compose.message import MessageFactory
from engine.compose.preview import html_to_text, preview
from storage.nouns import Step


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hi</p><p>there</p>", "Hi\n\nthere"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("one\n  two\t three", "one two three"),
        ('<a href="https://x.org/a?b=1&amp;c=2">Look</a>!', "Look (https://x.org/a?b=1&c=2)!"),
        ('<a href="https://x.org">https://x.org</a>', "https://x.org"),
        ('<a href="mailto:a@x.org">a@x.org</a>', "a@x.org"),
        ('<a href="#top">up</a>', "up"),
        ('<a href="https://x.org"><img src=i alt="Logo"></a>', "[Logo] (https://x.org)"),
        ("<style>p{x}</style><script>alert(1)</script>a", "a"),
        ("<html><head><title>T</title></head><body>a</body></html>", "a"),
        ("<ul><li>a</li><li>b</li></ul>c", "- a\n- b\n\nc"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("a<hr>b", "a\n\n---\n\nb"),
        ("&lt;b&gt; &amp; caf&eacute;", "<b> & café"),
        ("", ""),
        ("<p>unclosed <b>bold", "unclosed bold"),
    ],
)
def test_html_becomes_readable_text(html: str, text: str) -> None:
    assert html_to_text(html) == text


def test_a_preview_shows_decoded_headers_and_both_parts() -> None:
    step = Step(1, 1, 1, "Grüße, {name}", "Hallo {name}\n", "<p>Hallo <b>{name}</b></p>")
    factory = MessageFactory(step, Identity("Ann", "ann@example.org"))
    seen = preview(factory, "bob@example.com", {"name": "Zoë & Co"}, "<1@example.org>", 0)
    assert ("Subject", "Grüße, Zoë & Co") in seen.headers
    assert ("To", "bob@example.com") in seen.headers
    assert seen.text == "Hallo Zoë & Co\n"
    assert seen.html_text == "Hallo Zoë & Co"


def test_a_message_of_html_only_previews_as_text() -> None:
    factory = MessageFactory(Step(1, 1, 1, "s", "", "<p>Hi</p>"), Identity("", "ann@example.org"))
    seen = preview(factory, "bob@example.com", {}, "<1@example.org>", 0)
    assert (seen.text, seen.html_text) == ("Hi", "Hi")
