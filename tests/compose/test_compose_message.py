"""Messages: the fast bytes against the standard library's, and against what the operator wrote."""

from __future__ import annotations

import base64
import dataclasses
import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.channels.channel import Message
from engine.compose.errors import AddressError, ComposeError, MissingField, TemplateError
from engine.compose.headers import clean
from engine.compose.identity import Identity, Unsubscribe, message_id_for
from engine.compose.message import MessageFactory
from storage.model import SECOND
from storage.nouns import Step

IDENTITY = Identity("Ann Böhm, Sales", "ann@example.org", "desk@example.org")
STEP = Step(1, 1, 1, "Hello {first_name}", "Hi {first_name} of {company}\n", "")
HTML = "<p>Hi {first_name} of <b>{company}</b></p>\n"
FILE = {"name": "prices.csv", "type": "text/csv", "data": base64.b64encode(b"a,b\n1,2\n").decode()}
FIELDS = {"first_name": "Bob", "company": "ACME"}
MESSAGE_ID = "<0123456789abcdef@example.org>"
DATE = 1_700_000_000 * SECOND

SHAPES = {
    "text": STEP,
    "html": dataclasses.replace(STEP, text="", html=HTML),
    "alternative": dataclasses.replace(STEP, html=HTML),
    "text and file": dataclasses.replace(STEP, attachments=(FILE,)),
    "all": dataclasses.replace(STEP, html=HTML, attachments=(FILE, FILE), headers={"X-Firm": "to {company}"}),
    "logic": dataclasses.replace(STEP, text="{% if company %}{{ company | upper }}{% endif %}\n{first_name}"),
}


def make(step: Step = STEP, **more: Any) -> MessageFactory:
    return MessageFactory(step, more.pop("identity", IDENTITY), **more)


def build(factory: MessageFactory, **changes: Any) -> Message:
    arguments = {"address": "bob@example.com", "fields": FIELDS, "message_id": MESSAGE_ID, "date": DATE}
    return factory.build(**{**arguments, **changes})


def reference(factory: MessageFactory, **changes: Any) -> Message:
    arguments = {"address": "bob@example.com", "fields": FIELDS, "message_id": MESSAGE_ID, "date": DATE}
    return factory.build_reference(**{**arguments, **changes})


def parse(message: Message) -> EmailMessage:
    return message_from_bytes(message.content, _class=EmailMessage, policy=default)


def headers_of(message: EmailMessage) -> dict[str, str]:
    """All headers that say something to a reader; the transfer encoding and boundary are the maker's own."""
    shown = {name.lower(): str(value) for name, value in message.items()}
    shown.pop("content-transfer-encoding", None)
    shown["content-type"] = message.get_content_type()
    return shown


def bodies_of(message: EmailMessage) -> list[tuple[str, str | None, Any]]:
    leaves = [part for part in message.walk() if not part.is_multipart()]
    return [(part.get_content_type(), part.get_filename(), part.get_content()) for part in leaves]


def assert_wire_form(content: bytes) -> None:
    assert content.isascii()
    assert b"\0" not in content
    assert content.endswith(b"\r\n")
    lines = content.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\r" in line or b"\n" in line for line in lines)


# The alphabet leans on what breaks messages: line ends, controls, encodings, boundaries, quoting.
hostile = st.text(
    st.one_of(
        st.sampled_from("\r\n\0\x1b\x7f\x85\u2028 \t.=?<>&\"',;:\\(){}%é漢🎉"),
        st.characters(exclude_categories=("Cs",)),
    ),
    min_size=1,
    max_size=60,
).filter(lambda text: bool(clean(text)) and not text.isspace())


@pytest.mark.parametrize("shape", SHAPES)
@given(first_name=hostile, company=hostile)
@example(first_name="Bob", company="ACME")
@example(first_name="=?utf-8?q?x=0D=0ABcc:_evil@x.org?=", company="=?utf-8?b?QQ==?=")
@example(first_name="a\r\nBcc: evil@x.org\r\n\r\nbody", company="x\r\n.\r\nMAIL FROM:<>")
@example(first_name="word " * 60, company="x" * 3000)
@example(first_name="é" * 300, company="漢" * 1000)
def test_fast_equals_reference_after_parsing(shape: str, first_name: str, company: str) -> None:
    factory = make(SHAPES[shape])
    fields = {"first_name": first_name, "company": company}
    built = build(factory, fields=fields)
    assert_wire_form(built.content)
    fast, slow = parse(built), parse(reference(factory, fields=fields))
    assert not fast.defects
    assert bodies_of(fast) == bodies_of(slow)
    assert fast["Subject"] == "Hello " + clean("x" + first_name)[1:]
    fast_headers, slow_headers = headers_of(fast), headers_of(slow)
    for shown in (fast_headers, slow_headers):
        # The library's folding may lose or double a space; ours is compared with the source above.
        for name in ("subject", "x-firm"):
            shown[name] = re.sub(r"\s+", "", shown.get(name, ""))
    assert fast_headers == slow_headers


