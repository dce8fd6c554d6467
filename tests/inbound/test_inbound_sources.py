"""Where mails are read from: a maildir, an mbox, files; nothing there changes."""

from __future__ import annotations

import mailbox
import os
from email.message import EmailMessage
from pathlib import Path

import pytest

from engine.inbound.file import events, read_path
from engine.inbound.maildir import read_maildir
from engine.inbound.mbox import read_mbox
from engine.inbound.model import Kind
from storage.errors import UsageError


def letter(number: int, text: str = "Yes.\n") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = f"person{number}@example.net"
    mail["Subject"] = f"Re: Hello {number}"
    mail.set_content(text)
    return mail


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()
    }


def test_a_maildir_is_read_whole_in_the_order_of_arrival_and_left_as_it_is(tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "box")
    for number in (3, 1, 2):
        key = box.add(letter(number))
        path = tmp_path / "box" / "new" / key
        os.utime(path, (1_795_000_000 + number, 1_795_000_000 + number))
    seen = mailbox.MaildirMessage(letter(4))
    seen.set_subdir("cur")
    seen.set_flags("S")
    box.add(seen)
    before = tree(tmp_path)
    raws = list(read_maildir(tmp_path / "box"))
    assert [raw.data.split(b"@")[0][-1:] for raw in raws] == [b"1", b"2", b"3", b"4"]
    assert raws[0].arrived == 1_795_000_001_000_000
    assert tree(tmp_path) == before


def test_what_is_no_mail_in_a_maildir_is_passed_over(tmp_path: Path) -> None:
    mailbox.Maildir(tmp_path / "box")
    (tmp_path / "box" / "new" / ".hidden").write_bytes(b"x")
    os.mkfifo(tmp_path / "box" / "new" / "pipe")
    assert list(read_maildir(tmp_path / "box")) == []


def test_an_mbox_gives_each_mail_as_it_was_before_it_was_put_there(tmp_path: Path) -> None:
    texts = ["one\n", "From here on\n\nFrom the beginning\n", ">From quoted\n", "four\n"]
    path = tmp_path / "mails.mbox"
    with path.open("wb") as file:
        for number, text in enumerate(texts):
            body = "".join(
                f">{line}" if line.lstrip(">").startswith("From ") else line for line in text.splitlines(keepends=True)
            )
            head = f"From person{number}@example.net Mon Nov 23 10:00:0{number} 2026\n"
            file.write(f"{head}From: person{number}@example.net\nSubject: Re\n\n{body}\n".encode())
    raws = list(read_mbox(path))
    assert [raw.data.partition(b"\n\n")[2].decode().rstrip("\n") + "\n" for raw in raws] == texts
    assert [raw.arrived for raw in raws] == [1_795_428_000_000_000 + second * 1_000_000 for second in range(4)]


def test_an_mbox_of_the_standard_library_is_read(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box")
    for number in range(5):
        box.add(letter(number))
    box.close()
    raws = list(read_path(tmp_path / "box"))
    assert [events(raw)[0].addresses for raw in raws] == [(f"person{number}@example.net",) for number in range(5)]


def test_a_folder_of_files_and_one_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(letter(1).as_bytes())
    (tmp_path / "b.json").write_text('{"event": "bounce", "email": "ada@example.net", "sg_message_id": "x"}')
    found = [events(raw)[0].kind for raw in read_path(tmp_path)]
    assert found == [Kind.REPLY, Kind.BOUNCE]
    assert [raw.name for raw in read_path(tmp_path / "a.eml")] == ["a.eml"]


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_a_path_that_holds_nothing_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError):
        list(read_path(tmp_path / name))


def test_a_folder_that_is_no_maildir_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a maildir"):
        list(read_path(tmp_path, form="maildir"))
