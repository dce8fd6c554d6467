"""The control socket of a running engine: a real Unix socket, the real client in a thread."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import Callable
from typing import Any

import pytest
from run_world import ANA, World

from engine.control.actions import ACTIONS
from engine.socket_client import LINE_LIMIT, ControlClient, RemoteError
from storage.errors import EngineUnavailableError, UsageError
from storage.model import HOUR
from tests.support.scripted import ScriptedChannel


def path(world: World) -> str:
    return str(world.engine.server.path)


async def ask(world: World, action: str, **args: Any) -> dict[str, Any]:
    def talk() -> dict[str, Any]:
        client = ControlClient(path(world), timeout=20)
        try:
            return client.call(action, args, ANA)
        finally:
            client.close()

    return await asyncio.to_thread(talk)


async def raw(world: World, *lines: bytes) -> list[dict[str, Any]]:
    """Send bytes as they are; every answer until the engine closes or all lines have one."""

    def talk() -> list[dict[str, Any]]:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(20)
            line.connect(path(world))
            file, answers = line.makefile("rb"), []
            for sent in lines:
                try:
                    line.sendall(sent)
                except OSError:
                    pass
                if not (answer := file.readline()):
                    break
                answers.append(json.loads(answer))
            return answers

    return await asyncio.to_thread(talk)


def request(action: str, request_id: str = "r1", v: Any = 1, **args: Any) -> bytes:
    return json.dumps({"v": v, "id": request_id, "action": action, "args": args}).encode() + b"\n"


async def test_the_client_asks_the_running_engine(world: World) -> None:
    await world.start()
    assert (await ask(world, "engine.status"))["running"] is True
    await world.campaign(people=3, pacing={"mode": "steady", "rate": "1/h"})
    assert (await ask(world, "campaign.pause", name="c"))["state"] == "paused"
    assert world.events("campaign.paused")[0]["actor"] == "ana"


async def test_the_socket_belongs_to_its_owner_alone_and_goes_with_the_engine(world: World) -> None:
    await world.start()
    server = world.engine.server
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
    await world.stop()
    assert not server.path.exists()
    with pytest.raises(EngineUnavailableError):
        ControlClient(server.path)


async def test_a_repeated_id_gets_the_first_answer_and_acts_once(world: World) -> None:
    await world.start()
    line = request("campaign.new", name="once", account="one", subject="s", text="t")
    first, again = await raw(world, line, line)
    assert first == again and first["ok"]
    (third,) = await raw(world, line)
    assert third == first
    assert len(world.events("campaign.created")) == 1


async def test_another_protocol_version_is_refused(world: World) -> None:
    await world.start()
    (answer,) = await raw(world, request("engine.pause", v=2))
    assert not answer["ok"] and "protocol 1" in answer["error"]["message"]
    assert world.events("engine.paused") == []


async def test_a_line_over_a_megabyte_is_refused_and_the_engine_goes_on(world: World) -> None:
    await world.start()
    answers = await raw(world, b"x" * (LINE_LIMIT + 100_000) + b"\n")
    assert not answers or "1 MB" in answers[0]["error"]["message"]
    assert (await ask(world, "engine.status"))["running"]


async def test_the_client_refuses_to_send_a_line_over_a_megabyte(world: World) -> None:
    await world.start()
    with pytest.raises(UsageError, match="over 1 MB"):
        await ask(world, "campaign.new", name="x", account="one", text="y" * LINE_LIMIT)


async def test_attachments_of_several_steps_that_are_too_large_together_are_named_as_such(world: World) -> None:
    await world.start()
    steps = [{"text": "Hi", "attachments": [{"name": "a.pdf", "data": "x" * 600_000}]} for _ in range(2)]
    with pytest.raises(UsageError, match="over 1 MB") as refused:
        await ask(world, "campaign.edit", name="c", steps=steps)
    assert "attachments of a campaign's steps travel together" in refused.value.hint
    await world.finish()


async def test_an_unknown_action_and_bad_arguments_are_refused_with_words(world: World) -> None:
    await world.start()
    with pytest.raises(RemoteError, match="there is no action") as unknown:
        await ask(world, "campaign.explode")
    assert (unknown.value.code, unknown.value.exit_code) == ("usage", 2)
    with pytest.raises(RemoteError, match="name") as missing:
        await ask(world, "campaign.pause")
    assert missing.value.exit_code == 2
    with pytest.raises(RemoteError, match="there is no campaign") as absent:
        await ask(world, "campaign.pause", name="nobody")
    assert absent.value.code == "not_found"


async def test_a_read_only_engine_refuses_changes_and_answers_status(world: World) -> None:
    await world.start(read_only=True)
    assert (await ask(world, "engine.status"))["running"]
    for action in [found.name for found in ACTIONS.values() if not found.reads]:
        with pytest.raises(RemoteError, match="this engine was started read-only: changes are refused") as refusal:
            await ask(world, action)
        assert refusal.value.exit_code == 4
    assert world.rows("SELECT * FROM campaigns") == []


HOSTILE = {
    "no JSON": b"hello\n",
    "an empty line": b"\n",
    "a list": b"[1, 2]\n",
    "a number": b"7\n",
    "null": b"null\n",
    "no id": b'{"v": 1, "action": "engine.status"}\n',
    "deep nesting": b"[" * 100_000 + b"\n",
    "not UTF-8": b'{"v": 1, "id": "\xff\xfe", "action": "engine.status"}\n',
    "a NUL": b'\x00{"v": 1}\n',
    "arguments as a list": b'{"v": 1, "id": "h1", "action": "engine.pause", "args": [1]}\n',
    "arguments as text": b'{"v": 1, "id": "h2", "action": "engine.pause", "args": "all"}\n',
    "an actor as text": b'{"v": 1, "id": "h3", "action": "engine.nothing", "actor": "root"}\n',
    "an action as a list": b'{"v": 1, "id": "h4", "action": ["engine.pause"]}\n',
    "a surrogate": b'{"v": 1, "id": "h5", "action": "campaign.pause", "args": {"name": "\\ud800"}}\n',
    "a huge number": b'{"v": 1, "id": "h6", "action": "job.resolve", "args": {"job": 1' + b"0" * 30 + b"}}\n",
    "a number too long to read": b'{"v": 1, "id": "h7", "action": "job.retry", "args": ' + b"9" * 9_000 + b"}\n",
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
async def test_hostile_input_gets_a_sentence_and_changes_nothing(world: World, what: str) -> None:
    await world.start()
    (answer,) = await raw(world, HOSTILE[what])
    assert answer["ok"] is False
    assert answer["error"]["code"] in ("usage", "not_found"), answer["error"]
    assert (await ask(world, "engine.status"))["running"]
    assert world.events("engine.paused") == []


async def test_half_a_request_and_a_lost_line_harm_nobody(world: World) -> None:
    await world.start()

    def half() -> None:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(path(world))
            line.sendall(b'{"v": 1, "id": "half", "acti')

    await asyncio.to_thread(half)
    assert (await ask(world, "engine.status"))["running"]


async def test_an_engine_that_drains_answers_the_one_who_asked(world: World) -> None:
    await world.start()
    world.running = False
    run = asyncio.ensure_future(world._end(world.engine.run()))
    answer = await ask(world, "engine.drain")
    await run
    assert answer["success"]


async def test_reload_replaces_changed_accounts_and_leaves_the_others(world: World) -> None:
    world.accounts["two"] = {}
    await world.start()
    before = dict(world.engine.queues.runners)
    made: list[str] = []
    original: Callable[..., Any] = world._channel_of
    world.engine.context.make_channel = lambda account: made.append(account.name) or original(account)  # type: ignore[func-returns-value]
    world.accounts = {"one": {"concurrency": 2}, "two": {}, "three": {}}
    world.write_config()
    answer = await ask(world, "engine.reload")
    assert answer["accounts"] == ["one", "three", "two"]
    assert made == ["one", "three"]
    assert world.engine.queues.runners["two"] is before["two"]
    assert world.engine.queues.runners["one"].rules.limits.concurrency == 2
    await world.campaign("c", 8, account="three")
    await world.finish()
    assert world.counts() == {"completed": 8}
    assert len(world.channels["three"].deliveries) == 8  # type: ignore[attr-defined]


async def test_a_reload_waits_for_nobody_and_what_is_in_flight_finishes_first(world: World) -> None:
    world.channel.service = (60_000_000, 60_000_000)
    await world.start(min_gap="10m")
    await world.campaign(people=4)
    await world.clock.until(lambda: world.channel.inside == 1)
    world.accounts["one"] = {"min_gap": "20m"}
    world.write_config()
    await world.clock.drive(world.call("engine.reload"))
    assert world.channel.inside == 1
    await world.finish()
    assert world.channel.most_inside == 1
    assert min(world.channel.gaps()) >= 20 * 60_000_000
    assert world.counts() == {"completed": 4}


async def test_a_removed_account_s_messages_wait_until_it_is_back(world: World) -> None:
    world.accounts["two"] = {}
    await world.start()
    world.accounts.pop("two")
    await world.campaign("c", 4, account="two", pacing={"mode": "steady", "rate": "1/min"})
    world.write_config()
    await world.call("engine.reload")
    await world.clock.run(HOUR)
    assert world.counts() == {"pending": 4}
    world.accounts["two"] = {}
    world.write_config()
    await world.call("engine.reload")
    await world.finish()
    assert world.counts() == {"completed": 4}


async def test_a_reload_of_a_file_with_a_mistake_changes_nothing(world: World) -> None:
    await world.start()
    world.config.write_text("[accounts.one]\nchannel = 'pigeon'\n")
    with pytest.raises(RemoteError) as refusal:
        await ask(world, "engine.reload")
    assert refusal.value.exit_code == 2
    await world.campaign(people=3)
    await world.finish()
    assert world.counts() == {"completed": 3}
    assert isinstance(world.channel, ScriptedChannel)