def test_the_envelope_is_the_stored_address() -> None:
    built = build(make())
    assert (built.sender, built.recipient, built.message_id) == (
        "ann@example.org",
        "bob@example.com",
        MESSAGE_ID,
    )
    assert built.smtputf8 is False


def test_headers_are_complete() -> None:
    parsed = parse(build(make()))
    assert parsed["From"] == '"Ann Böhm, Sales" <ann@example.org>'
    assert parsed["Reply-To"] == "desk@example.org"
    assert parsed["To"] == "bob@example.com"
    assert parsed["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert parsed["Message-ID"] == MESSAGE_ID
    assert parsed["MIME-Version"] == "1.0"


@pytest.mark.parametrize(
    "name", ["", "Ann", "Ann B.", 'A "Q" \\ B', "Ann, Bob", "=?x?=", "n" * 90, "é x" * 9, "a\r\nBcc: x@y.z"]
)
def test_any_sender_name_survives(name: str) -> None:
    parsed = parse(build(make(identity=Identity(name, "ann@example.org"))))
    (mailbox,) = parsed["From"].addresses
    assert (mailbox.display_name, mailbox.addr_spec) == (clean(name), "ann@example.org")
    assert parsed["Bcc"] is None


def test_a_sender_name_of_many_encoded_words_survives() -> None:
    # By the older decoder: the newer one puts a space between two encoded words of a phrase.
    content = build(make(identity=Identity("éü" * 90, "ann@example.org"))).content
    folded = re.match(rb"From: (.*?)\r\n(?! )", content, re.DOTALL)
    assert folded is not None
    assert str(make_header(decode_header(folded[1].decode()))) == "éü" * 90 + " <ann@example.org>"


@pytest.mark.parametrize(
    "subject",
    ["Plain", "a  b   c", "word " * 200 + "end", "x" * 900, "y" * 2000, "Grüße " * 60 + "!", "🎉" * 500],
)
def test_any_subject_survives(subject: str) -> None:
    built = build(make(dataclasses.replace(STEP, subject="{s}")), fields={**FIELDS, "s": subject})
    assert_wire_form(built.content)
    assert parse(built)["Subject"] == subject
    constant = build(make(dataclasses.replace(STEP, subject=subject)))
    assert parse(constant)["Subject"] == subject


def test_encoded_words_fit_their_line_limit() -> None:
    built = build(make(dataclasses.replace(STEP, subject="🎉é" * 200, headers={"X-" + "N" * 60: "é" * 50})))
    encoded = [line for line in built.content.split(b"\r\n") if b"=?utf-8?" in line]
    assert len(encoded) > 10
    assert max(map(len, encoded)) <= 76


@pytest.mark.parametrize("value", ["a\r\nBcc: evil@x.org", "a\nX-Evil: 1", "a\r\n\r\nbody", "a\x85b", "a\u2028b\0"])
def test_no_header_is_injected(value: str) -> None:
    step = dataclasses.replace(STEP, subject="{v}", headers={"X-Note": "{v}"})
    parsed = parse(build(make(step), fields={**FIELDS, "v": value}))
    assert parsed["Bcc"] is None
    assert parsed["X-Evil"] is None
    assert parsed["X-Note"] == parsed["Subject"] == clean(value)
    assert len(clean(value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\rc\nd", "a\nb\nc\nd\n"),
        (".\n..\n.a\n", ".\n..\n.a\n"),
        ("From me\n", "From me\n"),
        ("trailing \t\nend ", "trailing \t\nend \n"),
        ("x" * 5000, "x" * 5000 + "\n"),
        ("nul\0esc\x1b", "nul\0esc\x1b\n"),
    ],
)
def test_a_body_reads_as_written(text: str, expected: str) -> None:
    for source, fields in ((text, {}), ("{t}", {"t": text})):
        built = build(make(dataclasses.replace(STEP, text=source)), fields={**FIELDS, **fields})
        assert_wire_form(built.content)
        content = parse(built).get_content().replace("\r\n", "\n").replace("\r", "\n")
        assert content == expected


def test_line_ends_of_data_and_template_are_read_together() -> None:
    built = build(make(dataclasses.replace(STEP, text="{a}\n{b}")), fields={**FIELDS, "a": "x\r", "b": "\ny"})
    assert parse(built).get_content().replace("\r\n", "\n") == "x\n\ny\n"


@pytest.mark.parametrize(
    ("company", "encoding"), [("ACME", "7bit"), ("Söhne", "quoted-printable"), ("漢" * 80, "base64")]
)
def test_the_cheapest_safe_encoding_is_chosen(company: str, encoding: str) -> None:
    parsed = parse(build(make(), fields={**FIELDS, "company": company}))
    assert parsed["Content-Transfer-Encoding"] == encoding


def test_data_with_the_boundary_in_it_does_not_end_a_part() -> None:
    factory = make(SHAPES["alternative"])
    boundary = parse(build(factory)).get_boundary()
    assert boundary is not None
    attack = f"\r\n--{boundary}--\r\nContent-Type: text/html\r\n\r\nevil"
    for fields in ({**FIELDS, "company": attack}, {**FIELDS, "company": f"--{boundary}--"}):
        parts = bodies_of(parse(build(factory, fields=fields)))
        assert [kind for kind, _, _ in parts] == ["text/plain", "text/html"]
        assert boundary in parts[0][2]


def test_a_lone_surrogate_is_replaced() -> None:
    fields = {"first_name": "a\ud800b", "company": "c\udfffd"}
    parsed = parse(build(make(), fields=fields))
    assert parsed["Subject"] == "Hello a?b"
    assert bodies_of(parsed) == bodies_of(parse(reference(make(), fields=fields)))


def test_attachments_arrive_whole() -> None:
    name = "Preisliste für Müller & Söhne, ein recht langer Name für eine Datei.pdf"
    data = bytes(range(256)) * 40
    file = {"name": f"../x\\{name}", "type": "application/pdf", "data": base64.b64encode(data).decode()}
    parsed = parse(build(make(dataclasses.replace(STEP, html=HTML, attachments=(file,)))))
    assert parsed.get_content_type() == "multipart/mixed"
    (attached,) = parsed.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == (name, data)


@pytest.mark.parametrize(
    "file",
    [{"name": "a", "data": "no base64!"}, {"type": "message/rfc822", "data": ""}, {"type": "a\r\nb", "data": ""}],
)
def test_an_attachment_that_cannot_be_sent_is_refused(file: dict[str, str]) -> None:
    with pytest.raises(ComposeError, match="attachment"):
        make(dataclasses.replace(STEP, attachments=(file,)))


def test_an_international_domain_leaves_as_a_labels() -> None:
    built = build(make(), address="bob@straße.example")
    assert (built.recipient, built.smtputf8) == ("bob@xn--strae-oqa.example", False)
    assert parse(built)["To"] == built.recipient


def test_a_local_part_outside_ascii_needs_smtputf8() -> None:
    built = build(make(), address="jörg@münchen.example")
    assert (built.recipient, built.smtputf8) == ("jörg@xn--mnchen-3ya.example", True)
    assert "To: jörg@xn--mnchen-3ya.example\r\n".encode() in built.content
    slow = reference(make(), address="jörg@münchen.example")
    assert slow.smtputf8
    assert parse(slow)["To"] == parse(built)["To"]
    assert build(make(identity=Identity("", "jörg@example.org"))).smtputf8


@pytest.mark.parametrize(
    "address",
    [
        "",
        "bob",
        "bob@",
        "@example.org",
        "a@x.org,b@x.org",
        "a@x.org b@x.org",
        "bob@example.org\r\nRCPT TO:<x@y.z>",
        "bob@example.org\n",
        "<bob@example.org>",
        "Bob <bob@example.org>",
        "bob@[127.0.0.1]",
        "a..b@example.org",
        "a@b@example.org",
        "é@a@example.org",
        "é\u2028@example.org",
        "é..b@example.org",
        "bob@exa mple.org",
        "bob@-x.org",
        "bob@münchen,x.org",
        "b" * 65 + "@example.org",
        "bob@" + "a." * 130 + "org",
    ],
)
def test_an_address_is_exactly_one_mailbox(address: str) -> None:
    with pytest.raises(AddressError):
        build(make(), address=address)


@pytest.mark.parametrize("message_id", ["", "a@b", "<a>", "<a@b>\r\nX: y", "<a b@c>", "<é@b>"])
def test_a_message_id_is_checked(message_id: str) -> None:
    with pytest.raises(AddressError):
        build(make(), message_id=message_id)


@pytest.mark.parametrize(
    "name", ["Bcc", "to", "Subject", "Content-Type", "X Y", "X:Y", "X\r\nBcc", "", "Dkim-Signature"]
)
def test_a_header_of_ours_or_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ComposeError, match="header"):
        make(dataclasses.replace(STEP, headers={name: "x"}))


