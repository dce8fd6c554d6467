"""The pure parts of a webhook: where it may go, what counts as success, what an answer means."""

from __future__ import annotations

import ipaddress
import json
import random
import re
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.channels.waits import retry_after
from engine.channels.webhook.endpoint import parse_endpoint
from engine.channels.webhook.guard import Forbidden, refusal, resolve
from engine.channels.webhook.headers import check_header, idempotency_key, signature
from engine.channels.webhook.outcomes import WORDS, Reading, words_of
from engine.channels.webhook.success import SuccessRule, Verdict, check_pointer, find, parse_statuses
from engine.channels.webhook.wire import Answer
from engine.outcomes import MAX_WAIT, Action, Outcome
from engine.retry import RetryPolicy, decide
from storage.model import DAY, MINUTE, SECOND, JobState, OutcomeClass

NOW = 1_790_000_000 * SECOND
NEVER = (
    *("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "::ffff:169.254.169.254"),
    *("0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"),
)
INSIDE = (
    *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "198.18.0.1"),
    *("::1", "fe80::1", "fd12::1", "fc00::1", "2001:db8::1", "192.0.2.1", "240.0.0.1"),
    # IPv4 in other clothes: mapped, compatible, NAT64, 6to4, Teredo.
    *("::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::10.0.0.1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:f5ff:fffe"),
)
OUTSIDE = ("1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1")


@pytest.mark.parametrize("text", NEVER)
def test_some_addresses_are_never_asked(text: str) -> None:
    assert refusal(ipaddress.ip_address(text), allow_private=False)
    assert refusal(ipaddress.ip_address(text), allow_private=True)


@pytest.mark.parametrize("text", INSIDE)
def test_addresses_that_are_not_public_need_to_be_allowed(text: str) -> None:
    assert "allow_private" in refusal(ipaddress.ip_address(text), allow_private=False)
    assert refusal(ipaddress.ip_address(text), allow_private=True, clear=True) == ""


@pytest.mark.parametrize("text", OUTSIDE)
def test_public_addresses_are_asked_with_tls_only(text: str) -> None:
    assert refusal(ipaddress.ip_address(text), allow_private=False) == ""
    assert "needs https" in refusal(ipaddress.ip_address(text), allow_private=True, clear=True)


async def test_one_address_inside_refuses_the_whole_name() -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["1.1.1.1", "10.0.0.1", "1.1.1.1"]

    endpoint = parse_endpoint("https://hooks.example/in")
    with pytest.raises(Forbidden, match=r"hooks\.example \(10\.0\.0\.1\) is not a public address"):
        await resolve(endpoint, allow_private=False, lookup=both)
    assert await resolve(endpoint, allow_private=True, lookup=both) == ["1.1.1.1", "10.0.0.1"]


@pytest.mark.parametrize(
    ("url", "place", "target", "shown"),
    [
        ("https://example.com", "example.com", "/", "https://example.com/"),
        ("https://Example.COM:443/a/b", "example.com", "/a/b", "https://example.com/a/b"),
        ("https://example.com:8443/a?x=1", "example.com:8443", "/a?x=1", "https://example.com:8443/a?x=***"),
        ("https://example.com/?key", "example.com", "/?key", "https://example.com/?***"),
        ("http://[::1]:8080/a%20b?u=c%26d&v=22222", "[::1]:8080", "/a%20b?u=c%26d&v=22222",
         "http://[::1]:8080/a%20b?u=***&v=***"),
        ("https://hooks.example/services/T0/B0/aB3dE5gH7jK9mN1pQ3sT5vX7", "hooks.example",
         "/services/T0/B0/aB3dE5gH7jK9mN1pQ3sT5vX7", "https://hooks.example/services/T0/B0/***"),
    ],
)  # fmt: skip
def test_an_address_is_taken_apart_and_shown_without_its_secrets(url: str, place: str, target: str, shown: str) -> None:
    endpoint = parse_endpoint(url)
    assert (endpoint.place, endpoint.target, endpoint.shown) == (place, target, shown)
    for secret in endpoint.secrets:
        assert secret not in shown + repr(endpoint)


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com/x", "ftp://example.com/", "https://", "https:///x", "https://a b.example/", "//example.com/x",
        "https://us:pw@example.com/", "https://us@example.com/", "https://@example.com/", "https://example.com/#part",
        "https://{{ host }}.example/", "https://example.com/{id}", "https://example.com/\r\nX: 1", "https://exämple.com/",
        "https://example.com:0/", "https://example.com:99999/", "https://example.com:x/", "https://[::1/",
        "https://example.com\\@evil.example/", "https://-.example/", "https://example.com/ä", "https://exa_mple.com/",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_one_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_endpoint(url)
    assert all(part not in str(caught.value) for part in ("pw", "evil", "ftp", "host }}"))


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "content-length", "Transfer-Encoding", "Connection", "TE", "Upgrade", "Keep-Alive", "Trailer"),
        *("Authorization", "Idempotency-Key", "X-Paceline-Signature", "Proxy-Authorization", "Cookie", "Content-Type"),
        *("", "X Y", "X:Y", "Ä", "X\r\nY"),
    ],
)
def test_headers_that_are_ours_or_of_the_connection_are_refused(name: str) -> None:
    with pytest.raises(ValueError):
        check_header(name, "x")


