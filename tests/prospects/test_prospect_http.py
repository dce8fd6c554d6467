"""Prospects from an HTTP service: a scripted server on loopback, whose ledger is the judge of what was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.channels.webhook.endpoint import Endpoint, parse_endpoint
from engine.channels.webhook.guard import Lookup
from engine.intake.rejects import Rejected
from engine.prospects import http_source
from engine.prospects.answers import SourceError
from engine.prospects.http_source import HttpSource
from engine.prospects.rows import Bounds, Found
from engine.prospects.source import read_prospects
from storage.errors import UsageError
from storage.model import DAY, SECOND
from tests.channels.conftest import certify
from tests.support.webhook_server import Play, WebhookServer, answer, cut_short, endless, garbage, hang_up, silent

ADA = {"email": "ada@alder.example", "industry": "Construction", "size": 120, "region": "US", "first_name": "Ada"}


def people(first: int, count: int) -> list[dict[str, Any]]:
    return [ADA | {"email": f"p{number}@x.example"} for number in range(first, first + count)]


async def ask(
    server: WebhookServer, target: str = "/people", *, bounds: Bounds | None = None, columns: Any = None, **more: Any
) -> Found:
    endpoint = parse_endpoint(f"http://127.0.0.1:{server.port}{target}")
    source = HttpSource(endpoint, **({"allow_private": True} | more))
    return await read_prospects(source, bounds=bounds, columns=columns)


async def read(*script: Play, **more: Any) -> Found:
    async with WebhookServer(*script) as server:
        return await ask(server, **more)


async def trouble(*script: Play, **more: Any) -> SourceError:
    """The error that a reading ends with; it always says what to do."""
    with pytest.raises(SourceError) as caught:
        await read(*script, **more)
    assert caught.value.hint and caught.value.code == "source"
    return caught.value


async def test_a_plain_list_is_one_page() -> None:
    async with WebhookServer(answer(200, [ADA])) as server:
        found = await ask(server, "/people?team=7")
    (one,) = found.prospects
    assert (one.row, one.address, one.industry, one.size, one.region) == (
        1, "ada@alder.example", "Construction", 120, "US",
    )  # fmt: skip
    (asked,) = server.ledger
    assert (asked.method, asked.target, asked.body) == ("GET", "/people?team=7", b"")
    assert asked.header("host") == f"127.0.0.1:{server.port}"
    assert asked.header("accept-encoding") == "identity"
    assert asked.header("authorization") == ""


async def test_pages_are_followed_to_the_end_in_their_order() -> None:
    script = (
        answer(200, {"items": people(0, 2), "next": "/people?page=2", "total": 5}),
        answer(200, {"items": [], "next": "?page=3"}),
        answer(200, {"items": people(2, 3), "next": None}),
    )
    async with WebhookServer(*script) as server:
        found = await ask(server, token=lambda: "s3cret-token")
    assert [one.address for one in found.prospects] == [f"p{number}@x.example" for number in range(5)]
    assert [one.row for one in found.prospects] == [1, 2, 3, 4, 5]
    assert found.cut == ""
    assert [asked.target for asked in server.ledger] == ["/people", "/people?page=2", "/people?page=3"]
    assert {asked.header("authorization") for asked in server.ledger} == {"Bearer s3cret-token"}
    assert server.connections == 3, "each page has a connection of its own"


async def test_the_whole_address_of_the_next_page_may_stand_there() -> None:
    async with WebhookServer() as server:
        server.script = (
            answer(200, {"items": people(0, 1), "next": f"http://127.0.0.1:{server.port}/more"}),
            answer(200, people(1, 1)),
        )
        assert len((await ask(server)).prospects) == 2


async def test_a_token_may_have_a_header_of_its_own() -> None:
    async with WebhookServer(answer(200, [ADA])) as server:
        await ask(server, token=lambda: "k1", token_header="X-Api-Key")
    assert (server.ledger[0].header("x-api-key"), server.ledger[0].header("authorization")) == ("k1", "")


async def test_a_service_without_anybody_is_an_empty_run_and_no_error() -> None:
    assert await read(answer(200, [])) == Found()
    assert await read(answer(200, {"items": []})) == Found()


async def test_items_of_wrong_types_are_kept_as_rejects() -> None:
    items = [7, None, [ADA], ADA | {"size": "many"}, ADA | {"industry": ["a", "b"]}, ADA | {"region": "U\0S"}, ADA]
    found = await read(answer(200, items))
    assert [one.address for one in found.prospects] == ["ada@alder.example"]
    told = [(one.row, one.field) for one in found.rejects if isinstance(one, Rejected)]
    assert told == [(1, ""), (2, ""), (3, ""), (4, "size"), (5, "industry"), (6, "region")]
    assert found.rows == 7


async def test_lists_and_objects_that_nobody_needs_are_left_out() -> None:
    found = await read(answer(200, [ADA | {"tags": ["a"], "links": {"web": "x"}, "owner": True, "rating": 4.5}]))
    (one,) = found.prospects
    assert one.fields == {"tags": "", "links": "", "owner": "true", "rating": "4.5"}


async def test_keys_that_can_be_no_field_are_left_out() -> None:
    (one,) = (await read(answer(200, [ADA | {"": "x", " ": "x", "a\0b": "x", "n" * 300: "x"}]))).prospects
    assert one.fields == {}


async def test_columns_map_the_keys_of_a_service() -> None:
    item = {"work_mail": "a@b.example", "job_company_industry": "Retail", "job_company_size": "51-200", "where": "CA"}
    (one,) = (await read(answer(200, [item]), columns={"work_mail": "email", "where": "region"})).prospects
    assert (one.address, one.industry, one.size, one.region) == ("a@b.example", "Retail", 125, "CA")


async def test_a_service_without_addresses_is_a_mistake_of_the_settings() -> None:
    with pytest.raises(UsageError, match="No column of the source looks like e-mail"):
        await read(answer(200, [{"name": "Ada"}]))


async def test_no_more_rows_are_asked_for_than_a_run_may_take() -> None:
    script = (answer(200, {"items": people(0, 4), "next": "/2"}), answer(200, {"items": people(4, 4), "next": "/3"}))
    async with WebhookServer(*script) as server:
        found = await ask(server, bounds=Bounds(rows=6))
    assert (found.rows, found.cut) == (6, "The source holds more than 6 rows; the rest was not read.")
    assert len(server.ledger) == 2, "the third page is not asked for"


async def test_no_more_pages_are_read_than_are_allowed() -> None:
    script = [answer(200, {"items": people(number, 1), "next": f"/{number}"}) for number in range(9)]
    async with WebhookServer(*script) as server:
        found = await ask(server, most_pages=3)
    assert (found.rows, found.cut) == (3, "The source has more than 3 pages; the rest was not read.")
    assert len(server.ledger) == 3


async def test_no_more_bytes_are_read_than_are_allowed() -> None:
    page = [ADA | {"email": f"p{number}@x.example", "note": "x" * 20_000} for number in range(60)]
    script = [answer(200, {"items": page, "next": f"/{number}"}) for number in range(9)]
    async with WebhookServer(*script) as server:
        found = await ask(server, most_bytes=2 << 20)
    assert found.cut == "The first 2 pages fill 2 MB; the rest was not read."
    assert len(server.ledger) == 2


@pytest.mark.parametrize(
    ("following", "words"),
    [
        ("/people", "leads back to a page that was read before"),
        ("", ""),
        ("https://other.example/people", "leads to another server"),
        ("//other.example/people", "leads to another server"),
        ("http://user:pw@127.0.0.1/", "no address that can be asked"),
        ("/peo ple", "no address that can be asked"),
        ("file:///etc/passwd", "no address that can be asked"),
        ("/people#two", "no address that can be asked"),
        (5, "no address"),
        (True, "no address"),
        (["/2"], "no address"),
    ],
)
async def test_only_a_new_page_of_the_same_server_is_followed(following: Any, words: str) -> None:
    async with WebhookServer(answer(200, {"items": [ADA], "next": following})) as server:
        if not words:
            assert len((await ask(server)).prospects) == 1
        else:
            with pytest.raises(SourceError, match=words):
                await ask(server)
    assert len(server.ledger) == 1


async def test_two_pages_that_name_each_other_are_no_endless_reading() -> None:
    script = (
        answer(200, {"items": people(0, 1), "next": "/b"}),
        answer(200, {"items": people(1, 1), "next": "/people"}),
    )
    assert "leads back" in (await trouble(*script)).message


HUGE = json.dumps([ADA]).encode().replace(b"Ada", b"\xff\xfe")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON"),
        (b"[{", "no JSON"),
        (b"<html>Sign in</html>", "no JSON"),
        (b'[{"email": "a@b.example", "email": "c@d.example"}]', "a key appears twice"),
        (b'[{"size": NaN}]', "out of range"),
        (b'[{"size": 1e999}]', "out of range"),
        (HUGE, "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b"7", 'neither a list nor an object with "items"'),
        (b'{"error": "no"}', 'neither a list nor an object with "items"'),
        (b'{"items": {"a": 1}}', 'neither a list nor an object with "items"'),
    ],
)
async def test_an_answer_that_is_no_page_is_refused(body: bytes, words: str) -> None:
    error = await trouble(answer(200, body))
    assert words in error.message and "page 1 cannot be used" in error.message
    assert not error.passing and '"items"' in error.hint


@pytest.mark.parametrize(
    ("status", "headers", "passing", "wait", "hint"),
    [
        (301, {"Location": "http://127.0.0.1/elsewhere"}, False, 0, "A redirect is not followed"),
        (401, {}, False, 0, "Check the token"),
        (404, {}, False, 0, "Check the address"),
        (422, {}, False, 0, "what it expects"),
        (204, {}, False, 0, "what it expects"),
        (429, {"Retry-After": "90"}, True, 90 * SECOND, "later"),
        (503, {"Retry-After": "999999"}, True, DAY, "later"),
        (
            503,
            {"Date": "Sun, 22 Nov 2026 08:00:00 GMT", "Retry-After": "Sun, 22 Nov 2026 08:02:00 GMT"},
            True,
            120 * SECOND,
            "later",
        ),
        (500, {"Retry-After": "soon"}, True, 0, "later"),
    ],
)
async def test_every_other_status_says_whether_it_passes_and_when(
    status: int, headers: Mapping[str, str], passing: bool, wait: int, hint: str
) -> None:
    async with WebhookServer(answer(status, headers=headers)) as server:
        with pytest.raises(SourceError, match=f"answered {status}") as caught:
            await ask(server)
    assert (caught.value.passing, caught.value.wait) == (passing, wait)
    assert hint in caught.value.hint
    assert len(server.ledger) == 1, "nothing is followed and nothing is repeated"


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (hang_up(), "lost before an answer"),
        (garbage(b"SSH-2.0-OpenSSH\r\n\r\n"), "not HTTP"),
        (cut_short(200, b'[{"email":', promised=900), "page 1 broke off"),
    ],
)
async def test_a_service_that_breaks_off_may_do_better_later(play: Play, words: str) -> None:
    error = await trouble(play)
    assert words in error.message and error.passing


async def test_a_service_that_is_silent_is_given_up() -> None:
    error = await trouble(silent(), reply_timeout=0.2)
    assert "no answer within 0.2 s" in error.message and error.passing


async def test_a_body_without_an_end_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_source, "MOST_PAGE", 1 << 20)
    error = await trouble(endless())
    assert "page 1 is larger than 1 MB" in error.message and not error.passing


async def test_a_compressed_answer_is_refused_unread() -> None:
    assert "compressed" in (await trouble(answer(200, b"\x1f\x8b", headers={"Content-Encoding": "gzip"}))).message


async def test_more_keys_than_any_table_has_are_refused() -> None:
    items = [{"email": "a@b.example", f"key{number}": "x"} for number in range(400)]
    assert "256 different keys" in (await trouble(answer(200, items))).message


async def test_all_pages_together_have_a_time() -> None:
    error = await trouble(silent(), timeout=0.3)
    assert "within 0.3 s: it came to page 1" in error.message and error.passing


def looked_up(*addresses: str) -> Lookup:
    async def lookup(host: str, port: int) -> list[str]:
        return list(addresses)

    return lookup


@pytest.mark.parametrize(
    ("url", "addresses", "words"),
    [
        ("https://people.example/", ["10.0.0.7"], "people.example (10.0.0.7) is not a public address"),
        ("https://people.example/", ["1.2.3.4", "127.0.0.1"], "(127.0.0.1) is not a public address"),
        ("https://people.example/", ["169.254.169.254"], "metadata service"),
        ("http://people.example/", ["1.2.3.4"], "needs https"),
    ],
)
async def test_a_name_that_leads_inside_is_not_asked(url: str, addresses: list[str], words: str) -> None:
    with pytest.raises(SourceError) as caught:
        await read_prospects(HttpSource(parse_endpoint(url)), lookup=looked_up(*addresses))
    assert words in caught.value.message and not caught.value.passing


async def test_a_page_that_leads_inside_is_judged_anew() -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]

    async def rebinding(host: str, port: int) -> list[str]:
        return answers.pop(0)

    async with WebhookServer(answer(200, {"items": [ADA], "next": "/2"})) as server:
        source = HttpSource(Endpoint("http", "people.example", server.port, "/"), allow_private=True)
        with pytest.raises(SourceError, match="metadata service"):
            await read_prospects(source, lookup=rebinding)
    assert len(server.ledger) == 1


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with WebhookServer(answer(500)) as proxy, WebhookServer(answer(200, [ADA])) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert len((await ask(server)).prospects) == 1
    assert proxy.ledger == []


async def test_nobody_there_says_so() -> None:
    async with WebhookServer() as server:
        port = server.port
    source = HttpSource(Endpoint("http", "127.0.0.1", port, "/"), allow_private=True)
    with pytest.raises(SourceError, match="refused the connection") as caught:
        await read_prospects(source)
    assert caught.value.passing


async def test_a_token_is_never_in_what_is_told() -> None:
    secret = "4f9a1c2b7d8e4f9a1c2b7d8e"
    async with WebhookServer(answer(401, secret.encode())) as server:
        with pytest.raises(SourceError) as caught:
            await ask(server, f"/people/{secret}?key={secret}", token=lambda: secret)
        with pytest.raises(SourceError, match="characters") as strange:
            await ask(server, token=lambda: "tökén")
    told = f"{caught.value.message} {caught.value.hint} {strange.value.message}"
    assert secret not in told and "tökén" not in told
    assert "key=***" in told


async def test_a_reading_can_be_cancelled() -> None:
    async with WebhookServer(silent()) as server:
        task = asyncio.create_task(ask(server))
        await server.reached(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_certificate_must_be_that_of_the_name(tmp_path: Path) -> None:
    certificate = certify(tmp_path, "DNS:people.example")
    async with WebhookServer(answer(200, [ADA]), tls=certificate.context) as server:
        for name, asked in (("other.example", 0), ("people.example", 1)):
            endpoint = Endpoint("https", name, server.port, "/")
            source = HttpSource(endpoint, allow_private=True, ca_file=str(certificate.path))
            if asked:
                assert len((await read_prospects(source, lookup=looked_up("127.0.0.1"))).prospects) == 1
            else:
                with pytest.raises(SourceError, match=r"certificate of other\.example is not valid"):
                    await read_prospects(source, lookup=looked_up("127.0.0.1"))
            assert len(server.ledger) == asked


async def test_authorities_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    source = HttpSource(Endpoint("https", "people.example", 443, "/"), ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(SourceError, match="certificate authorities cannot be read") as caught:
        await read_prospects(source, lookup=looked_up("1.2.3.4"))
    assert "ca_file" in caught.value.hint