def test_custom_headers_are_templates_too() -> None:
    step = dataclasses.replace(STEP, headers={"X-A": "fixed", "X-B": "for {company}"})
    parsed = parse(build(make(step)))
    assert (parsed["X-A"], parsed["X-B"]) == ("fixed", "for ACME")
    with pytest.raises(TemplateError, match="header X-A, line 1"):
        make(dataclasses.replace(STEP, headers={"X-A": "{{ f() }}"}))


def test_a_step_without_text_is_refused() -> None:
    with pytest.raises(ComposeError, match="neither text nor html"):
        make(dataclasses.replace(STEP, text=" \n"))


def test_every_missing_name_of_the_message_is_told_at_once() -> None:
    step = dataclasses.replace(STEP, html="{c}", headers={"X-D": "{d}"})
    factory = make(step, unsubscribe=Unsubscribe("https://example.org/u?t={token}"))
    expected = {"first_name", "company", "c", "d", "token"}
    with pytest.raises(MissingField) as caught:
        build(factory, fields={})
    assert set(caught.value.names) == set(factory.missing({})) == factory.fields == factory.required == expected


def test_one_click_comes_only_with_an_https_address() -> None:
    plain = parse(build(make()))
    assert plain["List-Unsubscribe"] is None
    mail = parse(build(make(unsubscribe=Unsubscribe(mailto="leave@example.org"))))
    assert mail["List-Unsubscribe"] == "<mailto:leave@example.org>"
    assert mail["List-Unsubscribe-Post"] is None
    both = make(unsubscribe=Unsubscribe("https://example.org/u?c={company}", "mailto:leave@example.org?subject=u"))
    for built in (
        build(both, fields={**FIELDS, "company": "A&B ü>"}),
        reference(both, fields={**FIELDS, "company": "A&B ü>"}),
    ):
        parsed = parse(built)
        assert parsed["List-Unsubscribe"] == (
            "<https://example.org/u?c=A%26B%20%C3%BC%3E>, <mailto:leave@example.org?subject=u>"
        )
        assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    "unsubscribe",
    [
        Unsubscribe(),
        Unsubscribe("http://example.org/u"),
        Unsubscribe("https://{host}/u"),
        Unsubscribe("https://example.org{rest}"),
        Unsubscribe("{url}"),
        Unsubscribe("https://example.org/{{ a | upper }}"),
        Unsubscribe(mailto="nobody"),
        Unsubscribe(mailto="a@b.c>,<x@y.z"),
    ],
)
def test_an_unsubscribe_address_that_data_could_bend_is_refused(unsubscribe: Unsubscribe) -> None:
    with pytest.raises(ComposeError):
        make(unsubscribe=unsubscribe)