@pytest.mark.parametrize("value", ["a\r\nX: 1", "a\nb", "\x00", " a", "a ", "ä", "x" * 3000])
def test_a_header_is_one_plain_line(value: str) -> None:
    with pytest.raises(ValueError):
        check_header("X-Campaign", value)


def test_headers_of_ones_own_are_taken() -> None:
    for value in ("", "a", "spring 2026; q=0.5"):
        assert check_header("X-Campaign", value) == ("X-Campaign", value)


def test_a_signature_binds_the_time_to_the_body() -> None:
    first = signature("key", b"{}", 1_700_000_000)
    # Computed with openssl: printf '1700000000.{}' | openssl dgst -sha256 -hmac key
    assert first == "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    assert len({first, signature("key", b"{}", 1_700_000_001), signature("kez", b"{}", 1_700_000_000)}) == 3


def test_the_documents_own_verifier_knows_our_signature() -> None:
    (source,) = re.findall(
        r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(), re.S
    )
    names: dict[str, Any] = {}
    exec(source, names)
    body, now = b'{"a": 1}', int(time.time())
    assert names["is_ours"]("key", signature("key", body, now), body)
    assert not names["is_ours"]("key", signature("key", body, now), body + b" ")
    assert not names["is_ours"]("kez", signature("key", body, now), body)
    assert not names["is_ours"]("key", signature("key", body, now - 900), body)


def test_an_idempotency_key_is_a_string_of_its_draft() -> None:
    assert idempotency_key("<a.b@example.com>") == '"a.b@example.com"'
    assert idempotency_key('<a"b\\@x>') == '"a\\"b\\\\@x"'


@pytest.mark.parametrize(
    ("text", "span"), [("200", (200, 200)), ("200-299", (200, 299)), (" 404 ", (404, 404)), ("200-599", (200, 599))]
)
def test_statuses_are_one_or_a_range(text: str, span: tuple[int, int]) -> None:
    assert parse_statuses(text) == span


@pytest.mark.parametrize("text", ["", "100", "600", "20", "2xx", "299-200", "200-", "200,201"])
def test_other_statuses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="200-299"):
        parse_statuses(text)


RFC6901 = json.loads('{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\\\j":5,"k\\"l":6," ":7,"m~n":8}')


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RFC6901), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/c%d", 2), ("/e^f", 3),
        ("/g|h", 4), ("/i\\j", 5), ('/k"l', 6), ("/ ", 7), ("/m~0n", 8),
    ],
)  # fmt: skip
def test_pointers_find_what_their_rfc_says(pointer: str, value: Any) -> None:
    assert find(RFC6901, check_pointer(pointer)) == value


@pytest.mark.parametrize("pointer", ["/nothing", "/foo/2", "/foo/00", "/foo/-", "/foo/bar", "/foo/0/x", "//x"])
def test_a_pointer_to_nothing_finds_nothing(pointer: str) -> None:
    with pytest.raises(LookupError):
        find(RFC6901, pointer)


@pytest.mark.parametrize("pointer", ["foo", "foo/0", "/a~2", "/a~"])
def test_what_is_no_pointer_is_refused(pointer: str) -> None:
    with pytest.raises(ValueError, match="6901"):
        check_pointer(pointer)


@pytest.mark.parametrize(
    ("equals", "body", "verdict"),
    [
        (True, b"true", Verdict.DONE), (True, b"1", Verdict.REFUSED), (1, b"true", Verdict.REFUSED),
        (1, b"1.0", Verdict.DONE), ("ok", b'"ok"', Verdict.DONE), ("ok", b'"OK"', Verdict.REFUSED),
        (0, b"false", Verdict.REFUSED), ("", b"null", Verdict.REFUSED), (True, b"[" * 100_000, Verdict.UNCLEAR),
        (True, b"\xff\xfe", Verdict.UNCLEAR),
    ],
)  # fmt: skip
def test_equal_means_equal_in_json(equals: Any, body: bytes, verdict: Verdict) -> None:
    assert SuccessRule(pointer="", equals=equals).judge(200, body, whole=True) is verdict


def read(status: int, body: object = b"", *, proven: bool = False, idempotent: bool = False, **headers: str) -> Outcome:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given_headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    reading = Reading(SuccessRule(), idempotent, "hooks.example", lambda text: text)
    answer = Answer(status, given_headers, data, whole=True)
    return reading.answered(answer, message_id="<m@x>", proven=proven, now=NOW)


