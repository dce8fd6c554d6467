"""IMAP: read on from where the last reading ended, mark nothing, and say why when it does not work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.inbound.imap import Cursor, ImapError, ImapSettings, read_imap
from engine.inbound.imap import _quoted as quoted
from tests.support.imap_server import PASSWORD, USER, ImapFolder, ImapServer

MAIL = b"From: ada@example.net\r\nSubject: Re: Hello\r\n\r\nYes.\r\n"


@pytest.fixture
def folder() -> ImapFolder:
    folder = ImapFolder()
    for _ in range(3):
        folder.add(MAIL)
    return folder


@pytest.fixture
def server(folder: ImapFolder) -> Iterator[ImapServer]:
    with ImapServer(folder) as server:
        yield server


def settings(server: ImapServer, **changes: str) -> ImapSettings:
    password = changes.pop("password", PASSWORD)
    return ImapSettings("127.0.0.1", server.port, USER, lambda: password, tls="none", **changes)  # type: ignore[arg-type]


def test_a_folder_is_read_from_its_beginning_and_then_on(server: ImapServer, folder: ImapFolder) -> None:
    first = read_imap(settings(server), Cursor())
    assert [raw.data for raw in first.mails] == [MAIL] * 3
    assert (first.cursor, first.more) == (Cursor(7, 3), False)
    assert first.mails[0].arrived == 1_795_428_000_000_000
    assert read_imap(settings(server), first.cursor).mails == ()
    folder.add(b"Subject: new\r\n\r\n.\r\n")
    assert [raw.name for raw in read_imap(settings(server), first.cursor).mails] == ["UID 4"]


def test_nothing_is_marked_as_read_unless_asked(server: ImapServer, folder: ImapFolder) -> None:
    read_imap(settings(server), Cursor())
    assert folder.seen == set()
    assert any(command.startswith("EXAMINE") for command in folder.asked)
    read_imap(settings(server), Cursor(), seen=True)
    assert folder.seen == {1, 2, 3}


def test_a_folder_of_many_mails_is_read_in_slices(server: ImapServer) -> None:
    first = read_imap(settings(server), Cursor(), limit=2)
    assert (len(first.mails), first.more) == (2, True)
    second = read_imap(settings(server), first.cursor, limit=2)
    assert (len(second.mails), second.more) == (1, False)


def test_a_folder_that_was_made_anew_is_read_from_its_beginning(server: ImapServer, folder: ImapFolder) -> None:
    assert len(read_imap(settings(server), Cursor(6, 3)).mails) == 3


def test_an_empty_folder_is_no_trouble(server: ImapServer, folder: ImapFolder) -> None:
    folder.mails.clear()
    assert read_imap(settings(server), Cursor()).mails == ()


def test_a_wrong_password_is_said_without_it(server: ImapServer, folder: ImapFolder) -> None:
    with pytest.raises(ImapError) as raised:
        read_imap(settings(server, password="not this one"), Cursor())
    assert "wrong user or password" in raised.value.message
    assert "not this one" not in f"{raised.value.message} {raised.value.hint}"
    assert folder.asked[-1] == "LOGOUT"


def test_a_folder_that_does_not_exist_is_said(server: ImapServer) -> None:
    with pytest.raises(ImapError, match="no such folder"):
        read_imap(settings(server, folder="Nowhere"), Cursor())


def test_a_server_that_is_not_there_is_said() -> None:
    with ImapServer(ImapFolder()) as server:
        port = server.port
    with pytest.raises(ImapError, match="refused"):
        read_imap(ImapSettings("127.0.0.1", port, USER, lambda: PASSWORD, tls="none"), Cursor())


@pytest.mark.parametrize(
    ("name", "wire"),
    # RFC 3501 section 5.1.3 has the last one.
    [("INBOX", '"INBOX"'), ('a "b" \\c', '"a \\"b\\" \\\\c"'), ("Q&A", '"Q&-A"'), ("台北", '"&U,BTFw-"')],
)
def test_a_folders_name_is_written_in_modified_utf_7(name: str, wire: str) -> None:
    assert quoted(name) == wire


@pytest.mark.parametrize("text", ["", "x", "1", "-1:2", "1:2:3", "9" * 30 + ":1"])
def test_a_cursor_that_is_none_reads_from_the_beginning(text: str) -> None:
    assert Cursor.parse(text) == Cursor()
    assert Cursor.parse(str(Cursor(7, 3))) == Cursor(7, 3)
