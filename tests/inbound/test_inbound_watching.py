"""The engine looks into its mailboxes by itself; trouble is told once, and a mailbox that comes back is read on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.inbound.watching import Mailbox, Mailboxes
from engine.inbox_settings import InboxTable
from engine.secrets import SecretRef
from storage.errors import PacelineError
from storage.inbox_facts import inbox_rows
from storage.reader import Reader
from storage.sqlite import SqliteStore
from tests.support.imap_server import PASSWORD, USER, ImapFolder, ImapServer

REPLY = b"From: ada@example.net\r\nSubject: Re: Hello\r\n\r\nYes, number %d.\r\n"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "p.db", role="engine", now=SystemClock().now, socket_path="", create=True)
    yield store
    await store.close(note="done")


def table(port: int, monkeypatch: pytest.MonkeyPatch, **more: object) -> InboxTable:
    monkeypatch.setenv("IMAP_PASSWORD", PASSWORD)
    return InboxTable.model_validate(
        {
            "host": "127.0.0.1",
            "port": port,
            "tls": "none",
            "username": USER,
            "password": {"env": "IMAP_PASSWORD"},
            **more,
        }
    )


def kinds(path: Path) -> list[str]:
    with Reader(path) as reader:
        return [row["kind"] for row in inbox_rows(reader)]


async def test_a_look_takes_in_what_is_new_and_remembers_how_far_it_came(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ImapFolder()
    for number in range(3):
        folder.add(REPLY % number)
    changed: list[int] = []
    with ImapServer(folder) as server:
        mailbox = Mailbox(
            "replies",
            table(server.port, monkeypatch),
            store=store,
            clock=SystemClock(),
            accounts=dict,
            on_change=lambda: changed.append(1),
        )
        assert len((await mailbox.look()).effects) == 3
        assert await store.inbox_cursor("imap:replies") == "7:3"
        assert (await mailbox.look()).effects == ()
        assert changed == [1]
    assert kinds(tmp_path / "p.db") == ["reply"] * 3


async def test_a_mailbox_that_cannot_be_read_is_told_and_read_when_it_is_back(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ImapServer(ImapFolder()) as server:
        port = server.port
    mailbox = Mailbox(
        "replies", table(port, monkeypatch), store=store, clock=SystemClock(), accounts=dict, on_change=lambda: None
    )
    with pytest.raises(PacelineError):
        await mailbox.look()
    mailboxes = Mailboxes(store, SystemClock(), accounts=dict, on_change=lambda: None)
    await mailboxes.set({"replies": table(port, monkeypatch)})
    async with asyncio.timeout(20):
        while True:
            with Reader(tmp_path / "p.db") as reader:
                told = reader.rows("SELECT text FROM events WHERE kind = 'inbox.failed'")
            if told:
                break
            await asyncio.sleep(0.02)
    await mailboxes.stop()
    assert "replies could not be read" in told[0]["text"]
    assert PASSWORD not in told[0]["text"]


async def test_a_table_that_did_not_change_is_left_alone(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ImapFolder()
    with ImapServer(folder) as server:
        mailboxes = Mailboxes(store, SystemClock(), accounts=dict, on_change=lambda: None)
        first = {"a": table(server.port, monkeypatch)}
        await mailboxes.set(first)
        task = mailboxes._tasks["a"][1]
        await mailboxes.set({"a": table(server.port, monkeypatch)})
        assert mailboxes._tasks["a"][1] is task
        await mailboxes.set({"a": table(server.port, monkeypatch, folder="Other")})
        assert task.cancelled()
        await mailboxes.stop()
        assert mailboxes._tasks == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "imap.example.com", "tls": "none"},
        {"every": "5s"},
        {"port": 0},
        {"password": "in clear"},
        {"unknown": 1},
    ],
)
def test_a_mailbox_that_would_do_harm_is_refused(wrong: dict[str, object]) -> None:
    whole = {"host": "imap.example.com", "username": "u", "password": SecretRef(env="X"), **wrong}
    with pytest.raises(ValueError):
        InboxTable.model_validate(whole)


async def test_a_mistake_about_a_mail_is_told_and_does_not_end_the_reading(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(raw: object) -> tuple[()]:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr("engine.inbound.file.events", wrong)
    folder = ImapFolder()
    folder.add(REPLY % 1)
    with ImapServer(folder) as server:
        mailboxes = Mailboxes(store, SystemClock(), accounts=dict, on_change=lambda: None)
        await mailboxes.set({"replies": table(server.port, monkeypatch)})
        async with asyncio.timeout(20):
            while True:
                with Reader(tmp_path / "p.db") as reader:
                    told = reader.rows("SELECT text FROM events WHERE kind = 'inbox.failed'")
                if told:
                    break
                await asyncio.sleep(0.02)
        assert not mailboxes._tasks["replies"][1].done()
        await mailboxes.stop()
    assert "a mistake of ours" in told[0]["text"]