TABLE = [
    (200, "accepted", ""), (204, "accepted", ""), (301, "configuration", "hold_pause"),
    (400, "content", ""), (401, "account", "needs_attention"), (402, "account", "needs_attention"),
    (403, "configuration", "hold_pause"), (404, "configuration", "hold_pause"), (405, "configuration", "hold_pause"),
    (407, "account", "needs_attention"), (408, "transient", ""), (409, "permanent", "unknown"),
    (410, "configuration", "hold_pause"), (413, "content", ""), (415, "content", ""), (418, "permanent", "unknown"),
    (421, "route", "cool"), (422, "permanent", "unknown"), (423, "transient", ""), (425, "transient", ""),
    (429, "account", "cool"), (500, "uncertain", ""), (501, "configuration", "hold_pause"), (502, "uncertain", ""),
    (503, "account", "cool"), (504, "uncertain", ""), (511, "route", "cool"), (599, "uncertain", ""),
    (600, "uncertain", ""),
]  # fmt: skip


@pytest.mark.parametrize(("status", "cls", "action"), TABLE)
def test_the_table_of_statuses(status: int, cls: str, action: str) -> None:
    outcome = read(status)
    assert (outcome.cls, outcome.action, outcome.code) == (cls, action, status)
    assert outcome.phase == "content"
    assert outcome.server == "hooks.example"


@pytest.mark.parametrize(
    ("status", "cls", "action"),
    [(400, "permanent", "unknown"), (403, "permanent", "unknown"), (404, "permanent", "unknown"),
     (410, "permanent", "suppress"), (401, "account", "needs_attention")],
)  # fmt: skip
def test_once_somebody_was_accepted_a_refusal_is_about_this_person(status: int, cls: str, action: str) -> None:
    outcome = read(status, proven=True)
    assert (outcome.cls, outcome.action) == (cls, action)


@pytest.mark.parametrize("status", [409, 500, 502, 504, 599])
def test_with_a_key_that_is_honoured_doubt_is_passing(status: int) -> None:
    outcome = read(status, idempotent=True, retry_after="90")
    assert (outcome.cls, outcome.wait) == (OutcomeClass.TRANSIENT, 90 * SECOND)


@pytest.mark.parametrize(("status", "state"), [(429, JobState.PENDING), (500, JobState.UNCERTAIN)])
def test_what_becomes_of_the_job(status: int, state: JobState) -> None:
    fate = decide(read(status), tries=1, budget_at=NOW, now=NOW, policy=RetryPolicy(), rng=random.Random(1))
    assert fate.state is state


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", 120 * SECOND), (" 5 ", 5 * SECOND), ("0", 0), ("", 0), ("-5", 0), ("soon", 0), ("999999999", MAX_WAIT),
        ("1e3", 0), ("٣", 0), ("99999999999999999999", 0), ("Wed, 99 Foo 2026 99:99:99 GMT", 0),
    ],
)  # fmt: skip
def test_retry_after_in_seconds(value: str, wait: int) -> None:
    assert retry_after(value, NOW) == wait


@pytest.mark.parametrize(("ahead", "wait"), [(90, 90 * SECOND), (-90, 0), (10 * 86_400, DAY)])
def test_retry_after_as_a_date(ahead: int, wait: int) -> None:
    at = datetime.fromtimestamp(NOW / SECOND + ahead, UTC)
    assert retry_after(format_datetime(at, usegmt=True), NOW) == wait


def test_a_limit_cools_the_queue_for_as_long_as_it_was_asked() -> None:
    outcome = read(429, {"error": "too many requests"}, retry_after="300")
    assert (outcome.action, outcome.wait, outcome.error_key) == (Action.COOL, 5 * MINUTE, "429 too many requests")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "bad"}, "bad"), ({"error": {"message": "bad", "code": 7}}, "bad"), ({"a": 1}, '{"a": 1}'),
        ({"errors": [{"message": "one"}, {"message": "two"}]}, "one"), ([{"msg": "x"}], "x"), ("plain", "plain"),
        (b"not found", "not found"), (b"<html>no</html>", ""), (b"", ""), (b"{broken", "{broken"),
        ({"title": "T", "detail": "d"}, "d"), ({"error": ""}, '{"error": ""}'),
    ],
)  # fmt: skip
def test_what_a_receiver_says_is_found_in_its_answer(body: object, words: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert words_of(Answer(400, (), data, whole=True)) == words


def test_equal_failures_share_one_key() -> None:
    keys = {
        read(422, {"error": f"order {number} of ada{number}@example.org not found"}).error_key for number in range(5)
    }
    assert keys == {"422 order * of * not found"}


@given(st.integers(200, 999), st.binary(max_size=200), st.text(max_size=40), st.booleans(), st.booleans())
def test_no_answer_breaks_the_reading(status: int, body: bytes, after: str, proven: bool, idempotent: bool) -> None:
    outcome = read(status, body, proven=proven, idempotent=idempotent, retry_after=after)
    assert outcome.text
    assert len(outcome.text) <= 1000
    assert outcome.text.isprintable()
    assert 0 <= outcome.wait <= MAX_WAIT
    assert (outcome.error_key == "") == (outcome.cls is OutcomeClass.ACCEPTED)


def test_a_long_answer_is_kept_in_part() -> None:
    assert len(read(200, b"y" * 10_000).text) == WORDS
