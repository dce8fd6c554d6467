"""The outbox folder: one file a message, whole or not there at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.channels.channel import ChannelError, Message
from engine.channels.outbox import OutboxChannel, file_name
from storage.model import OutcomeClass
from tests.channels.conftest import message


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_message_becomes_a_private_file_with_its_bytes(tmp_path: Path) -> None:
    session = await OutboxChannel(tmp_path / "out").open()
    one = message()
    assert await session.prepare(one) is None
    outcome = await session.deliver(one)
    assert outcome.cls is OutcomeClass.ACCEPTED
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == outcome.text == file_name(one.message_id)
    assert file.read_bytes() == one.content
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_the_same_message_never_makes_two_files(tmp_path: Path) -> None:
    for _ in range(2):
        session = await OutboxChannel(tmp_path).open()
        one = message()
        await session.prepare(one)
        await session.deliver(one)
        await session.close()
    assert len(names(tmp_path)) == 1


async def test_nothing_is_to_be_seen_before_the_delivery_or_after_an_abandon(tmp_path: Path) -> None:
    session = await OutboxChannel(tmp_path).open()
    assert await session.prepare(message()) is None
    assert [name for name in names(tmp_path) if not name.startswith(".")] == []
    await session.abandon()
    assert names(tmp_path) == []


async def test_a_full_disk_is_a_route_fault_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await OutboxChannel(tmp_path).open()
    monkeypatch.setattr(os, "fsync", no_space)
    outcome = await session.prepare(message())
    assert outcome is not None
    assert outcome.cls is OutcomeClass.ROUTE
    assert "No space left" in outcome.text
    assert names(tmp_path) == []


async def test_a_rename_that_fails_is_a_route_fault(tmp_path: Path) -> None:
    session = await OutboxChannel(tmp_path).open()
    one = message()
    assert await session.prepare(one) is None
    (tmp_path / file_name(one.message_id)).mkdir()
    assert (await session.deliver(one)).cls is OutcomeClass.ROUTE


async def test_a_file_that_may_not_survive_a_power_cut_is_uncertain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await OutboxChannel(tmp_path).open()
    one = message()
    assert await session.prepare(one) is None
    monkeypatch.setattr(os, "fsync", no_space)
    assert (await session.deliver(one)).cls is OutcomeClass.UNCERTAIN
    assert (tmp_path / file_name(one.message_id)).exists()


async def test_a_folder_that_cannot_be_made_is_a_route_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ChannelError) as caught:
        await OutboxChannel(tmp_path / "file" / "out").open()
    assert caught.value.outcome.cls is OutcomeClass.ROUTE


@given(st.text() | st.sampled_from(["", "<>", "../../etc/passwd", "<a/b@c>", "con", ".hidden", "a\0b", "x" * 5_000]))
def test_a_file_name_is_safe_whatever_the_message_id(message_id: str) -> None:
    name = file_name(message_id)
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@._-")
    assert name.endswith(".eml")
    assert not name.startswith(".")
    assert len(name) <= 120


@given(st.text(), st.text())
def test_two_message_ids_never_share_a_file(first: str, second: str) -> None:
    assert (file_name(first) == file_name(second)) is (first == second)


async def test_another_message_than_the_prepared_one_is_never_delivered(tmp_path: Path) -> None:
    session = await OutboxChannel(tmp_path).open()
    with pytest.raises(RuntimeError):
        await session.deliver(Message("us@example.com", "ada@example.org", "<1@example.com>", b""))