def test_the_body_can_show_the_supplied_names() -> None:
    step = dataclasses.replace(STEP, text="{unsubscribe_url} {address} {message_id}")
    factory = make(step, unsubscribe=Unsubscribe("https://example.org/u?m={message_id}"))
    assert parse(build(factory)).get_content().split() == [
        "https://example.org/u?m=0123456789abcdef%40example.org",
        "bob@example.com",
        "0123456789abcdef@example.org",
    ]
    assert factory.fields == {"first_name"}
    assert make(step).missing(FIELDS) == ("unsubscribe_url",)


def test_a_message_id_is_fixed_by_its_message_and_secret_by_its_seed() -> None:
    first = message_id_for("münchen.example", 1, 2, 3, 4)
    assert re.fullmatch(r"<[0-9a-f]{32}@xn--mnchen-3ya\.example>", first)
    assert first == message_id_for("münchen.example", 1, 2, 3, 4)
    others = {
        message_id_for("münchen.example", *ids) for ids in [(2, 2, 3, 4), (1, 3, 3, 4), (1, 2, 4, 4), (1, 2, 3, 5)]
    }
    assert len(others | {first}) == 5
    assert build(make(), message_id=first).message_id == first


def test_the_same_inputs_give_the_same_bytes() -> None:
    assert build(make(SHAPES["all"])).content == build(make(SHAPES["all"])).content
